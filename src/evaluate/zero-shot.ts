/**
 * Zero-shot classification from embeddings: accuracies, their intervals, where it goes wrong.
 * Plain arrays in, numbers out; knows nothing about models, templates or files.
 */
import { ShapeError } from "../errors.ts";
import {
  bootstrapIntervals,
  resolveBootstrap,
  type BootstrapOptions,
} from "../arrays/bootstrap.ts";
import { checkEmbeddings, checkSameDim, type Embeddings } from "../arrays/embeddings.ts";
import { hitsWithin, meanPerClass as classMeans, topK } from "./metrics/accuracy.ts";
import { together } from "./metrics/weighted.ts";
import { toMetrics, type Metric } from "./metric-table.ts";
import { fillTop, forEachRow, rankOf, type ChunkOptions } from "../arrays/similarities.ts";
import type { ClassAccuracy, Confusion } from "./tasks/task.ts";

export interface ZeroShotOptions extends ChunkOptions {
  /** [N, D] unit rows */
  readonly imageEmbeddings: Embeddings;
  /** [N] index of the true class of every image */
  readonly labels: ArrayLike<number>;
  /** [C, D] unit rows, one per class */
  readonly classWeights: Embeddings;
  /** [C] names for the tables; by default the index. */
  readonly classNames?: readonly string[];
  readonly bootstrap?: BootstrapOptions;
  /** Confusions listed, most frequent first. Default 20. */
  readonly topConfusions?: number;
  /** Predictions kept per image, best first. Default 5. */
  readonly topK?: number;
}

export interface ZeroShotResult {
  /** Images, N. */
  readonly count: number;
  /** Classes, C. */
  readonly classCount: number;
  /** Shares of images in [0, 1]. With 5 classes or fewer, `top5` is always 1, as is its chance. */
  readonly top1: Metric;
  readonly top5: Metric;
  /** Top-1 accuracy of each class, averaged over the classes that have images. */
  readonly meanPerClass: Metric;
  readonly perClass: readonly ClassAccuracy[];
  readonly confusions: readonly Confusion[];
  /** [N] position of the true class among all classes, from 1. */
  readonly ranks: Int32Array;
  /** The min(topK, C) best classes of every image. */
  readonly predictions: {
    readonly k: number;
    /** [N, k] */
    readonly classes: Int32Array;
    /** [N, k] cosines */
    readonly similarities: Float32Array;
  };
}

/**
 * Classifies every image by its most similar class weight.
 *
 *     prediction(x) = argmax_c  image(x) . w_c              CLIP, arXiv:2103.00020, section 3.1.2
 *
 * Equal similarities go to the class with the lower index. The intervals resample images.
 *
 * throws  ShapeError if widths or counts differ; RangeError for an empty set, a label outside
 *         [0, C), rows that are not finite or not normalised, or options out of range
 */
export function zeroShotClassification(options: ZeroShotOptions): ZeroShotResult {
  const { imageEmbeddings, classWeights, labels } = options;
  const names = checkArguments(options);
  const count = imageEmbeddings.count;
  const k = Math.min(options.topK ?? 5, classWeights.count);
  const ranks = new Int32Array(count);
  const classes = new Int32Array(count * k);
  const similarities = new Float32Array(count * k);
  forEachRow(imageEmbeddings, classWeights, options, (image, row) => {
    const at = image * k;
    fillTop(row, classes.subarray(at, at + k), similarities.subarray(at, at + k));
    ranks[image] = rankOf(row, labels[image] ?? 0);
  });
  const { top1, top5, meanPerClass } = accuracies(options, ranks);
  const outcome: Outcome = { labels, ranks, classes, k, names };
  return {
    count,
    classCount: classWeights.count,
    top1,
    top5,
    meanPerClass,
    perClass: perClass(outcome),
    confusions: confusions(outcome, options.topConfusions ?? 20),
    ranks,
    predictions: { k, classes, similarities },
  };
}

function checkArguments(options: ZeroShotOptions): readonly string[] {
  const { imageEmbeddings, labels, classWeights, classNames, topK = 5 } = options;
  checkEmbeddings("imageEmbeddings", imageEmbeddings);
  checkEmbeddings("classWeights", classWeights);
  checkSameDim(["imageEmbeddings", "classWeights"], imageEmbeddings, classWeights);
  const classCount = classWeights.count;
  if (labels.length !== imageEmbeddings.count) {
    throw new ShapeError(
      `Expected one label per image, ${imageEmbeddings.count}, but received ${labels.length}.`,
    );
  }
  for (let image = 0; image < labels.length; image++) {
    const label = labels[image] ?? NaN;
    if (Number.isInteger(label) && label >= 0 && label < classCount) continue;
    throw new RangeError(
      `Expected labels from 0 to ${classCount - 1} but image ${image} has ${label}; ` +
        "labels are indices into the class list.",
    );
  }
  if (classNames !== undefined && classNames.length !== classCount) {
    throw new ShapeError(
      `Expected one name per class, ${classCount}, but received ${classNames.length}.`,
    );
  }
  if (!Number.isInteger(topK) || topK < 1) {
    throw new RangeError(`Expected a whole number of 1 or more for topK but received ${topK}.`);
  }
  return classNames ?? Array.from({ length: classCount }, (_, index) => String(index));
}

interface Accuracies {
  top1: Metric;
  top5: Metric;
  meanPerClass: Metric;
}

function accuracies(options: ZeroShotOptions, ranks: Int32Array): Accuracies {
  const { labels, classWeights, bootstrap = {} } = options;
  const classCount = classWeights.count;
  const statistic = weightedAccuracies({ labels, ranks });
  const values = statistic(new Uint32Array(ranks.length).fill(1));
  const resamples = resolveBootstrap(bootstrap).resamples;
  const intervals = resamples === 0 ? [] : bootstrapIntervals(ranks.length, statistic, bootstrap);
  const chance = [1 / classCount, Math.min(5, classCount) / classCount, 1 / classCount];
  const [top1, top5, meanPerClass] = toMetrics(values, chance, intervals);
  if (!top1 || !top5 || !meanPerClass) throw new RangeError("internal: missing accuracies");
  return { top1, top5, meanPerClass };
}

/**
 * Top-1, top-5 and mean accuracy per class of a set in which picture i occurs `weights[i]` times.
 *
 * labels   [N] true classes            ranks   [N] place of the true class among all, from 1
 */
export function weightedAccuracies({
  labels,
  ranks,
}: {
  labels: ArrayLike<number>;
  ranks: ArrayLike<number>;
}): (weights: ArrayLike<number>) => number[] {
  let classCount = 0;
  for (let i = 0; i < labels.length; i++) {
    classCount = Math.max(classCount, (labels[i] as number) + 1);
  }
  const hits = hitsWithin(ranks, 1);
  return together([topK(ranks, 1), topK(ranks, 5), classMeans(hits, labels, classCount)]);
}

interface Outcome {
  labels: ArrayLike<number>;
  ranks: Int32Array;
  classes: Int32Array;
  k: number;
  names: readonly string[];
}

function perClass({ labels, ranks, names }: Outcome): ClassAccuracy[] {
  const tally = names.map((name, index) => ({ index, name, count: 0, top1: 0, top5: 0 }));
  for (const [image, rank] of ranks.entries()) {
    const entry = tally[labels[image] ?? -1];
    if (entry === undefined) continue;
    entry.count++;
    if (rank === 1) entry.top1++;
    if (rank <= 5) entry.top5++;
  }
  return tally
    .filter(({ count }) => count > 0)
    .map((entry) => ({
      ...entry,
      top1: entry.top1 / entry.count,
      top5: entry.top5 / entry.count,
    }));
}

/** Counted in a map of the pairs that occur: C x C cells would not be linear in anything useful. */
function confusions({ labels, classes, k, names }: Outcome, limit: number): Confusion[] {
  const counts = new Map<number, number>();
  for (let image = 0; image < labels.length; image++) {
    const label = labels[image] ?? 0;
    const prediction = classes[image * k] ?? 0;
    if (label === prediction) continue;
    const pair = label * names.length + prediction;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([a, countA], [b, countB]) => countB - countA || a - b);
  return sorted.slice(0, limit).map(([pair, count]) => ({
    label: names[Math.floor(pair / names.length)] ?? "",
    prediction: names[pair % names.length] ?? "",
    count,
  }));
}
