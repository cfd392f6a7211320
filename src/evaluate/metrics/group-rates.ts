/**
 * What is counted of each group's answers, and differences of rates between groups. Knows no intervals and no
 * names.
 */

/** Answers of each of N samples. */
export interface GroupedAnswers {
  /** [N] index of the true class */
  readonly truths: ArrayLike<number>;
  /** [N] index of the predicted class */
  readonly predictions: ArrayLike<number>;
  /** [N] position of the true class, from 1 */
  readonly ranks: ArrayLike<number>;
}

/** Counts of one group, or of all samples; with a positive class also of its predictions. */
export interface GroupTally {
  count: number;
  top1: number;
  top5: number;
  positives: number;
  selected: number;
  truePositives: number;
}

/**
 * [G] the counts of each group; with `overall` one more, of all samples.
 *
 * members  [N] group of each sample from 0; -1 for none
 * weights  [N] how often each sample occurs; once by default
 */
export function tallyGroups(
  { truths, predictions, ranks }: GroupedAnswers,
  { members, groupCount }: { members: Int32Array; groupCount: number },
  {
    weights,
    positive,
    overall = false,
  }: { weights?: ArrayLike<number>; positive?: number | undefined; overall?: boolean } = {},
): GroupTally[] {
  const tallies = Array.from({ length: groupCount + (overall ? 1 : 0) }, (): GroupTally => {
    return { count: 0, top1: 0, top5: 0, positives: 0, selected: 0, truePositives: 0 };
  });
  const add = (tally: GroupTally, i: number, weight: number): void => {
    tally.count += weight;
    if (ranks[i] === 1) tally.top1 += weight;
    if (ranks[i]! <= 5) tally.top5 += weight;
    const isPositive = truths[i] === positive;
    if (isPositive) tally.positives += weight;
    if (predictions[i] !== positive) return;
    tally.selected += weight;
    if (isPositive) tally.truePositives += weight;
  };
  for (let i = 0; i < members.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!;
    if (weight === 0) continue;
    if (overall) add(tallies[groupCount]!, i, weight);
    if (members[i]! >= 0) add(tallies[members[i]!]!, i, weight);
  }
  return tallies;
}

/** max - min and min / max of the rates that are there; NaN of fewer than two. */
export function differenceAndRatio(rates: readonly number[]): [number, number] {
  const there = rates.filter((rate) => !Number.isNaN(rate));
  if (there.length < 2) return [NaN, NaN];
  const [low, high] = [Math.min(...there), Math.max(...there)];
  return [high - low, low / high];
}

/** P(predicted | true), P(predicted | not true) of each group. */
export interface GroupOdds {
  readonly truePositive: readonly number[];
  readonly falsePositive: readonly number[];
}

/**
 * NaN for a group that is not among the `known`, as it has too few samples to give a rate.
 *
 * known  [G] by default all
 */
export function groupOdds(
  groups: readonly GroupTally[],
  known?: { positives: readonly boolean[]; negatives: readonly boolean[] },
): GroupOdds {
  return {
    truePositive: groups.map(({ truePositives, positives }, group) =>
      known?.positives[group] === false ? NaN : truePositives / positives,
    ),
    falsePositive: groups.map(({ selected, truePositives, count, positives }, group) =>
      known?.negatives[group] === false ? NaN : (selected - truePositives) / (count - positives),
    ),
  };
}

/** The larger difference, of true or of false positive rates, and the smaller ratio; of those that are there. */
export function equalizedOdds({ truePositive, falsePositive }: GroupOdds): [number, number] {
  const both = [truePositive, falsePositive].map(differenceAndRatio);
  const there = both.filter(([difference]) => !Number.isNaN(difference));
  if (there.length === 0) return [NaN, NaN];
  const ratios = there.map(([, ratio]) => ratio).filter((ratio) => !Number.isNaN(ratio));
  return [
    Math.max(...there.map(([difference]) => difference)),
    ratios.length === 0 ? NaN : Math.min(...ratios),
  ];
}
