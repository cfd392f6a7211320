/**
 * What a training-free adapter is: a classifier made of a few labelled embeddings, and of the texts'
 * where there are any. Knows no dataset and no model.
 */
import { ShapeError } from "../errors.ts";
import { checkEmbeddings, rowsAt, rowsOf, type Embeddings } from "../arrays/embeddings.ts";
import { holding, queriesAtOnce, type SimilarityKernel } from "../arrays/similarities.ts";

/** The labelled examples that an adapter may look at. */
export interface Support {
  /** [M, D] unit rows. */
  readonly embeddings: Embeddings;
  /** [M] integers from 0 to classCount - 1. */
  readonly labels: ArrayLike<number>;
  readonly classCount: number;
  /** [C, D] unit rows: one text prototype for each class, the zero-shot classifier. */
  readonly textWeights?: Embeddings;
}

export interface FewShotClassifier {
  /** queries [Q, D] unit rows -> [Q, C] row-major; the greatest of a row is the prediction. */
  scores(queries: Embeddings): Float32Array;
}

/** [Q, C] scores of the queries that it was prepared for, under one setting. */
export type Scorer<Setting> = (setting: Setting) => Float32Array;

/** What makes one kind of adapter. */
export interface AdapterDescription<Setting> {
  readonly name: string;
  /** The product that `prepare` asks; it holds the support while queries go by in chunks. */
  readonly similarities?: SimilarityKernel;
  /** Settings to choose from; those that this support cannot have are left out. */
  grid(support: Support): readonly Setting[];
  /** What is used where there is nothing to choose by: one example of each class. */
  fixed(support: Support): Setting;
  /**
   * Everything that does not depend on the setting, once for many settings. Inputs are checked. A
   * classifier calls it with one and the same support for every chunk of queries.
   */
  prepare(support: Support, queries: Embeddings): Scorer<Setting>;
  /** throws  RangeError for a setting out of range, or one that this support cannot have */
  check(setting: Setting, support: Support): void;
}

export interface Adapter<Setting> extends AdapterDescription<Setting> {
  /**
   * A classifier of the support's classes; `fixed(support)` when no setting is given.
   *
   * throws  ShapeError, RangeError where support, setting or queries do not fit
   */
  fit(support: Support, setting?: Setting): FewShotClassifier;
}

export interface AdapterOptions {
  /** The matrix product; plain loops when absent. libtorch's is `Encoder.similarities`. */
  similarities?: SimilarityKernel;
}

export function defineAdapter<Setting>(description: AdapterDescription<Setting>): Adapter<Setting> {
  return {
    ...description,
    fit: (support, setting = description.fixed(support)) => {
      checkSupport(support);
      description.check(setting, support);
      const own = { ...support };
      return { scores: (queries) => scoreInChunks(description, own, setting, queries) };
    },
  };
}

function scoreInChunks<Setting>(
  adapter: AdapterDescription<Setting>,
  support: Support,
  setting: Setting,
  queries: Embeddings,
): Float32Array {
  const { classCount, embeddings, textWeights } = support;
  checkEmbeddings("queries", queries, { width: embeddings.dim });
  const size = queriesAtOnce(Math.max(embeddings.count, classCount));
  const out = new Float32Array(queries.count * classCount);
  const scoreAll = (): void => {
    for (let start = 0; start < queries.count; start += size) {
      const part = rowsOf(queries, start, Math.min(start + size, queries.count));
      out.set(adapter.prepare(support, part)(setting), start * classCount);
    }
  };
  const { similarities } = adapter;
  holding(similarities, embeddings, () => holding(similarities, textWeights, scoreAll));
  return out;
}

/**
 * Refuses a support that no classifier can be made of.
 *
 * throws  ShapeError where sizes differ; RangeError for a label out of range, a class without an
 *         example, or rows that are not of length 1
 */
export function checkSupport({ embeddings, labels, classCount, textWeights }: Support): void {
  checkEmbeddings("support.embeddings", embeddings);
  if (labels.length !== embeddings.count) {
    throw new ShapeError(
      `Expected one label for each of ${embeddings.count} rows for support.labels but received ` +
        `${labels.length}`,
    );
  }
  const counts = classCounts(labels, classCount);
  const missing = counts.indexOf(0);
  if (missing >= 0) {
    throw new RangeError(
      `Expected an example of every class for support.labels but received none of class ` +
        `${missing}; draw as many examples from each`,
    );
  }
  if (textWeights === undefined) return;
  checkEmbeddings("support.textWeights", textWeights, { width: embeddings.dim });
  if (textWeights.count === classCount) return;
  throw new ShapeError(
    `Expected a row for each of ${classCount} classes for support.textWeights but received ` +
      `${textWeights.count}`,
  );
}

/** [C] examples of each class. throws  RangeError for a label out of range */
export function classCounts(labels: ArrayLike<number>, classCount: number): Uint32Array {
  if (!Number.isInteger(classCount) || classCount < 1) {
    throw new RangeError(`Expected a positive integer for classCount but received ${classCount}`);
  }
  const counts = new Uint32Array(classCount);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= classCount) {
      throw new RangeError(
        `Expected labels from 0 to ${classCount - 1} but received ${label} at ${i}`,
      );
    }
    counts[label]!++;
  }
  return counts;
}

/** The support's examples at `indices`. */
export function supportAt(support: Support, indices: ArrayLike<number>): Support {
  const labels = Array.from(indices, (index) => support.labels[index]!);
  return { ...support, embeddings: rowsAt(support.embeddings, indices), labels };
}

/** [Q] 1 where the greatest score is the label's; equal scores go to the lower class. */
export function correctOnes(scores: Float32Array, labels: ArrayLike<number>): Uint8Array {
  const classCount = scores.length / labels.length;
  if (!Number.isInteger(classCount)) {
    throw new ShapeError(
      `Expected [Q, C] scores for ${labels.length} labels but received ${scores.length} numbers`,
    );
  }
  return Uint8Array.from(labels, (label, query) => {
    let best = 0;
    for (let c = 1; c < classCount; c++) {
      if (scores[query * classCount + c]! > scores[query * classCount + best]!) best = c;
    }
    return Number(best === label);
  });
}

/** The support's text weights. throws  RangeError, naming the adapter, where there are none */
export function demandText(name: string, { textWeights }: Support): Embeddings {
  if (textWeights !== undefined) return textWeights;
  throw new RangeError(
    `Expected support.textWeights for ${name} but received none; it adds examples to the ` +
      "zero-shot classifier",
  );
}
