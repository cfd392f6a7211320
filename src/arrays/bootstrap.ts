/**
 * Percentile bootstrap intervals: how far would a metric move if the test set were drawn again?
 * Resamples what is given; knows nothing about what the metric means.
 */
import { createRandom } from "./random.ts";

/** A range of values, `low` <= `high`. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Test sets drawn; 0 leaves the intervals out. Default 1,000. */
  readonly resamples?: number;
  /** Seed of the draws. Default 0. */
  readonly seed?: number;
  /** Coverage of the interval, in (0, 1). Default 0.95. */
  readonly level?: number;
}

/**
 * Draws `units` items with replacement, `resamples` times, and returns for every number of
 * `statistic` the interval between the (1 - level)/2 and (1 + level)/2 quantiles.
 *
 *     Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3
 *
 * `statistic` receives how often each unit was drawn ([units], summing to `units`) and returns the
 * metrics of that test set, always in the same order. An item whose metric is the same for all
 * units gets an interval of width zero, as percentile intervals do at 0 % and 100 %.
 *
 * throws  RangeError for no units, or options out of range
 */
export function bootstrapIntervals(
  units: number,
  statistic: (weights: Uint32Array) => readonly number[],
  options: BootstrapOptions = {},
): Interval[] {
  const { resamples, seed, level } = resolveBootstrap(options);
  if (!Number.isInteger(units) || units < 1) {
    throw new RangeError(`Expected at least one unit to resample but received ${units}.`);
  }
  const random = createRandom(["bootstrap", seed]);
  const weights = new Uint32Array(units);
  const samples: number[][] = [];
  for (let resample = 0; resample < resamples; resample++) {
    weights.fill(0);
    for (let i = 0; i < units; i++) {
      const unit = random.integer(units);
      weights[unit] = (weights[unit] as number) + 1;
    }
    for (const [metric, value] of statistic(weights).entries()) {
      (samples[metric] ??= []).push(value);
    }
  }
  return samples.map((values) => {
    const sorted = Float64Array.from(values).sort();
    return { low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
  });
}

/** Options with their defaults. throws  RangeError for options out of range */
export function resolveBootstrap(options: BootstrapOptions): Required<BootstrapOptions> {
  const { resamples = 1000, seed = 0, level = 0.95 } = options;
  if (!Number.isInteger(resamples) || resamples < 0) {
    throw new RangeError(`Expected a whole number >= 0 for resamples but received ${resamples}.`);
  }
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Expected a whole number for the bootstrap seed but received ${seed}.`);
  }
  if (!(level > 0 && level < 1)) {
    throw new RangeError(`Expected a number between 0 and 1 for level but received ${level}.`);
  }
  return { resamples, seed, level };
}

/** The `q` quantile of ascending values, interpolated linearly between neighbours. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] ?? NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? NaN;
  return low + (high - low) * (position - below);
}
