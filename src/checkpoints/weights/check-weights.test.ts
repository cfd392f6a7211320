import assert from "node:assert/strict";
import { test } from "node:test";

import { matchWeights, type FoundWeight } from "./check-weights.ts";

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
