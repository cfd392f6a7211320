/**
 * Means over seeds and paired differences, with bootstrap intervals. Knows no arms and no metrics.
 *
 * Seeds and test items are crossed: every seed answers the same items. Each resample therefore draws
 * seeds and, independently, items, and takes the mean over what both chose (Owen, The pigeonhole
 * bootstrap, 2007; for items nested in one model it is the usual bootstrap). Without items only
 * seeds are drawn. With three seeds the interval over seeds is hardly more than their range, which covers
 * 75 % of the truth and not 95 %: beside it stands the t interval, from the values of the seeds alone.
 */
import { quantile, type Interval } from "../arrays/bootstrap.ts";
import { tInterval } from "../arrays/hypothesis-tests.ts";
import { createRandom } from "../arrays/random.ts";
import { sameUnits, type Items } from "./result-file.ts";

/** A metric of one seed. */
export interface SeedValue {
  readonly seed: number;
  readonly value: number;
  readonly items?: Items | undefined;
}

export interface Estimate {
  readonly mean: number;
  /** 95 % of the resamples; absent where there is neither a second seed nor an item to resample. */
  readonly interval?: Interval;
  /** Student's, over the values of the seeds; absent with one seed. */
  readonly tInterval?: Interval;
  /** Behind the mean, in order of seeds. */
  readonly values: readonly number[];
  readonly seeds: readonly number[];
  /** Whether items were resampled too. */
  readonly overItems: boolean;
}

/** A paired difference first - second; `sign` is 0 where the interval holds zero. */
export interface Difference extends Estimate {
  readonly sign: -1 | 0 | 1;
}

export interface ResampleOptions {
  /** Default 2,000. */
  readonly resamples?: number;
  /** Coverage. Default 0.95. */
  readonly level?: number;
}

/** Mean over seeds. throws  RangeError for no seed */
export function estimate(values: readonly SeedValue[], options: ResampleOptions = {}): Estimate {
  if (values.length === 0) throw new RangeError("Expected at least one seed but received none.");
  const found = values.map(({ value }) => value);
  const mean = meanOf(found);
  const items = sharedItems(values);
  const interval = resample(found, items === undefined ? undefined : toUnits(items), options);
  return {
    mean,
    ...intervals(interval, found, options),
    values: found,
    seeds: values.map(({ seed }) => seed),
    overItems: items !== undefined,
  };
}

/**
 * Mean of first - second over the seeds that both have, item by item where both have the same items.
 * Undefined where they share no seed.
 */
export function difference(
  first: readonly SeedValue[],
  second: readonly SeedValue[],
  options: ResampleOptions = {},
): Difference | undefined {
  const pairs = first.flatMap((one) => {
    const other = second.find(({ seed }) => seed === one.seed);
    return other === undefined ? [] : [[one, other] as const];
  });
  if (pairs.length === 0) return undefined;
  const values = pairs.map(([one, other]) => one.value - other.value);
  const items = sharedItems(pairs.flat());
  const interval = resample(
    values,
    items === undefined ? undefined : pairUnits(toUnits(items)),
    options,
  );
  return {
    mean: meanOf(values),
    ...intervals(interval, values, options),
    values,
    seeds: pairs.map(([one]) => one.seed),
    overItems: items !== undefined,
    sign: interval === undefined ? 0 : interval.low > 0 ? 1 : interval.high < 0 ? -1 : 0,
  };
}

function intervals(
  interval: Interval | undefined,
  values: readonly number[],
  { level }: ResampleOptions,
): Pick<Estimate, "interval" | "tInterval"> {
  const student = tInterval(values, level);
  return {
    ...(interval !== undefined && { interval }),
    ...(student !== undefined && { tInterval: student }),
  };
}

/** Items of all values, where all have the same. */
function sharedItems(values: readonly SeedValue[]): Items[] | undefined {
  const items = values.flatMap((value) => (value.items === undefined ? [] : [value.items]));
  const [head] = items;
  if (head === undefined || items.length < values.length) return undefined;
  return items.every((one) => sameUnits(one, head)) ? items : undefined;
}

/** What is summed of every unit for each seed, over how many scores. */
interface Units {
  sums: ArrayLike<number>[];
  counts: ArrayLike<number> | undefined;
}

function toUnits(items: readonly Items[]): Units {
  return { sums: items.map(({ sums }) => sums), counts: items[0]?.counts };
}

/** Rows 2i and 2i + 1 as their difference. */
function pairUnits({ sums, counts }: Units): Units {
  const pairs: Float64Array[] = [];
  for (let i = 0; i + 1 < sums.length; i += 2) {
    const [one, other] = [sums[i] as ArrayLike<number>, sums[i + 1] as ArrayLike<number>];
    pairs.push(Float64Array.from(one, (value, unit) => value - (other[unit] ?? NaN)));
  }
  return { sums: pairs, counts };
}

function resample(
  values: readonly number[],
  units: Units | undefined,
  { resamples = 2000, level = 0.95 }: ResampleOptions,
): Interval | undefined {
  if (values.some((value) => !Number.isFinite(value))) return undefined;
  if (values.length < 2 && units === undefined) return undefined;
  const means = new Float64Array(resamples);
  const rows = units?.sums.map((row) => Float64Array.from(row)) ?? [];
  const counts = Float64Array.from(units?.counts ?? rows[0]?.map(() => 1) ?? []);
  let done = 0;
  for (const { seeds, times } of draws(values.length, counts.length, resamples)) {
    const found = units === undefined ? values : weightedMeans(rows, counts, times);
    means[done++] = meanOf(seeds.map((seed) => found[seed] ?? NaN));
  }
  means.sort();
  return { low: quantile(means, (1 - level) / 2), high: quantile(means, (1 + level) / 2) };
}

/** What a resample drew: seeds, and how many times each unit. */
interface Draw {
  readonly seeds: readonly number[];
  readonly times: Uint16Array;
}

/** Drawing takes longer than summing, and most metrics of a study have the same number of items. */
const remembered = new Map<string, readonly Draw[]>();
const mostRemembered = 8_000_000;

/** The same draws for every metric and arm: two runs of a report agree to the last bit. */
function draws(seedCount: number, unitCount: number, resamples: number): Iterable<Draw> {
  const key = `${seedCount} ${unitCount} ${resamples}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const fresh = newDraws(seedCount, unitCount, resamples);
  if (resamples * unitCount > mostRemembered) return fresh;
  const kept = [...fresh];
  if (remembered.size >= 4) remembered.clear();
  remembered.set(key, kept);
  return kept;
}

function* newDraws(seedCount: number, unitCount: number, resamples: number): Iterable<Draw> {
  const random = createRandom(["study", seedCount, unitCount]);
  for (let draw = 0; draw < resamples; draw++) {
    const seeds = Array.from({ length: seedCount }, () => random.integer(seedCount));
    const times = new Uint16Array(unitCount);
    for (let i = 0; i < unitCount; i++) {
      const unit = random.integer(unitCount);
      times[unit] = (times[unit] as number) + 1;
    }
    yield { seeds, times };
  }
}

/** The mean of every seed over the units drawn. */
function weightedMeans(
  rows: readonly Float64Array[],
  counts: Float64Array,
  times: Uint16Array,
): number[] {
  let scores = 0;
  for (let unit = 0; unit < times.length; unit++) {
    scores += (times[unit] as number) * (counts[unit] as number);
  }
  return rows.map((row) => {
    let total = 0;
    for (let unit = 0; unit < times.length; unit++) {
      total += (times[unit] as number) * (row[unit] as number);
    }
    return total / scores;
  });
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
