/** Numbers of a curve, made ready to draw: smoothed, thinned, and with a range worth showing. */
import { quantile } from "../arrays/bootstrap.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Exponential moving average over points, corrected for its start as Adam's moments are; points
 * that are not finite are skipped.
 *
 *     m <- b m + (1 - b) y,   smoothed = m / (1 - b^n)
 */
export function smooth(points: readonly Point[], weight: number): Point[] {
  let average = 0;
  let correction = 1;
  return points
    .filter(({ y }) => Number.isFinite(y))
    .map(({ x, y }) => {
      average = weight * average + (1 - weight) * y;
      correction *= weight;
      return { x, y: average / (1 - correction) };
    });
}

/**
 * At most about `limit` points that look the same: of every stretch the lowest and the highest
 * remain, so no spike is lost. Points that are not finite remain as gaps.
 */
export function thin(points: readonly Point[], limit: number): Point[] {
  if (points.length <= limit) return [...points];
  const stretch = Math.ceil((points.length * 2) / limit);
  const kept: Point[] = [];
  for (let start = 0; start < points.length; start += stretch) {
    const part = points.slice(start, start + stretch);
    const gap = part.find(({ y }) => !Number.isFinite(y));
    const finite = part.filter(({ y }) => Number.isFinite(y));
    const low = finite.reduce<Point | undefined>((a, b) => (a && a.y <= b.y ? a : b), undefined);
    const high = finite.reduce<Point | undefined>((a, b) => (a && a.y >= b.y ? a : b), undefined);
    const unique = new Set([low, high, gap].filter((point) => point !== undefined));
    kept.push(...[...unique].sort((a, b) => a.x - b.x));
  }
  return kept;
}

/**
 * The range of an axis: all of `always`, and of `mostly` all but the outermost percent at
 * each end, so that one spike does not flatten the curve. A little air is added; a flat curve gets
 * a range around it.
 */
export function range(always: readonly number[], mostly: readonly number[]): [number, number] {
  const finite = Float64Array.from(mostly.filter((value) => Number.isFinite(value))).sort();
  const ends = finite.length === 0 ? [] : [quantile(finite, 0.01), quantile(finite, 0.99)];
  const all = [...always.filter((value) => Number.isFinite(value)), ...ends];
  if (all.length === 0) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of all) [low, high] = [Math.min(low, value), Math.max(high, value)];
  // Less than rounding noise counts as flat.
  if (high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high))) {
    const half = Math.abs(low) * 0.1 || 1;
    return [low - half, high + half];
  }
  const air = (high - low) * 0.06;
  // Air does not take a quantity that is never negative below zero.
  return [low >= 0 ? Math.max(0, low - air) : low - air, high + air];
}
