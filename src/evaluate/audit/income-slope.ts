/** Whether accuracy rises with income: a line through right and wrong answers over the logarithm of income. */
import { fitLine } from "../../arrays/fit-line.ts";
import { DataError } from "../../errors.ts";
import { valueText } from "./grouping.ts";
import { measure, type Measured, type Resampling } from "./resample.ts";

export interface IncomeSlope {
  /** Samples with an income. */
  readonly count: number;
  readonly without: number;
  /** Different incomes. With few of them the line goes through group means: read the worst group first. */
  readonly distinct: number;
  /** The answer counts as right among the first k. */
  readonly k: number;
  /** Change of accuracy when income is e times as large; times ln 2 for twice the income. */
  readonly slope: Measured;
  /** Of least squares with equal variances. */
  readonly standardError: number;
  readonly intercept: number;
  /** Accuracy of up to five parts of the samples, from poor to rich. */
  readonly parts: readonly IncomePart[];
}

export interface IncomePart {
  readonly count: number;
  /** Geometric mean of their incomes. */
  readonly income: number;
  readonly accuracy: Measured;
}

/** Fifths, as far as there are so many different incomes. */
const PARTS = 5;

/**
 * Least squares of correct@k on ln(income); the interval resamples samples or clusters.
 *
 * incomes  [N] above 0; undefined for a sample without
 * correct  [N] 1 for right, 0 for wrong
 * throws   RangeError where fewer than three samples have an income, or all the same
 */
export function incomeSlope(
  incomes: readonly (number | undefined)[],
  correct: ArrayLike<number>,
  { k, clusters, ...bootstrap }: Resampling & { k: number },
): IncomeSlope {
  const items = incomes.flatMap((income, i) => (income === undefined ? [] : [i]));
  const x = Float64Array.from(items, (i) => Math.log(incomes[i]!));
  const y = Float64Array.from(items, (i) => correct[i]!);
  const distinct = new Set(x).size;
  if (items.length < 3 || distinct < 2) {
    throw new RangeError(
      `Expected at least three samples and two incomes for a slope but received ${items.length} and ${distinct}.`,
    );
  }
  const { intercept, standardError } = fitLine(x, y);
  const parts = partsOf(x);
  const means = (weights: ArrayLike<number>): number[] => {
    const [right, all] = [new Float64Array(PARTS), new Float64Array(PARTS)];
    for (const [i, part] of parts.entries()) {
      right[part] = right[part]! + weights[i]! * y[i]!;
      all[part] = all[part]! + weights[i]!;
    }
    return Array.from(right, (sum, part) => sum / all[part]!);
  };
  const [slope, ...accuracies] = measure(
    items.length,
    (weights) => [fitLine(x, y, weights).slope, ...means(weights)],
    { ...bootstrap, ...(clusters && { clusters: items.map((i) => clusters[i]!) }) },
  );
  const curve = accuracies.flatMap((accuracy, part): IncomePart[] => {
    const inside = x.filter((_, i) => parts[i] === part);
    if (inside.length === 0) return [];
    const mean = inside.reduce((sum, one) => sum + one, 0) / inside.length;
    return [{ count: inside.length, income: Math.exp(mean), accuracy }];
  });
  const counts = { count: items.length, without: incomes.length - items.length, distinct };
  return { ...counts, k, slope: slope!, standardError, intercept, parts: curve };
}

/** [N] the part of each sample, from the poorest; equal incomes are in one. */
function partsOf(incomes: Float64Array): Int32Array {
  const sorted = Float64Array.from(incomes).sort();
  const firsts = new Map<number, number>();
  for (const [place, income] of sorted.entries()) {
    if (!firsts.has(income)) firsts.set(income, place);
  }
  return Int32Array.from(incomes, (income) =>
    Math.floor((firsts.get(income)! * PARTS) / sorted.length),
  );
}

/**
 * The incomes that records give.
 *
 * returns  [N] above 0; undefined where a record has none
 * throws   DataError for what is no number above 0 (quartiles from 0 are groups), and for a record without
 *          one unless these are skipped
 */
export function readIncomes(
  keys: readonly string[],
  metas: readonly Readonly<Record<string, unknown>>[],
  key: string,
  unknown: "skip" | "fail" = "skip",
): (number | undefined)[] {
  return metas.map((meta, sample) => {
    const text = valueText(meta[key]);
    if (text === undefined && unknown === "skip") return undefined;
    const income = Number(text);
    if (Number.isFinite(income) && income > 0) return income;
    throw new DataError(
      `Expected an income above 0 for ${key} of sample ${keys[sample]} but received ${text ?? "nothing"}; ` +
        `give amounts of money, and compare quartiles as groups with --groups ${key}`,
      { source: keys[sample] ?? "", key: keys[sample] ?? "" },
    );
  });
}
