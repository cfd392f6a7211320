/** What many numbers are like, without keeping them. */

/** Of a list of numbers; all zero for an empty one. */
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

/** Different values up to which quantiles are exact. */
const MOST_VALUES = 65_536;
/** Beyond that, each power of two is split into so many parts: quantiles are right to 0.03 %. */
const PARTS = 4096;

/**
 * Summary of numbers that are not negative, as they come. Quantiles are values of the list while it
 * has at most 65,536 different ones, and below 8,192 for whole numbers; beyond, they are rounded down
 * by at most 1 / 4,096 of themselves. The rest is exact. Memory is bounded.
 */
export class StreamSummary {
  #counts: Map<number, number> = new Map();
  #rounds = false;
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    increase(this.#counts, this.#rounds ? rounded(value) : value, 1);
    if (!this.#rounds && this.#counts.size > MOST_VALUES) this.#round();
  }

  #round(): void {
    const exact = this.#counts;
    this.#rounds = true;
    this.#counts = new Map();
    for (const [value, count] of exact) increase(this.#counts, rounded(value), count);
  }

  get(): Summary {
    if (this.#count === 0) return { min: 0, median: 0, mean: 0, p95: 0, max: 0 };
    const sorted = [...this.#counts].sort(([a], [b]) => a - b);
    const quantile = (share: number): number => {
      let left = Math.max(1, Math.ceil(share * this.#count));
      for (const [value, count] of sorted) {
        left -= count;
        if (left <= 0) return Math.max(value, this.#min);
      }
      return this.#max;
    };
    return {
      min: this.#min,
      median: quantile(0.5),
      mean: this.#sum / this.#count,
      p95: quantile(0.95),
      max: this.#max,
    };
  }
}

/** Down to a part of its power of two. */
function rounded(value: number): number {
  if (value <= 0) return value;
  const unit = 2 ** Math.floor(Math.log2(value)) / PARTS;
  return Math.floor(value / unit) * unit;
}

/** Counts in bins whose bounds double: 1 to 2, 2 to 4, and so on; zeros come first. */
export class StreamHistogram {
  readonly #counts: Map<number, number> = new Map();

  add(value: number): void {
    increase(this.#counts, value < 1 ? 0 : 2 ** Math.floor(Math.log2(value)), 1);
  }

  get(): Bin[] {
    return [...this.#counts]
      .sort(([a], [b]) => a - b)
      .map(([from, count]) => ({ from, to: from === 0 ? 1 : 2 * from, count }));
  }
}

function increase(counts: Map<number, number>, key: number, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
