/**
 * Percentile bootstrap intervals: how far would a metric move if the test set were drawn again?
 * Resamples what is given; knows nothing about what the metric means.
 */
import { ShapeError } from "../errors.ts";
import { normalTwoSided } from "./distributions.ts";
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
  /**
   * [units] any number for the source of each unit, such as a film or a photographer: units of one
   * source are drawn together, as they are alike. Default: each unit stands alone.
   */
  readonly clusters?: ArrayLike<number>;
}

/** Metrics of a test set in which unit i occurs weights[i] times, always in the same order. */
export type BootstrapStatistic = (weights: Uint32Array) => readonly number[];

/**
 * Draws `units` items with replacement, `resamples` times, and returns for every number of
 * `statistic` the interval between the (1 - level)/2 and (1 + level)/2 quantiles.
 *
 *     Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3
 *
 * `statistic` receives how often each unit was drawn ([units], summing to `units` but where there are
 * clusters of unequal size) and returns the metrics of that test set, always in the same order. An item
 * whose metric is the same for all units gets an interval of width zero, as percentile intervals do at
 * 0 % and 100 %.
 *
 * With `clusters` as many clusters are drawn as there are, each with all its units (Davison and Hinkley,
 * Bootstrap Methods and their Application (1997), section 3.8). Few clusters make narrow intervals: below
 * about 20 they cover less than they say.
 *
 * throws  RangeError for no units, or options out of range; ShapeError for another number of clusters
 */
export function bootstrapIntervals(
  units: number,
  statistic: BootstrapStatistic,
  options: BootstrapOptions = {},
): Interval[] {
  const { level } = resolveBootstrap(options);
  return bootstrapSamples(units, statistic, options).map((values) => percentiles(values, level));
}

/** What two sets of answers to the same items differ by. */
export interface PairedDifference {
  /** first - second, of all items. */
  readonly difference: number;
  /** Percentile interval; absent when `resamples` is 0. */
  readonly interval?: Interval;
  /** Standard deviation of the resampled differences; absent when `resamples` is below 2. */
  readonly standardError?: number;
  /**
   * Two-sided, from the normal approximation: P(|Z| > |difference| / standardError). Small p values of
   * many tasks would need many more resamples if they were counted. 1 where no item makes a difference.
   */
  readonly p?: number;
}

/**
 * Differences first - second of every metric, with intervals: both get the same weights in each
 * resample, so that items which are hard for both cancel out.
 *
 * throws  as bootstrapIntervals does; RangeError where the statistics give unequal numbers of metrics
 */
export function pairedBootstrap(
  units: number,
  first: BootstrapStatistic,
  second: BootstrapStatistic,
  options: BootstrapOptions = {},
): PairedDifference[] {
  const { level, resamples } = resolveBootstrap(options);
  const difference: BootstrapStatistic = (weights) => {
    const [one, other] = [first(weights), second(weights)];
    if (one.length !== other.length) {
      throw new RangeError(
        `Expected as many metrics of both but received ${one.length} and ${other.length}.`,
      );
    }
    return one.map((value, metric) => value - other[metric]!);
  };
  const samples = bootstrapSamples(units, difference, options);
  const independent =
    options.clusters === undefined ? units : new Set(Array.from(options.clusters)).size;
  return difference(new Uint32Array(units).fill(1)).map((value, metric) => ({
    difference: value,
    ...(resamples > 0 && { interval: percentiles(samples[metric]!, level) }),
    ...(resamples > 1 && spread(value, samples[metric]!, 2 ** (1 - independent))),
  }));
}

/** `least`: the smallest p value that there can be. */
function spread(
  value: number,
  samples: readonly number[],
  least: number,
): { standardError?: number; p?: number } {
  const found = samples.filter((sample) => !Number.isNaN(sample));
  if (found.length < 2 || Number.isNaN(value)) return {};
  const mean = found.reduce((sum, sample) => sum + sample, 0) / found.length;
  const squares = found.reduce((sum, sample) => sum + (sample - mean) ** 2, 0);
  const standardError = Math.sqrt(squares / (found.length - 1));
  // Rounding of equal sums is no difference.
  if (Math.abs(value) <= 1e-12) return { standardError, p: 1 };
  return { standardError, p: Math.max(least, normalTwoSided(value / standardError)) };
}

/** For every metric its value in each resample. */
export function bootstrapSamples(
  units: number,
  statistic: BootstrapStatistic,
  options: BootstrapOptions,
): number[][] {
  const { resamples, seed } = resolveBootstrap(options);
  if (!Number.isInteger(units) || units < 1) {
    throw new RangeError(`Expected at least one unit to resample but received ${units}.`);
  }
  const clusterOf = options.clusters && numbered(options.clusters, units);
  const random = createRandom(["bootstrap", seed]);
  const weights = new Uint32Array(units);
  const drawn = clusterOf === undefined ? weights : new Uint32Array(clusterOf.count);
  const samples: number[][] = [];
  for (let resample = 0; resample < resamples; resample++) {
    drawn.fill(0);
    random.tally(drawn);
    if (clusterOf !== undefined) {
      for (let unit = 0; unit < units; unit++) weights[unit] = drawn[clusterOf.of[unit]!]!;
    }
    for (const [metric, value] of statistic(weights).entries()) {
      (samples[metric] ??= []).push(value);
    }
  }
  return samples;
}

/** Clusters counted from 0 in the order in which they appear. */
function numbered(clusters: ArrayLike<number>, units: number): { of: Uint32Array; count: number } {
  if (clusters.length !== units) {
    throw new ShapeError(
      `Expected ${units} clusters, one for each unit, but received ${clusters.length}.`,
    );
  }
  const numbers = new Map<number, number>();
  const of = Uint32Array.from(clusters, (cluster) => {
    const known = numbers.get(cluster) ?? numbers.size;
    numbers.set(cluster, known);
    return known;
  });
  return { of, count: numbers.size };
}

/** A resample in which a metric is undefined, such as a group without items, says nothing about it. */
function percentiles(values: readonly number[], level: number): Interval {
  const sorted = Float64Array.from(values.filter((value) => !Number.isNaN(value))).sort();
  return { low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
}

/** Options with their defaults. throws  RangeError for options out of range */
export function resolveBootstrap(
  options: BootstrapOptions,
): Required<Omit<BootstrapOptions, "clusters">> {
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
