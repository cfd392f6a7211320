/**
 * What all metrics share: a metric takes its data once and gives a function of how often each item
 * occurs, so that a bootstrap can ask for thousands of test sets.
 */
import { ShapeError } from "../../errors.ts";

/** weights   [N] times that each item occurs, 0 or more; each once by default */
export type Weighted<Value = number> = (weights?: ArrayLike<number>) => Value;

/** `compute` with the weights checked and filled in. throws  ShapeError for another number of them */
export function weighted<Value>(
  count: number,
  compute: (weights: ArrayLike<number>) => Value,
): Weighted<Value> {
  let once: Uint32Array | undefined;
  return (weights) => {
    if (weights === undefined) return compute((once ??= new Uint32Array(count).fill(1)));
    checkCount("weights", weights, count);
    return compute(weights);
  };
}

/** throws  ShapeError unless there is one entry for each item, or for each of what is named */
export function checkCount(
  name: string,
  values: { length: number },
  count: number,
  each = "item",
): void {
  if (values.length === count) return;
  throw new ShapeError(
    `Expected ${count} ${name}, one for each ${each}, but received ${values.length}.`,
  );
}

/** throws  RangeError for no items: a metric of nothing is undefined */
export function checkSome(name: string, values: { length: number }): void {
  if (values.length > 0) return;
  throw new RangeError(`Expected at least one item for ${name} but received none.`);
}

/** throws  RangeError for an entry that is not a whole number in [0, end) */
export function checkIndices(name: string, values: ArrayLike<number>, end: number): void {
  for (let item = 0; item < values.length; item++) {
    const value = values[item]!;
    if (Number.isInteger(value) && value >= 0 && value < end) continue;
    throw new RangeError(
      `Expected whole numbers from 0 to ${end - 1} for ${name} but item ${item} has ${value}.`,
    );
  }
}

/** throws  RangeError for an entry that is NaN or infinite */
export function checkFinite(name: string, values: ArrayLike<number>): void {
  for (let item = 0; item < values.length; item++) {
    if (Number.isFinite(values[item]!)) continue;
    throw new RangeError(
      `Expected finite numbers for ${name} but entry ${item} is ${values[item]}.`,
    );
  }
}

/** The mean of [N] finite numbers, one for each item; NaN where all weights are 0. */
export function meanOf(values: ArrayLike<number>): Weighted {
  checkSome("a mean", values);
  checkFinite("a mean", values);
  const own = Float64Array.from(values);
  return weighted(own.length, (weights) => {
    let sum = 0;
    let total = 0;
    for (let item = 0; item < own.length; item++) {
      const weight = weights[item]!;
      sum += weight * own[item]!;
      total += weight;
    }
    return sum / total;
  });
}

/** Several metrics of the same items in one answer, in their order. */
export function together(metrics: readonly Weighted[]): Weighted<number[]> {
  return (weights) => metrics.map((metric) => metric(weights));
}
