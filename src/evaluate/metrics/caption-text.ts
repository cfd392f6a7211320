/**
 * How near candidate captions come to what people wrote: BLEU, ROUGE-L and CIDEr-D, equal to those of
 * pycocoevalcap (the COCO caption evaluation) on the same words.
 */
import { checkCount, checkSome, meanOf, weighted, type Weighted } from "./weighted.ts";

/** One caption for each item, and its references, as words (see captionWords). */
export interface CaptionPairs {
  /** [N] words of each candidate */
  readonly candidates: readonly (readonly string[])[];
  /** [N] one reference or more of each item */
  readonly references: readonly (readonly (readonly string[])[])[];
}

/** A metric of captions: of each item alone, and of a set of them. */
export interface CaptionMetric<Value> {
  /** [N] */
  readonly items: Float64Array;
  readonly of: Weighted<Value>;
}

/** The longest run of words that BLEU and CIDEr compare. */
const longest = 4;
/** BLEU's guards against empty counts, as in its reference. */
const small = 1e-9;
const least = 1e-15;

/**
 * BLEU-1 to BLEU-4 of the corpus: counts are summed over items before anything is divided, with the
 * reference of the closest length, the shorter one of two as close. `items` has BLEU-4 of each item alone.
 *
 *     BLEU-k = exp(min(0, 1 - r/c))  (product over n <= k of  matches_n / n-grams_n)^(1/k)
 *
 *     Papineni et al., BLEU, ACL 2002, as in pycocoevalcap's bleu_scorer.py
 *
 * throws  ShapeError, RangeError for no items, unequal counts, or an item without references
 */
export function bleu(pairs: CaptionPairs): CaptionMetric<number[]> {
  checkPairs(pairs);
  const counts = pairs.candidates.map((words, i) => bleuCounts(words, pairs.references[i]!));
  const sums = weighted(counts.length, (weights) => {
    const total = new Float64Array(2 + 2 * longest);
    for (const [item, count] of counts.entries()) {
      const weight = weights[item]!;
      if (weight === 0) continue;
      for (let i = 0; i < total.length; i++) total[i] = total[i]! + weight * count[i]!;
    }
    return bleuScores(total);
  });
  return { items: Float64Array.from(counts, (count) => bleuScores(count).at(-1)!), of: sums };
}

/** Length, closest length of a reference, then for n = 1 to 4 matches and n-grams. */
function bleuCounts(
  words: readonly string[],
  references: readonly (readonly string[])[],
): number[] {
  const lengths = references.map((one) => one.length);
  const distance = (length: number): number => Math.abs(length - words.length);
  const closest = lengths.reduce((best, length) =>
    distance(length) < distance(best) || (distance(length) === distance(best) && length < best)
      ? length
      : best,
  );
  const counts = [words.length, closest];
  for (let n = 1; n <= longest; n++) {
    const most = new Map<string, number>();
    for (const reference of references) {
      for (const [gram, count] of grams(reference, n)) {
        most.set(gram, Math.max(most.get(gram) ?? 0, count));
      }
    }
    let matches = 0;
    for (const [gram, count] of grams(words, n)) matches += Math.min(count, most.get(gram) ?? 0);
    counts.push(matches, Math.max(0, words.length - n + 1));
  }
  return counts;
}

function bleuScores(counts: ArrayLike<number>): number[] {
  const ratio = (counts[0]! + least) / (counts[1]! + small);
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return Array.from({ length: longest }, (_, i) => {
    product *= (counts[2 + 2 * i]! + least) / (counts[3 + 2 * i]! + small);
    return product ** (1 / (i + 1)) * brevity;
  });
}

/**
 * ROUGE-L, averaged over items: from the longest common subsequence of words with each reference, the
 * best precision and the best recall, be they of different references.
 *
 *     (1 + b^2) P R / (R + b^2 P),   b = 1.2      Lin 2004, as in pycocoevalcap's rouge.py
 *
 * throws  as bleu does
 */
export function rougeL(pairs: CaptionPairs): CaptionMetric<number> {
  checkPairs(pairs);
  const items = Float64Array.from(pairs.candidates, (words, i) => {
    let [precision, recall] = [0, 0];
    // An empty caption is one empty word there.
    const candidate = words.length === 0 ? [""] : words;
    for (const reference of pairs.references[i]!) {
      const wanted = reference.length === 0 ? [""] : reference;
      const common = longestCommon(candidate, wanted);
      precision = Math.max(precision, common / candidate.length);
      recall = Math.max(recall, common / wanted.length);
    }
    if (precision === 0 || recall === 0) return 0;
    const square = 1.2 ** 2;
    return ((1 + square) * precision * recall) / (recall + square * precision);
  });
  return { items, of: meanOf(items) };
}

/** Length of the longest common subsequence; memory is linear in the shorter side. */
function longestCommon(first: readonly string[], second: readonly string[]): number {
  const lengths = new Uint32Array(second.length + 1);
  for (const word of first) {
    let diagonal = 0;
    for (let j = 1; j < lengths.length; j++) {
      const above = lengths[j]!;
      lengths[j] = word === second[j - 1] ? diagonal + 1 : Math.max(above, lengths[j - 1]!);
      diagonal = above;
    }
  }
  return lengths[second.length]!;
}

/**
 * CIDEr-D, averaged over items, times 10: cosines of n-gram vectors weighted by how rare an n-gram is
 * among the references of all items, with counts clipped to the reference's and a penalty for another
 * length.
 *
 *     10/4  sum over n = 1..4 of  mean over references of
 *         exp(-(l - l_ref)^2 / (2 sigma^2))  min(g, g_ref) . g_ref / (|g| |g_ref|),   sigma = 6
 *
 *     Vedantam et al., arXiv:1411.5726, section 5, as in pycocoevalcap's cider_scorer.py, which is without
 *     the paper's stemming and takes the number of bigrams for the length
 *
 * How rare an n-gram is depends on the set: scores of sets that differ in size cannot be compared, and of
 * one item alone all are 0. Weights count scores; the rarities stay those of the whole set.
 *
 * throws  as bleu does
 */
export function ciderD(pairs: CaptionPairs): CaptionMetric<number> {
  checkPairs(pairs);
  const { candidates, references } = pairs;
  const documents = new Map<string, number>();
  for (const own of references) {
    const seen = new Set<string>();
    for (const words of own) {
      for (let n = 1; n <= longest; n++) for (const gram of grams(words, n).keys()) seen.add(gram);
    }
    for (const gram of seen) documents.set(gram, (documents.get(gram) ?? 0) + 1);
  }
  const rarity = (gram: string): number =>
    Math.log(references.length) - Math.log(Math.max(1, documents.get(gram) ?? 0));
  const items = Float64Array.from(candidates, (words, i) => {
    const own = ciderVectors(words, rarity);
    const all = references[i]!.map((one) => ciderSimilarity(own, ciderVectors(one, rarity)));
    return (10 * all.reduce((sum, one) => sum + one, 0)) / all.length;
  });
  return { items, of: meanOf(items) };
}

interface CiderVectors {
  /** For n = 1 to 4, the weight of each n-gram. */
  grams: Map<string, number>[];
  norms: number[];
  /** Bigrams. */
  length: number;
}

function ciderVectors(words: readonly string[], rarity: (gram: string) => number): CiderVectors {
  const vectors = Array.from({ length: longest }, (_, i) => {
    const counted = grams(words, i + 1);
    for (const [gram, count] of counted) counted.set(gram, count * rarity(gram));
    return counted;
  });
  const norms = vectors.map((vector) => {
    let squares = 0;
    for (const value of vector.values()) squares += value * value;
    return Math.sqrt(squares);
  });
  return { grams: vectors, norms, length: Math.max(0, words.length - 1) };
}

function ciderSimilarity(one: CiderVectors, reference: CiderVectors): number {
  const penalty = Math.exp(-((one.length - reference.length) ** 2) / (2 * 6 ** 2));
  let sum = 0;
  for (let n = 0; n < longest; n++) {
    let product = 0;
    for (const [gram, value] of one.grams[n]!) {
      const other = reference.grams[n]!.get(gram) ?? 0;
      product += Math.min(value, other) * other;
    }
    const norm = one.norms[n]! * reference.norms[n]!;
    sum += norm === 0 ? product : product / norm;
  }
  return (penalty * sum) / longest;
}

/** How often each run of `n` words occurs; words hold no space. */
function grams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const gram = words.slice(i, i + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

function checkPairs({ candidates, references }: CaptionPairs): void {
  checkSome("captions", candidates);
  checkCount("lists of references", references, candidates.length);
  const lonely = references.findIndex((own) => own.length === 0);
  if (lonely < 0) return;
  throw new RangeError(`Expected a reference for every caption but item ${lonely} has none.`);
}
