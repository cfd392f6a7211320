/** Intervals of an audit's numbers, and how far groups differ by chance alone. */
import {
  bootstrapIntervals,
  quantile,
  resolveBootstrap,
  type BootstrapOptions,
  type BootstrapStatistic,
} from "../../arrays/bootstrap.ts";
import { studentQuantile } from "../../arrays/distributions.ts";
import { createRandom } from "../../arrays/random.ts";

/** A number with its bootstrap interval, which is absent where none can be given. */
export interface Measured {
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

/** With clusters [N], whose items share a source, whole clusters are drawn. */
export type Resampling = BootstrapOptions;

/**
 * The numbers of `statistic` on the set itself, each with its interval. A number that a drawn set may not have
 * (its only cluster was not drawn) has no interval.
 *
 * throws  RangeError for an empty set, or options out of range; ShapeError for another number of clusters
 */
export function measure(
  count: number,
  statistic: BootstrapStatistic,
  bootstrap: Resampling,
): Measured[] {
  const values = statistic(new Uint32Array(count).fill(1));
  if (resolveBootstrap(bootstrap).resamples === 0) return values.map((value) => ({ value }));
  const lost = new Set<number>();
  const watched: BootstrapStatistic = (weights) => {
    const drawn = statistic(weights);
    for (let i = 0; i < drawn.length; i++) if (!Number.isFinite(drawn[i]!)) lost.add(i);
    return drawn;
  };
  const intervals = bootstrapIntervals(count, watched, bootstrap);
  return values.map((value, i) => (lost.has(i) ? { value } : { value, ...intervals[i] }));
}

/** Degrees of freedom at which Student's distribution is the normal one. */
const NORMAL = 1e7;

/** A difference between groups where groups mean nothing. */
export interface ByChance {
  /** The `level` quantile of the difference: what equal groups of these sizes stay below. */
  readonly below: number;
  /** (1 + differences at least as large) / (1 + all that were made) */
  readonly p: number;
}

/**
 * A permutation test: samples keep their answers and groups their sizes, and who belongs to which group is
 * shuffled; of clusters, which stay whole. The largest of several rates minus the smallest is never below zero,
 * so that its interval alone says nothing.
 *
 * Undefined where nothing is resampled, and where the samples of a cluster are of different groups: then there is
 * no shuffle that keeps clusters together.
 *
 * members     [N] group of each sample from 0; -1 for none, which stays so
 * difference  of groups as `members` has them
 */
export function shuffledGroups(
  members: Int32Array,
  difference: (members: Int32Array) => number,
  { clusters, ...bootstrap }: Resampling,
): ByChance | undefined {
  const { resamples, seed, level } = resolveBootstrap(bootstrap);
  const units = unitsOf(members, clusters);
  if (resamples === 0 || units === undefined) return undefined;
  const random = createRandom(["groups", seed]);
  const groups = [...units.groups];
  const shuffled = new Int32Array(members.length);
  const differences = Array.from({ length: resamples }, () => {
    random.shuffle(groups);
    for (const [i, unit] of units.of.entries()) shuffled[i] = unit < 0 ? -1 : groups[unit]!;
    return difference(shuffled);
  });
  return chanceOf(difference(members), differences, level);
}

interface Units {
  /** [N] the unit of each sample; -1 for one without a group */
  readonly of: Int32Array;
  /** [U] the group of each unit */
  readonly groups: readonly number[];
}

/** What is shuffled: samples, or clusters whose samples are all of one group. */
function unitsOf(members: Int32Array, clusters: ArrayLike<number> | undefined): Units | undefined {
  const groups: number[] = [];
  const places = new Map<number, number>();
  const of = new Int32Array(members.length).fill(-1);
  for (const [item, group] of members.entries()) {
    if (group < 0) continue;
    const id = clusters?.[item] ?? item;
    const unit = places.get(id) ?? groups.push(group) - 1;
    places.set(id, unit);
    if (groups[unit] !== group) return undefined;
    of[item] = unit;
  }
  return { of, groups };
}

/**
 * The same for the gap of rates whose intervals are known, as clusters of mixed groups leave them: rates of equal
 * groups are drawn from normal distributions as wide as the intervals. Approximate; undefined without intervals.
 */
export function drawnGap(
  gap: number,
  rates: readonly Measured[],
  bootstrap: Resampling,
): ByChance | undefined {
  const { resamples, seed, level } = resolveBootstrap(bootstrap);
  const widths = rates.map(({ low = NaN, high = NaN }) => high - low);
  if (resamples === 0 || widths.some(Number.isNaN)) return undefined;
  const random = createRandom(["gap", seed]);
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const reach = 2 * studentQuantile((1 + level) / 2, NORMAL);
  const gaps = Array.from({ length: resamples }, () => {
    const drawn = widths.map((width) => (width / reach) * normal());
    return Math.max(...drawn) - Math.min(...drawn);
  });
  return chanceOf(gap, gaps, level);
}

function chanceOf(own: number, differences: readonly number[], level: number): ByChance {
  // Sums in another order differ in the last digits.
  const atLeast = differences.filter((one) => one >= own - 1e-12).length;
  const sorted = Float64Array.from(differences).sort();
  return { below: quantile(sorted, level), p: (1 + atLeast) / (1 + differences.length) };
}
