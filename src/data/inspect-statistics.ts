/** Small descriptive statistics for reports. */

/** Of a list of numbers; all zero for an empty one. Quantiles are values of the list. */
export interface Summary {
  min: number;
  median: number;
  mean: number;
  p95: number;
  max: number;
}

/** Values from `from` (inclusive) to `to` (exclusive). */
export interface Bin {
  from: number;
  to: number;
  count: number;
}

export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) return { min: 0, median: 0, mean: 0, p95: 0, max: 0 };
  const sorted = Float64Array.from(values).sort();
  const quantile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
  return {
    min: sorted[0]!,
    median: quantile(0.5),
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p95: quantile(0.95),
    max: sorted.at(-1)!,
  };
}

/** Counts in bins whose bounds double: 1 to 2, 2 to 4, and so on; zeros come first. */
export function histogram(values: readonly number[]): Bin[] {
  const counts = new Map<number, number>();
  for (const value of values) {
    const from = value < 1 ? 0 : 2 ** Math.floor(Math.log2(value));
    counts.set(from, (counts.get(from) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([from, count]) => ({ from, to: from === 0 ? 1 : 2 * from, count }));
}
