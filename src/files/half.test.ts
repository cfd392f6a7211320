import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHalf, fromHalf, toHalf } from "./half.ts";

test("what float16 would make infinite is refused, the largest and what is no number are not", () => {
  for (const value of [65520, -65520, 1e5, 3e38]) {
    const values = Float32Array.of(1, value);
    assert.equal(Math.abs(fromHalf(toHalf(values))[1]!), Infinity);
    assert.throws(() => checkHalf(values, "rows.npy"), {
      name: "RangeError",
      message:
        "Expected numbers up to 65504, the largest of float16, for rows.npy but received " +
        `${values[1]}; choose float32`,
    });
  }
  const largest = Float32Array.of(65504, -65519, 0, NaN, Infinity);
  checkHalf(largest, "rows.npy");
  assert.deepEqual([...fromHalf(toHalf(largest))], [65504, -65504, 0, NaN, Infinity]);
});
