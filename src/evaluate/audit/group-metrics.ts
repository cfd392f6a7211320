/**
 * Accuracy, calibration and fairness metrics of groups. Answers and groups in, numbers out; knows neither
 * embeddings nor files.
 */
import { quantile, resolveBootstrap } from "../../arrays/bootstrap.ts";
import { createRandom } from "../../arrays/random.ts";
import { ShapeError } from "../../errors.ts";
import { calibrationError } from "../metrics/calibration.ts";
import {
  differenceAndRatio,
  equalizedOdds,
  groupOdds,
  tallyGroups,
  type GroupTally,
} from "../metrics/group-rates.ts";
import { groupCounts, withoutSmall, type Grouping } from "./grouping.ts";
import {
  drawnGap,
  measure,
  shuffledGroups,
  type ByChance,
  type Measured,
  type Resampling,
} from "./resample.ts";

/** What a classifier answered for each of N samples. */
export interface Answers {
  /** [N] index of the true class */
  readonly truths: Int32Array;
  /** [N] index of the most similar class */
  readonly predictions: Int32Array;
  /** [N] position of the true class, from 1 */
  readonly ranks: Int32Array;
  /** [N] probability of the predicted class, in [0, 1] */
  readonly confidences: Float64Array;
  /** C */
  readonly classCount: number;
}

/** One group. Below the least number of samples only its size is given. */
export interface GroupRow {
  readonly name: string;
  readonly count: number;
  readonly suppressed: boolean;
  readonly top1?: Measured;
  /** With more than five classes. */
  readonly top5?: Measured;
  /** Expected calibration error, 15 bins of equal width. */
  readonly ece?: Measured;
  /** What the error of as many pictures drawn from all groups stays below, at the level of intervals. */
  readonly eceByChance?: number;
  /**
   * For a positive class: how often it is predicted, also where it is and is not the true one; these two where
   * the group has enough samples of it, or of others.
   */
  readonly selectionRate?: Measured;
  readonly truePositiveRate?: Measured;
  readonly falsePositiveRate?: Measured;
}

/** How far groups that are reported lie apart. */
export interface Spread {
  readonly worst: string;
  readonly best: string;
  readonly worstValue: Measured;
  /** best - worst */
  readonly gap: Measured;
  /** worst / best; absent where the best is 0 */
  readonly ratio?: Measured;
  readonly byChance?: ByChance;
}

/** Differences over groups for one class against the rest. */
export interface PositiveReport {
  /** Index of the class. */
  readonly positive: number;
  /** Of P(predicted | group): largest - smallest, and smallest / largest. */
  readonly demographicParityDifference?: Measured;
  readonly demographicParityRatio?: Measured;
  /** The larger of the differences of true and of false positive rates; the smaller of their ratios. */
  readonly equalizedOddsDifference?: Measured;
  readonly equalizedOddsRatio?: Measured;
  /** The equalised odds difference of shuffled groups. */
  readonly oddsByChance?: ByChance;
}

export interface GroupReport {
  readonly keys: readonly string[];
  /** Samples without one of the keys, of N. */
  readonly without: number;
  readonly count: number;
  readonly groups: readonly GroupRow[];
  /** Of all N samples. */
  readonly overall: Pick<GroupRow, "top1" | "top5" | "ece">;
  /** Absent where fewer than two groups are reported. */
  readonly top1?: Spread;
  readonly top5?: Spread;
  readonly positive?: PositiveReport;
}

export interface GroupReportOptions extends Resampling {
  /** Groups of fewer samples are suppressed. Default 30. */
  readonly least?: number;
  /** Index of a class whose rates are compared. */
  readonly positive?: number | undefined;
}

/**
 * Accuracies by group, the worst of them, and the differences between groups, each with an interval.
 *
 *     gap = max_g a_g - min_g a_g        ratio = min_g a_g / max_g a_g
 *     ECE = sum_b n_b / n |accuracy_b - confidence_b|
 *     demographic parity difference = max_g P(yhat = 1 | g) - min_g P(yhat = 1 | g)
 *     equalised odds difference = max over y of max_g - min_g of P(yhat = 1 | y, g)
 *
 * as fairlearn's MetricFrame.difference, .ratio and its fairness metrics have them (between groups).
 *
 * throws  ShapeError unless there is one group, cluster and answer for each sample; RangeError for options
 *         out of range
 */
export function groupReport(
  answers: Answers,
  grouping: Grouping,
  { least = 30, positive, ...resampling }: GroupReportOptions = {},
): GroupReport {
  checkAnswers(answers, grouping, least);
  const shown = withoutSmall(grouping, least);
  const known =
    positive === undefined ? undefined : knownRates(answers, shown, { positive, least });
  const { labels, statistic } = groupStatistic(answers, shown, { positive, known });
  const measured = measure(answers.truths.length, statistic, resampling);
  const numbers: Numbers = new Map(
    labels.flatMap((label, i) =>
      Number.isFinite(measured[i]!.value) ? [[label, measured[i]!] as const] : [],
    ),
  );
  const counts = groupCounts(grouping);
  const metrics = answers.classCount > 5 ? (["top1", "top5"] as const) : (["top1"] as const);
  const spreads = metrics.map((metric) => [
    metric,
    spreadOf(metric, numbers, { answers, shown, resampling }),
  ]);
  const compared = shown.names.length >= 2;
  return {
    keys: grouping.keys,
    without: grouping.without,
    count: answers.truths.length,
    groups: grouping.names.map((name, group) => {
      const suppressed = counts[group]! < least;
      const place = shown.names.indexOf(name);
      const count = counts[group]!;
      const eceByChance = suppressed ? undefined : errorByChance(answers, count, resampling);
      return {
        ...{ name, count, suppressed, ...numbersAt(`/${place}`, numbers) },
        ...(eceByChance !== undefined && { eceByChance }),
      };
    }),
    overall: numbersAt("/overall", numbers),
    ...(compared && (Object.fromEntries(spreads) as Pick<GroupReport, "top1" | "top5">)),
    ...(compared &&
      positive !== undefined && {
        positive: {
          positive,
          ...withPrefix("positive/", numbers),
          ...oddsByChance(positive, { answers, shown, known, resampling }),
        },
      }),
  };
}

/** Those that are finite, by label: `top1/3`, `top1/overall`, `positive/equalizedOddsRatio`. */
type Numbers = ReadonlyMap<string, Measured>;

/** `{ top1, ece, ... }` of the labels that end so. */
function numbersAt(ending: string, numbers: Numbers): Record<string, Measured> {
  return Object.fromEntries(
    [...numbers].flatMap(([label, number]) =>
      label.endsWith(ending) ? [[label.slice(0, -ending.length), number]] : [],
    ),
  );
}

function withPrefix(prefix: string, numbers: Numbers): Record<string, Measured> {
  return Object.fromEntries(
    [...numbers].flatMap(([label, number]) =>
      label.startsWith(prefix) ? [[label.slice(prefix.length), number]] : [],
    ),
  );
}

function spreadOf(
  metric: "top1" | "top5",
  numbers: Numbers,
  { answers, shown, resampling }: { answers: Answers; shown: Grouping; resampling: Resampling },
): Spread | undefined {
  const values = shown.names.map((_, group) => numbers.get(`${metric}/${group}`));
  const gap = numbers.get(`${metric}/gap`);
  if (gap === undefined) return undefined;
  const [worst, best] = ends(values.map((one) => one?.value ?? NaN));
  const ratio = numbers.get(`${metric}/ratio`);
  const gapOf = (members: Int32Array): number =>
    differenceAndRatio(
      tallyGroups(answers, { members, groupCount: shown.names.length }).map(
        (tally) => tally[metric] / tally.count,
      ),
    )[0];
  const byChance =
    shuffledGroups(shown.members, gapOf, resampling) ??
    drawnGap(
      gap.value,
      values.filter((one) => one !== undefined),
      resampling,
    );
  return {
    worst: shown.names[worst]!,
    best: shown.names[best]!,
    worstValue: values[worst]!,
    gap,
    ...(ratio === undefined ? {} : { ratio }),
    ...(byChance === undefined ? {} : { byChance }),
  };
}

function checkAnswers(answers: Answers, { members }: Grouping, least: number): void {
  const { truths, predictions, ranks, confidences } = answers;
  const lengths = [truths, predictions, ranks, confidences, members].map(({ length }) => length);
  if (new Set(lengths).size !== 1) {
    throw new ShapeError(
      `Expected one truth, prediction, rank, confidence and group per sample but received ${lengths.join(", ")}.`,
    );
  }
  if (!Number.isInteger(least) || least < 1) {
    throw new RangeError(`Expected a whole number of 1 or more for least but received ${least}.`);
  }
}

/** [N] 1 for right, 0 for wrong. */
export function scoresOf({ ranks }: Pick<Answers, "ranks">, metric: "top1" | "top5"): Uint8Array {
  const k = metric === "top1" ? 1 : 5;
  return Uint8Array.from(ranks, (rank) => (rank <= k ? 1 : 0));
}

/** Indices of the smallest and of the largest value. */
export function ends(values: readonly number[]): [number, number] {
  let [low, high] = [0, 0];
  for (const [i, value] of values.entries()) {
    if (value < values[low]!) low = i;
    if (value > values[high]!) high = i;
  }
  return [low, high];
}

interface GroupStatistic {
  readonly labels: readonly string[];
  readonly statistic: (weights: ArrayLike<number>) => number[];
}

/** Groups with at least so many samples of the class, and of others, as a rate is a share of. */
interface Known {
  readonly positives: readonly boolean[];
  readonly negatives: readonly boolean[];
}

function knownRates(
  answers: Answers,
  { names, members }: Grouping,
  { positive, least }: { positive: number; least: number },
): Known {
  const tallies = tallyGroups(answers, { members, groupCount: names.length }, { positive });
  return {
    positives: tallies.map(({ positives }) => positives >= least),
    negatives: tallies.map(({ count, positives }) => count - positives >= least),
  };
}

function oddsByChance(
  positive: number,
  {
    answers,
    shown,
    known,
    resampling,
  }: { answers: Answers; shown: Grouping; known: Known | undefined; resampling: Resampling },
): Pick<PositiveReport, "oddsByChance"> {
  const groupCount = shown.names.length;
  const oddsOf = (members: Int32Array): number =>
    equalizedOdds(groupOdds(tallyGroups(answers, { members, groupCount }, { positive }), known))[0];
  const found = shuffledGroups(shown.members, oddsOf, resampling);
  return found === undefined || Number.isNaN(found.below) ? {} : { oddsByChance: found };
}

function groupStatistic(
  answers: Answers,
  { names, members }: Grouping,
  { positive, known }: { positive: number | undefined; known: Known | undefined },
): GroupStatistic {
  const wide = answers.classCount > 5;
  const metrics = wide ? (["top1", "top5"] as const) : (["top1"] as const);
  const items = Array.from(members.keys());
  const errors = [
    ...names.map((_, group) =>
      errorOf(
        answers,
        items.filter((i) => members[i] === group),
      ),
    ),
    errorOf(answers, items),
  ];
  const read = (weights: ArrayLike<number>): [string, number][] => {
    const tallies = tallyGroups(
      answers,
      { members, groupCount: names.length },
      { weights, positive, overall: true },
    );
    const groups = tallies.slice(0, -1);
    const all = tallies.flatMap((tally, place): [string, number][] => {
      const at = place === names.length ? "overall" : place;
      return [
        ...metrics.map((key): [string, number] => [`${key}/${at}`, tally[key] / tally.count]),
        [`ece/${at}`, errors[place]!(weights)],
      ];
    });
    for (const metric of metrics) {
      const [gap, ratio] = differenceAndRatio(groups.map((tally) => tally[metric] / tally.count));
      all.push([`${metric}/gap`, gap], [`${metric}/ratio`, ratio]);
    }
    if (positive !== undefined) all.push(...positiveRates(groups, known));
    return all;
  };
  return {
    labels: read(new Uint32Array(members.length)).map(([label]) => label),
    statistic: (weights) => read(weights).map(([, value]) => value),
  };
}

/** The expected calibration error of some items, of how often each of all items occurs. */
function errorOf(
  { confidences, ranks }: Answers,
  items: readonly number[],
): (weights: ArrayLike<number>) => number {
  if (items.length === 0) return () => NaN;
  const error = calibrationError({
    confidences: Float64Array.from(items, (i) => confidences[i]!),
    hits: Uint8Array.from(items, (i) => (ranks[i] === 1 ? 1 : 0)),
  });
  const own = new Uint32Array(items.length);
  return (weights) => {
    for (const [place, item] of items.entries()) own[place] = weights[item]!;
    return error(own);
  };
}

/** Draws of other pictures: their error is only compared with, and costs a pass each. */
const MOST_DRAWS = 200;

/** Undefined where nothing is resampled. */
function errorByChance(answers: Answers, count: number, bootstrap: Resampling): number | undefined {
  const { resamples, seed, level } = resolveBootstrap(bootstrap);
  if (resamples === 0) return undefined;
  const random = createRandom(["calibration", seed, count]);
  const pool = Array.from(answers.ranks.keys());
  const once = new Uint32Array(pool.length).fill(1);
  const errors = Array.from({ length: Math.min(resamples, MOST_DRAWS) }, () =>
    errorOf(answers, random.shuffle(pool).slice(0, count))(once),
  );
  return quantile(Float64Array.from(errors).sort(), level);
}

function positiveRates(
  groups: readonly GroupTally[],
  known: Known | undefined,
): [string, number][] {
  const selection = groups.map(({ selected, count }) => selected / count);
  const odds = groupOdds(groups, known);
  const [parity, parityRatio] = differenceAndRatio(selection);
  const [oddsDifference, oddsRatio] = equalizedOdds(odds);
  return [
    ...groups.flatMap((_, group): [string, number][] => [
      [`selectionRate/${group}`, selection[group]!],
      [`truePositiveRate/${group}`, odds.truePositive[group]!],
      [`falsePositiveRate/${group}`, odds.falsePositive[group]!],
    ]),
    ["positive/demographicParityDifference", parity],
    ["positive/demographicParityRatio", parityRatio],
    ["positive/equalizedOddsDifference", oddsDifference],
    ["positive/equalizedOddsRatio", oddsRatio],
  ];
}
