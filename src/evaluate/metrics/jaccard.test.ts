/** Against scikit-learn; test/goldens/generate/metrics.py makes the file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../../test/support/close.ts";
import { metricsGolden } from "../../../test/support/metrics-golden.ts";
import { associationMeans, associationScore, candidateGroups, jaccardScore } from "./jaccard.ts";
import { liftOverChance } from "./lift.ts";

const { jaccard: golden } = metricsGolden();

test("what does not fit is refused", () => {
  assert.throws(() => jaccardScore([1], [1, 0]), /Expected 1 choices, one for each item/);
  assert.throws(() => associationScore([0.1, 0.2], [0, 0]), /at least one right candidate/);
  assert.throws(() => associationScore([0.1, NaN], [0, 1]), /finite numbers for similarities/);
  assert.throws(() => associationMeans([0.5], [5, 6]), /Expected 1 candidate counts/);
});

test("an instance's score and the means by number of candidates are DataComp's", () => {
  const scores = golden.instances.map(({ similarities, right }) =>
    associationScore(similarities, right),
  );
  assertClose(
    scores,
    golden.instances.map(({ score }) => score),
    { rtol: 1e-12 },
  );
  const means = associationMeans(
    scores,
    golden.instances.map(({ right }) => right.length),
  );
  assertClose(means(), golden.once, { rtol: 1e-12 });
  assertClose(means(golden.weights), golden.drawn, { rtol: 1e-12 });
});

test("equal similarities go to the earlier candidate, and a group without instances has no mean", () => {
  assert.equal(associationScore([0.5, 0.5, 0.5], [true, false, false]), 1);
  assert.equal(associationScore([0.5, 0.5, 0.5], [false, false, true]), 0);
  assert.equal(jaccardScore([0, 0], [0, 0]), 0);
  const means = associationMeans([0.25, 0.75], [5, 12])();
  const named = candidateGroups.map(({ name }, i) => [name, means[i + 1]]);
  assert.deepEqual(named, [
    ["5", 0.25],
    ["6", NaN],
    ["10", NaN],
    ["12", 0.75],
    ["5-6", 0.25],
    ["10-12", 0.75],
  ]);
});

test("lift is 0 at chance, 1 at best, negative below", () => {
  assertClose(
    [0.1, 0.55, 1, 0].map((one) => liftOverChance(one, 0.1)),
    [0, 0.5, 1, -1 / 9],
  );
  assert.ok(Number.isNaN(liftOverChance(1, 1)));
});
