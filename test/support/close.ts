/** Tolerance matchers for tests; knows nothing about tensors. Not part of the package. */
import assert from "node:assert/strict";

export interface Tolerance {
  /** Relative to the expected value. */
  rtol?: number;
  /** Absolute. */
  atol?: number;
}

/** Asserts |actual - expected| <= atol + rtol * |expected| element by element, and equal lengths. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol = 1e-5, atol = 1e-7 }: Tolerance = {},
  what = "value",
): void {
  assert.equal(actual.length, expected.length, `${what}: lengths differ`);
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i] ?? NaN;
    const e = expected[i] ?? NaN;
    const close = Object.is(a, e) || Math.abs(a - e) <= atol + rtol * Math.abs(e);
    assert.ok(close, `${what}[${i}]: ${a} is not within ${atol} + ${rtol} * |${e}|`);
  }
}
