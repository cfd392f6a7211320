/** The number that every evaluation reports: a value, its interval, and what guessing gives. */
import type { Interval } from "../arrays/bootstrap.ts";

export interface Metric {
  readonly value: number;
  /** What a model that guesses uniformly would reach, in the unit of `value`. */
  readonly chance: number;
  /** Bootstrap interval; absent when `resamples` is 0. */
  readonly interval?: Interval;
}

/** Metrics from parallel lists; `intervals` is empty when no resampling was asked for. */
export function toMetrics(
  values: readonly number[],
  chance: readonly number[],
  intervals: readonly Interval[],
): Metric[] {
  return values.map((value, i) => {
    const interval = intervals[i];
    const metric = { value, chance: chance[i] ?? NaN };
    return interval === undefined ? metric : { ...metric, interval };
  });
}
