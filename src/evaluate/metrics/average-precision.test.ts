/** Against CLIP_benchmark and scikit-learn; test/goldens/generate/metrics.py makes the file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../../test/support/close.ts";
import { floatsOf, metricsGolden } from "../../../test/support/metrics-golden.ts";
import { averagePrecisionPerClass, meanAveragePrecision } from "./average-precision.ts";

const { precision: golden } = metricsGolden();
const data = {
  scores: floatsOf(golden.scores),
  targets: Uint8Array.from(Buffer.from(golden.targets, "base64")),
  classCount: golden.classes,
};
/** Theirs adds in float32. */
const near = { rtol: 1e-6, atol: 0 };

test("what does not fit is refused", () => {
  assert.throws(
    () => meanAveragePrecision({ scores: [1, 2, 3], targets: [1, 0, 0], classCount: 2 }),
    /scores of at least one item by 2 classes but received 3 numbers/,
  );
  assert.throws(
    () => meanAveragePrecision({ scores: [1, 2], targets: [1], classCount: 2 }),
    /Expected 2 targets, one for each score, but received 1/,
  );
  assert.throws(
    () => meanAveragePrecision({ scores: [1, NaN], targets: [1, 0], classCount: 2 }),
    /finite numbers for scores but entry 1 is NaN/,
  );
});

test("average precision is CLIP_benchmark's, of all items and of drawn ones", () => {
  for (const [weights, expected] of [
    [undefined, golden.once],
    [golden.weights, golden.drawn],
  ] as const) {
    assertClose(averagePrecisionPerClass(data)(weights), expected.perClass, near);
    assertClose([meanAveragePrecision(data)(weights)], [expected.mean], near);
  }
});

test("without equal scores it is scikit-learn's", () => {
  assertClose(averagePrecisionPerClass(data)(), golden.scikitLearn, { rtol: 1e-12 });
});

test("of equal scores the earlier item comes first", () => {
  const scores = [0.5, 0.5, 0.5, 0.1];
  const first = averagePrecisionPerClass({ scores, targets: [1, 0, 0, 0], classCount: 1 });
  const last = averagePrecisionPerClass({ scores, targets: [0, 0, 1, 0], classCount: 1 });
  assertClose([first()[0]!, last()[0]!], [1, 1 / 3]);
});

test("a class that a resample misses leaves its mean; one that nothing has counts 0", () => {
  const of = (targets: number[]): number =>
    meanAveragePrecision({ scores: [3, 3, 2, 2, 1, 1], targets, classCount: 2 })([1, 1, 0]);
  assert.equal(of([1, 0, 0, 0, 0, 1]), 1);
  assert.equal(of([1, 0, 0, 0, 0, 0]), 0.5);
});
