/**
 * Image-text retrieval in both directions, with one or several captions per image.
 * Plain arrays in, numbers out; memory is linear in the number of images and captions.
 */
import { ShapeError } from "../errors.ts";
import {
  bootstrapIntervals,
  resolveBootstrap,
  type BootstrapOptions,
} from "../arrays/bootstrap.ts";
import { checkEmbeddings, checkSameDim, type Embeddings } from "../arrays/embeddings.ts";
import { toMetrics, type Metric } from "./metric-table.ts";
import { forEachRow, rankOf, type ChunkOptions } from "../arrays/similarities.ts";

export interface RetrievalOptions extends ChunkOptions {
  /** [N, D] unit rows */
  readonly imageEmbeddings: Embeddings;
  /** [M, D] unit rows, one per caption */
  readonly textEmbeddings: Embeddings;
  /** [M] index of the image that each caption belongs to; by default caption i is image i's. */
  readonly imageOfText?: ArrayLike<number>;
  readonly bootstrap?: BootstrapOptions;
}

/** Recall@k is a share of queries in [0, 1]; the median rank counts from 1. */
export interface RetrievalDirection {
  readonly queryCount: number;
  readonly candidateCount: number;
  readonly recallAt1: Metric;
  readonly recallAt5: Metric;
  readonly recallAt10: Metric;
  /** Mean of the two middle ranks when the number of queries is even. */
  readonly medianRank: Metric;
  /** [queries] rank of the first right candidate, from 1 */
  readonly ranks: Int32Array;
}

export interface RetrievalResult {
  readonly imageToText: RetrievalDirection;
  readonly textToImage: RetrievalDirection;
}

/**
 * Recall@1/5/10 and median rank, image to text and text to image.
 *
 * An image has found its text when any of its captions is among the first k of all captions; a
 * caption has found its image when that is among the first k images. This is the protocol of
 * Karpathy and Fei-Fei, arXiv:1412.2306, section 4.1, in which MS-COCO and Flickr30k results are
 * published. Candidates are ordered by similarity, equal ones by index (see rankOf). The intervals
 * resample images together with their captions: the captions of one image rise and fall together,
 * and drawing them apart would make the intervals too narrow.
 *
 * throws  ShapeError if widths or counts differ; RangeError for an empty set, an image without a
 *         caption, a caption of no image, rows that are not finite or not normalised, or options
 *         out of range
 */
export function retrieval(options: RetrievalOptions): RetrievalResult {
  const { imageEmbeddings, textEmbeddings, bootstrap = {} } = options;
  checkEmbeddings("imageEmbeddings", imageEmbeddings);
  checkEmbeddings("textEmbeddings", textEmbeddings);
  checkSameDim(["imageEmbeddings", "textEmbeddings"], imageEmbeddings, textEmbeddings);
  const imageOfText = checkOwners(options);
  const textsOfImage = groupTexts(imageOfText, imageEmbeddings.count);

  const imageRanks = new Int32Array(imageEmbeddings.count);
  forEachRow(imageEmbeddings, textEmbeddings, options, (image, row) => {
    imageRanks[image] = rankOf(row, bestOf(row, textsOfImage.of(image)));
  });
  const textRanks = new Int32Array(textEmbeddings.count);
  forEachRow(textEmbeddings, imageEmbeddings, options, (text, row) => {
    textRanks[text] = rankOf(row, imageOfText[text] ?? 0);
  });

  const identity = Int32Array.from(imageRanks, (_, image) => image);
  return {
    imageToText: summarize({
      ranks: imageRanks,
      unitOf: identity,
      unitCount: imageEmbeddings.count,
      candidateCount: textEmbeddings.count,
      positives: textsOfImage.counts,
      bootstrap,
    }),
    textToImage: summarize({
      ranks: textRanks,
      unitOf: imageOfText,
      unitCount: imageEmbeddings.count,
      candidateCount: imageEmbeddings.count,
      positives: [1],
      bootstrap,
    }),
  };
}

function checkOwners(options: RetrievalOptions): Int32Array {
  const images = options.imageEmbeddings.count;
  const texts = options.textEmbeddings.count;
  if (options.imageOfText === undefined) {
    if (images === texts) return Int32Array.from({ length: texts }, (_, text) => text);
    throw new ShapeError(
      `Expected as many captions as images but received ${texts} and ${images}; ` +
        "pass imageOfText to say which image each caption belongs to.",
    );
  }
  const owners = options.imageOfText;
  if (owners.length !== texts) {
    throw new ShapeError(
      `Expected one entry of imageOfText per caption, ${texts}, but received ${owners.length}.`,
    );
  }
  const described = new Uint8Array(images);
  for (let text = 0; text < texts; text++) {
    const owner = owners[text] ?? NaN;
    if (!Number.isInteger(owner) || owner < 0 || owner >= images) {
      throw new RangeError(
        `Expected imageOfText from 0 to ${images - 1} but caption ${text} has ${owner}.`,
      );
    }
    described[owner] = 1;
  }
  const lonely = described.indexOf(0);
  if (lonely >= 0) {
    throw new RangeError(
      `Expected a caption for every image but image ${lonely} has none; leave it out.`,
    );
  }
  return Int32Array.from(owners);
}

interface TextGroups {
  /** [N] captions of each image */
  readonly counts: Int32Array;
  /** The captions of one image, in order. */
  of(image: number): Int32Array;
}

function groupTexts(imageOfText: Int32Array, images: number): TextGroups {
  const counts = new Int32Array(images);
  for (const image of imageOfText) counts[image]!++;
  const ends = new Int32Array(images);
  let total = 0;
  for (let image = 0; image < images; image++) ends[image] = total += counts[image]!;
  const next = ends.map((end, image) => end - counts[image]!);
  const texts = new Int32Array(imageOfText.length);
  for (const [text, image] of imageOfText.entries()) texts[next[image]!++] = text;
  return {
    counts,
    of: (image) => texts.subarray(ends[image]! - counts[image]!, ends[image]),
  };
}

/** The most similar of the `own` candidates, the lower index on a tie: the one met first. */
function bestOf(row: Float32Array, own: Int32Array): number {
  let best = own[0] ?? 0;
  for (const candidate of own) {
    if ((row[candidate] ?? NaN) > (row[best] ?? NaN)) best = candidate;
  }
  return best;
}

interface Ranking {
  ranks: Int32Array;
  /** What is resampled: the unit of every query. */
  unitOf: Int32Array;
  unitCount: number;
  candidateCount: number;
  /** How many candidates are right for a query, for every group of equally many queries. */
  positives: ArrayLike<number>;
  bootstrap: BootstrapOptions;
}

const cutoffs = [1, 5, 10] as const;

function summarize(ranking: Ranking): RetrievalDirection {
  const { ranks, unitCount, candidateCount, bootstrap } = ranking;
  const statistic = weightedRecalls(ranking);
  const values = statistic(new Uint32Array(unitCount).fill(1));
  const resamples = resolveBootstrap(bootstrap).resamples;
  const intervals = resamples === 0 ? [] : bootstrapIntervals(unitCount, statistic, bootstrap);
  const chance = chanceOfRetrieval(ranking.positives, candidateCount, cutoffs);
  const [recallAt1, recallAt5, recallAt10, medianRank] = toMetrics(values, chance, intervals);
  if (!recallAt1 || !recallAt5 || !recallAt10 || !medianRank) {
    throw new RangeError("internal: missing recalls");
  }
  const queryCount = ranks.length;
  return { queryCount, candidateCount, recallAt1, recallAt5, recallAt10, medianRank, ranks };
}

/**
 * Recall@1, @5, @10 and the median rank of queries whose unit u occurs `weights[u]` times.
 *
 * ranks, unitOf   [queries]
 */
export function weightedRecalls({
  ranks,
  unitOf,
}: {
  ranks: ArrayLike<number>;
  unitOf: ArrayLike<number>;
}): (weights: ArrayLike<number>) => number[] {
  // Ranks sorted once turn every resample into one pass: recalls are prefixes, the median a cut.
  const order = Array.from(ranks, (_, query) => query).sort(
    (a, b) => (ranks[a] ?? 0) - (ranks[b] ?? 0),
  );
  const sortedRanks = Int32Array.from(order, (query) => ranks[query] ?? 0);
  const sortedUnits = Int32Array.from(order, (query) => unitOf[query] ?? 0);
  return (weights) => {
    let total = 0;
    for (const unit of sortedUnits) total += weights[unit] as number;
    const [lowMiddle, highMiddle] = [Math.floor((total - 1) / 2), Math.floor(total / 2)];
    let seen = 0;
    const hits = [0, 0, 0];
    let [low, high] = [NaN, NaN];
    for (let i = 0; i < sortedRanks.length; i++) {
      const rank = sortedRanks[i] as number;
      const weight = weights[sortedUnits[i] as number] as number;
      for (let c = 0; c < 3; c++) {
        if (rank <= (cutoffs[c] as number)) hits[c] = (hits[c] as number) + weight;
      }
      if (seen <= lowMiddle && lowMiddle < seen + weight) low = rank;
      if (seen <= highMiddle && highMiddle < seen + weight) high = rank;
      seen += weight;
    }
    return [...hits.map((count) => count / total), (low + high) / 2];
  };
}

/**
 * Recall at every cutoff, then the median rank, for candidates in uniformly random order.
 *
 *     P(rank <= k) = 1 - C(M - p, k) / C(M, k)     with p right ones of M candidates
 *
 * averaged over the queries. `positives` lists p for each query, or once if all are alike. The
 * median is the smallest rank that half of the queries reach.
 */
function chanceOfRetrieval(
  positives: ArrayLike<number>,
  candidateCount: number,
  cutoffs: readonly number[],
): number[] {
  const groups = new Map<number, number>();
  for (let i = 0; i < positives.length; i++) {
    groups.set(positives[i]!, (groups.get(positives[i]!) ?? 0) + 1);
  }
  const hitWithin = (k: number): number => {
    let total = 0;
    for (const [p, queries] of groups) total += queries * hitProbability(p, candidateCount, k);
    return total / positives.length;
  };
  return [...cutoffs.map(hitWithin), medianRank(hitWithin, candidateCount)];
}

/** The product (1 - p/M)(1 - p/(M-1)) ... over k draws is the chance to miss with all of them. */
function hitProbability(p: number, candidates: number, k: number): number {
  if (k > candidates - p) return 1;
  let miss = 1;
  // Drawing k candidates to miss p, or p to miss k, is the same: take the shorter product.
  const [draws, avoided] = k < p ? [k, p] : [p, k];
  for (let i = 0; i < draws; i++) miss *= 1 - avoided / (candidates - i);
  return 1 - miss;
}

function medianRank(hitWithin: (k: number) => number, candidates: number): number {
  let [low, high] = [1, candidates];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    // Half, up to rounding of the products above.
    if (hitWithin(middle) >= 0.5 - 1e-12) high = middle;
    else low = middle + 1;
  }
  return low;
}
