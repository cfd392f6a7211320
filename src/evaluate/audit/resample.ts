/** Intervals of an audit's numbers, and how far groups differ by chance alone. */
import {
  bootstrapIntervals,
  quantile,
  resolveBootstrap,
  type BootstrapOptions,
  type BootstrapStatistic,
} from "../../arrays/bootstrap.ts";
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

interface GapOptions extends Resampling {
  /** [N] */
  readonly scores: ArrayLike<number>;
  /** [N] group of each item from 0; -1 for none */
  readonly members: Int32Array;
  readonly groupCount: number;
}

/** The gap between the best and the worst group where groups mean nothing. */
export interface ChanceGap {
  /** The `level` quantile of the gap over shuffled groups: what equal groups of these sizes stay below. */
  readonly gap: number;
  /** (1 + shuffles with a gap at least as large) / (1 + shuffles) */
  readonly p: number;
}

/**
 * A permutation test of the gap between groups' mean scores: items keep their scores and groups their
 * sizes, and who belongs to which group is shuffled. The largest of several means minus the smallest is
 * never below zero, so that its interval alone says nothing.
 *
 * Undefined where nothing is resampled, and where the items of a cluster are of different groups: then
 * there is no shuffle that keeps clusters together.
 */
export function gapByChance(options: GapOptions): ChanceGap | undefined {
  const { members, groupCount, clusters, ...bootstrap } = options;
  const { resamples, seed, level } = resolveBootstrap(bootstrap);
  const units = unitsOf(members, clusters);
  if (resamples === 0 || units === undefined) return undefined;
  const random = createRandom(["gap", seed]);
  const sums = unitSums(options, units);
  const gapNow = (of: ArrayLike<number>): number => gapOf(sums, of, groupCount);
  const groups = [...units.groups];
  const own = gapNow(groups);
  const gaps = Array.from({ length: resamples }, () => gapNow(random.shuffle(groups)));
  // Sums in another order differ in the last digits.
  const atLeast = gaps.filter((gap) => gap >= own - 1e-12).length;
  const sorted = Float64Array.from(gaps).sort();
  return { gap: quantile(sorted, level), p: (1 + atLeast) / (1 + resamples) };
}

interface Units {
  /** [N] the unit of each item; -1 for an item without a group */
  readonly of: Int32Array;
  /** [U] the group of each unit */
  readonly groups: readonly number[];
}

/** What is shuffled: items, or clusters whose items are all of one group. */
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

function unitSums(
  { scores }: GapOptions,
  { of, groups }: Units,
): { sums: Float64Array; counts: Float64Array } {
  const sums = new Float64Array(groups.length);
  const counts = new Float64Array(groups.length);
  for (const [item, unit] of of.entries()) {
    if (unit < 0) continue;
    sums[unit] = sums[unit]! + scores[item]!;
    counts[unit] = counts[unit]! + 1;
  }
  return { sums, counts };
}

function gapOf(
  { sums, counts }: { sums: Float64Array; counts: Float64Array },
  groups: ArrayLike<number>,
  groupCount: number,
): number {
  const totals = new Float64Array(groupCount);
  const sizes = new Float64Array(groupCount);
  for (let unit = 0; unit < sums.length; unit++) {
    const group = groups[unit]!;
    totals[group] = totals[group]! + sums[unit]!;
    sizes[group] = sizes[group]! + counts[unit]!;
  }
  const means = totals.map((total, group) => total / sizes[group]!);
  return Math.max(...means) - Math.min(...means);
}
