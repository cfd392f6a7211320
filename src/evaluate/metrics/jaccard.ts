/** Jaccard's index of the chosen candidates, as WinoGAViL scores them. */
import { checkCount, checkFinite, checkSome, weighted, type Weighted } from "./weighted.ts";

/**
 * |chosen and right| / |chosen or right| (scikit-learn's `jaccard_score` of boolean vectors).
 *
 * truths, choices   [M] not 0 where a candidate is right, where it was chosen
 * returns 0 where nothing is right and nothing chosen
 * throws  ShapeError for unequal lengths
 */
export function jaccardScore(truths: ArrayLike<unknown>, choices: ArrayLike<unknown>): number {
  checkCount("choices", choices, truths.length);
  let both = 0;
  let either = 0;
  for (let i = 0; i < truths.length; i++) {
    const [right, chosen] = [Boolean(truths[i]), Boolean(choices[i])];
    if (right && chosen) both++;
    if (right || chosen) either++;
  }
  return either === 0 ? 0 : both / either;
}

/**
 * The score of one WinoGAViL instance: as many candidates are chosen as are right, the most similar
 * ones. Equal similarities go to the earlier candidate (DataComp's code leaves their order to numpy's
 * unstable sort).
 *
 *     Bitton et al., WinoGAViL, arXiv:2207.12576; DataComp's eval_utils/wino_eval.py
 *
 * similarities   [M] of the cue to each candidate
 * truths         [M] not 0 for the candidates that belong to the cue
 * throws  ShapeError for unequal lengths; RangeError where no candidate is right, or NaN
 */
export function associationScore(
  similarities: ArrayLike<number>,
  truths: ArrayLike<unknown>,
): number {
  checkCount("truths", truths, similarities.length);
  checkFinite("similarities", similarities);
  const right = Array.from(truths, Boolean);
  const wanted = right.filter(Boolean).length;
  if (wanted === 0) {
    throw new RangeError(
      "Expected at least one right candidate but received none; leave the instance out.",
    );
  }
  const order = right.map((_, i) => i).sort((a, b) => similarities[b]! - similarities[a]! || a - b);
  const chosen = new Set(order.slice(0, wanted));
  return jaccardScore(
    right,
    right.map((_, i) => chosen.has(i)),
  );
}

/** The groups by number of candidates that WinoGAViL's results name, after the mean of all. */
export const candidateGroups = [
  { name: "5", holds: (count: number): boolean => count === 5 },
  { name: "6", holds: (count: number): boolean => count === 6 },
  { name: "10", holds: (count: number): boolean => count === 10 },
  { name: "12", holds: (count: number): boolean => count === 12 },
  { name: "5-6", holds: (count: number): boolean => count <= 6 },
  { name: "10-12", holds: (count: number): boolean => count >= 10 },
] as const;

/**
 * The mean score of all instances, then of each of `candidateGroups`; NaN for a group without
 * instances. DataComp's main metric is the last.
 *
 * scores           [N] of associationScore
 * candidateCounts  [N] candidates of each instance
 * throws  ShapeError, RangeError for no instances or unequal lengths
 */
export function associationMeans(
  scores: ArrayLike<number>,
  candidateCounts: ArrayLike<number>,
): Weighted<number[]> {
  checkSome("scores", scores);
  checkCount("candidate counts", candidateCounts, scores.length);
  const members = candidateGroups.map(({ holds }) =>
    Uint8Array.from(candidateCounts, (count) => +holds(count)),
  );
  const all = new Uint8Array(scores.length).fill(1);
  return weighted(scores.length, (weights) =>
    [all, ...members].map((member) => {
      let sum = 0;
      let total = 0;
      for (let item = 0; item < scores.length; item++) {
        if (member[item] === 0) continue;
        sum += weights[item]! * scores[item]!;
        total += weights[item]!;
      }
      return sum / total;
    }),
  );
}
