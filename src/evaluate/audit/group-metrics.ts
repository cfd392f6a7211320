/**
 * Accuracy, calibration and fairness metrics of groups. Answers and groups in, numbers out; knows neither
 * embeddings nor files.
 */
import { ShapeError } from "../../errors.ts";
import { calibrationError } from "../metrics/calibration.ts";
import { groupCounts, withoutSmall, type Grouping } from "./grouping.ts";
import {
  gapByChance,
  measure,
  type ChanceGap,
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
  /** For a positive class: how often it is predicted, also where it is and is not the true one. */
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
  readonly byChance?: ChanceGap;
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
  const { labels, statistic } = groupStatistic(answers, shown, positive);
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
      return { name, count: counts[group]!, suppressed, ...numbersAt(`/${place}`, numbers) };
    }),
    overall: numbersAt("/overall", numbers),
    ...(compared && (Object.fromEntries(spreads) as Pick<GroupReport, "top1" | "top5">)),
    ...(compared &&
      positive !== undefined && { positive: { positive, ...withPrefix("positive/", numbers) } }),
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
  const byChance = gapByChance({
    ...resampling,
    scores: scoresOf(answers, metric),
    members: shown.members,
    groupCount: shown.names.length,
  });
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

/** Numbers of one group or of all samples: weights and sums of what is averaged. */
class Tally {
  count = 0;
  top1 = 0;
  top5 = 0;
  positives = 0;
  selected = 0;
  truePositives = 0;

  clear(): void {
    this.count = this.top1 = this.top5 = 0;
    this.positives = this.selected = this.truePositives = 0;
  }
}

function groupStatistic(
  answers: Answers,
  { names, members }: Grouping,
  positive: number | undefined,
): GroupStatistic {
  const { truths, predictions, ranks } = answers;
  const groups = names.map(() => new Tally());
  const overall = new Tally();
  const wide = answers.classCount > 5;
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
  const add = (tally: Tally, i: number, weight: number): void => {
    tally.count += weight;
    if (ranks[i] === 1) tally.top1 += weight;
    if (ranks[i]! <= 5) tally.top5 += weight;
    if (truths[i] === positive) tally.positives += weight;
    if (predictions[i] !== positive) return;
    tally.selected += weight;
    if (truths[i] === positive) tally.truePositives += weight;
  };
  const read = (weights: ArrayLike<number>): [string, number][] => {
    const all: [string, number][] = [];
    for (const [place, tally] of [...groups, overall].entries()) {
      const at = tally === overall ? "overall" : place;
      all.push([`top1/${at}`, tally.top1 / tally.count], [`ece/${at}`, errors[place]!(weights)]);
      if (wide) all.push([`top5/${at}`, tally.top5 / tally.count]);
    }
    for (const metric of wide ? (["top1", "top5"] as const) : (["top1"] as const)) {
      const [gap, ratio] = differenceAndRatio(groups.map((tally) => tally[metric] / tally.count));
      all.push([`${metric}/gap`, gap], [`${metric}/ratio`, ratio]);
    }
    if (positive !== undefined) all.push(...positiveRates(groups));
    return all;
  };
  return {
    labels: read(new Uint32Array(members.length)).map(([label]) => label),
    statistic: (weights) => {
      for (const tally of [...groups, overall]) tally.clear();
      for (let i = 0; i < members.length; i++) {
        const weight = weights[i]!;
        if (weight === 0) continue;
        add(overall, i, weight);
        if (members[i]! >= 0) add(groups[members[i]!]!, i, weight);
      }
      return read(weights).map(([, value]) => value);
    },
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

/** max - min and min / max of the rates that are there: a drawn set may lack a group. */
function differenceAndRatio(rates: readonly number[]): [number, number] {
  const there = rates.filter((rate) => !Number.isNaN(rate));
  const [low, high] = [Math.min(...there), Math.max(...there)];
  return [high - low, low / high];
}

function positiveRates(groups: readonly Tally[]): [string, number][] {
  const selection = groups.map(({ selected, count }) => selected / count);
  const truePositive = groups.map(({ truePositives, positives }) => truePositives / positives);
  const falsePositive = groups.map(
    ({ selected, truePositives, count, positives }) =>
      (selected - truePositives) / (count - positives),
  );
  const [parity, parityRatio] = differenceAndRatio(selection);
  const [tprGap, tprRatio] = differenceAndRatio(truePositive);
  const [fprGap, fprRatio] = differenceAndRatio(falsePositive);
  return [
    ...groups.flatMap((_, group): [string, number][] => [
      [`selectionRate/${group}`, selection[group]!],
      [`truePositiveRate/${group}`, truePositive[group]!],
      [`falsePositiveRate/${group}`, falsePositive[group]!],
    ]),
    ["positive/demographicParityDifference", parity],
    ["positive/demographicParityRatio", parityRatio],
    ["positive/equalizedOddsDifference", Math.max(tprGap, fprGap)],
    ["positive/equalizedOddsRatio", Math.min(tprRatio, fprRatio)],
  ];
}
