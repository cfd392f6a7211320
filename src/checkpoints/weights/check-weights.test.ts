import assert from "node:assert/strict";
import { test } from "node:test";

import { fromData, scope } from "../../torch/index.ts";
import { inType, matchWeights, type FoundWeight } from "./check-weights.ts";

const float = (...shape: number[]): FoundWeight => ({ shape, floating: true, storedAs: "F32" });
const needed = (shape: number[]): Map<string, number[]> => new Map([["logit_scale", shape]]);

test("one number may be stored with a dimension or without", () => {
  matchWeights("file", needed([]), new Map([["logit_scale", float(1)]]));
  matchWeights("file", needed([1]), new Map([["logit_scale", float()]]));
});

test("other shapes must be equal", () => {
  for (const [wanted, found] of [
    [[], [2]],
    [[1], [1, 1]],
    [[4], [2, 2]],
    [[2], []],
  ] as const) {
    const there = new Map([["logit_scale", float(...found)]]);
    assert.throws(() => matchWeights("file", needed([...wanted]), there), {
      code: "LIMN_CHECKPOINT",
      message: /1 mis-shaped:\n {4}logit_scale expected \[.*\] received \[/,
    });
  }
});

test("types that are not read are named, whatever else is right", () => {
  const there = new Map([["logit_scale", { shape: [], floating: false, storedAs: "float8_e5m2" }]]);
  assert.throws(() => matchWeights("file", needed([]), there), {
    code: "LIMN_CHECKPOINT",
    message:
      /float64 in file but received 1 in float8_e5m2, logit_scale among them; .* not supported/,
  });
});

test("a number beyond the type that is written is refused with its weight, the largest is not", () => {
  scope(() => {
    const single = (...values: number[]) => fromData(Float32Array.from(values), [values.length]);
    const double = (...values: number[]) => fromData(Float64Array.from(values), [values.length]);
    for (const [tensor, dtype, largest, value, cure] of [
      [single(1, 1e5), "float16", "65504", "100000", "bfloat16 or float32"],
      [single(-65520, 3), "float16", "65504", "-65520", "bfloat16 or float32"],
      [single(3.4e38), "bfloat16", "3.39e38", "3.4e\\+38", "a wider type"],
      [double(-1e39), "float32", "3.40e38", "-1e\\+39", "a wider type"],
    ] as const) {
      assert.throws(() => inType("out", "text.weight", tensor, dtype), {
        name: "CheckpointError",
        file: "out",
        message: new RegExp(
          `^Expected numbers up to ${largest}, the largest of ${dtype}, for text.weight in out but ` +
            `received ${value}; choose ${cure} \\(nothing was written\\)$`,
        ),
      });
    }
    assert.deepEqual(
      [...inType("out", "w", single(65504, -65519), "float16").to("float32").data()],
      [65504, -65504],
    );
    const kept = [...inType("out", "w", single(NaN, Infinity), "float16").to("float32").data()];
    assert.deepEqual(kept, [NaN, Infinity]);
    assert.equal(
      inType("out", "w", fromData(Int32Array.of(1 << 30), [1]), "float16").dtype,
      "int32",
    );
  });
});
