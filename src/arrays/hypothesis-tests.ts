/**
 * Tests of whether two results differ, and the correction for asking many times. Takes counts and p
 * values; knows nothing about what they are of.
 */
import { chiSquaredTail, fairBinomialTail, studentQuantile } from "./distributions.ts";
import type { Interval } from "./bootstrap.ts";

/** Discordant pairs up to which McNemar's test is exact. */
export const exactPairs = 1000;

export interface McNemar {
  /** Items that only the first, only the second got right. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided: how likely a difference at least this large is where neither is better. */
  readonly p: number;
  readonly method: "exact" | "asymptotic";
}

/**
 * McNemar's test of paired right and wrong answers: where both are equally good, an item that one alone
 * gets right is either's with probability 1/2.
 *
 *     exact (up to 1,000 such items):  p = min(1, 2 P(X <= min(b, c))),   X ~ Binomial(b + c, 1/2)
 *     asymptotic:                      (|b - c| - 1)^2 / (b + c)  ~  chi-square, 1 degree of freedom
 *
 * McNemar 1947, with Edwards' correction (1948). The items must be independent: those of one source, such
 * as frames of a film, are not, and their p value is too small.
 *
 * throws  RangeError for counts that are not whole numbers from 0 on
 */
export function mcNemar(
  onlyFirst: number,
  onlySecond: number,
  method: McNemar["method"] = onlyFirst + onlySecond <= exactPairs ? "exact" : "asymptotic",
): McNemar {
  for (const count of [onlyFirst, onlySecond]) {
    if (Number.isSafeInteger(count) && count >= 0) continue;
    throw new RangeError(`Expected counts of items for McNemar's test but received ${count}.`);
  }
  const total = onlyFirst + onlySecond;
  let p = 1;
  if (method === "exact") {
    p = Math.min(1, 2 * fairBinomialTail(Math.min(onlyFirst, onlySecond), total));
  } else if (total > 0) {
    p = chiSquaredTail((Math.abs(onlyFirst - onlySecond) - 1) ** 2 / total);
  }
  return { onlyFirst, onlySecond, p, method };
}

/** McNemar's test from [N] right or wrong answers of two. throws  RangeError for unequal lengths */
export function mcNemarOf(first: ArrayLike<number>, second: ArrayLike<number>): McNemar {
  if (first.length !== second.length) {
    throw new RangeError(
      `Expected answers of the same items but received ${first.length} and ${second.length}.`,
    );
  }
  let [onlyFirst, onlySecond] = [0, 0];
  for (let item = 0; item < first.length; item++) {
    const [one, other] = [first[item] !== 0, second[item] !== 0];
    if (one && !other) onlyFirst++;
    if (other && !one) onlySecond++;
  }
  return mcNemar(onlyFirst, onlySecond);
}

/**
 * P values adjusted by Holm's step-down method: those below a level hold together with an error of that
 * level for the whole family, whatever their dependence.
 *
 *     adjusted_(i) = max over j <= i of  min(1, (m - j + 1) p_(j))      Holm 1979
 *
 * throws  RangeError for a p value outside [0, 1]
 */
export function holm(pValues: readonly number[]): number[] {
  checkProbabilities(pValues);
  const order = ascending(pValues);
  const adjusted = new Array<number>(pValues.length);
  let most = 0;
  for (const [place, index] of order.entries()) {
    most = Math.max(most, Math.min(1, (pValues.length - place) * pValues[index]!));
    adjusted[index] = most;
  }
  return adjusted;
}

/**
 * P values adjusted by Benjamini and Hochberg's step-up method: among those below a level at most that
 * share is expected to be false, for independent or positively dependent tests.
 *
 *     adjusted_(i) = min over j >= i of  min(1, m p_(j) / j)      Benjamini and Hochberg 1995
 *
 * throws  RangeError for a p value outside [0, 1]
 */
export function benjaminiHochberg(pValues: readonly number[]): number[] {
  checkProbabilities(pValues);
  const order = ascending(pValues);
  const adjusted = new Array<number>(pValues.length);
  let least = 1;
  for (let place = order.length - 1; place >= 0; place--) {
    const index = order[place]!;
    least = Math.min(least, (pValues.length * pValues[index]!) / (place + 1));
    adjusted[index] = least;
  }
  return adjusted;
}

function checkProbabilities(pValues: readonly number[]): void {
  const wrong = pValues.find((p) => !(p >= 0 && p <= 1));
  if (wrong === undefined) return;
  throw new RangeError(`Expected p values from 0 to 1 but received ${wrong}.`);
}

function ascending(values: readonly number[]): number[] {
  return values.map((_, i) => i).sort((a, b) => values[a]! - values[b]! || a - b);
}

/**
 * The t interval of a mean: mean +- t sd / sqrt(n), with n - 1 degrees of freedom. For few values, such
 * as seeds, it covers what it says where their bootstrap and their range do not: of three values from a
 * normal distribution the range holds the mean in 75 % of all cases. Undefined for fewer than two values
 * and for values that are not finite.
 *
 *     Student 1908; values are taken to be independent and about normal
 *
 * throws  RangeError for a level outside (0, 1)
 */
export function tInterval(values: ArrayLike<number>, level = 0.95): Interval | undefined {
  const n = values.length;
  const t = studentQuantile((1 + level) / 2, Math.max(1, n - 1));
  if (n < 2) return undefined;
  const all = Float64Array.from(values);
  const mean = all.reduce((sum, value) => sum + value, 0) / n;
  if (!Number.isFinite(mean)) return undefined;
  const variance = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = t * Math.sqrt(variance / n);
  return { low: mean - half, high: mean + half };
}
