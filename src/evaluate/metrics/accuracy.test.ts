/** Against CLIP_benchmark, scikit-learn and WILDS; test/goldens/generate/metrics.py makes the file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../../test/support/close.ts";
import { metricsGolden } from "../../../test/support/metrics-golden.ts";
import { groupMeans, hitsWithin, macroF1, meanPerClass, topK, worstGroup } from "./accuracy.ts";
import { meanOf, together } from "./weighted.ts";

const { accuracy: golden } = metricsGolden();
const { ranks, labels, predictions, groups, weights, classes, regions } = golden;
const hits = hitsWithin(ranks, 1);
const near = { rtol: 1e-6, atol: 0 };

test("what does not fit is refused, with its place", () => {
  assert.throws(() => topK([1, 0], 1), /ranks from 1 on but item 1 has 0/);
  assert.throws(() => topK([1], 0.5), /whole number of 1 or more for k but received 0.5/);
  assert.throws(() => topK([], 1), /at least one item for a mean but received none/);
  assert.throws(() => meanPerClass([1, 0], [0], 2), {
    name: "ShapeError",
    message: /Expected 2 groups, one for each item, but received 1/,
  });
  assert.throws(() => meanPerClass([1, 0], [0, 2], 2), /from 0 to 1 for groups but item 1 has 2/);
  assert.throws(() => macroF1([0, 1], [0, 1.5], 2), /for predictions but item 1 has 1.5/);
  assert.throws(() => topK([1, 2], 1)([1]), /Expected 2 weights, one for each item/);
  assert.throws(
    () => worstGroup([1, 0], [1, 1], { names: ["a", "Other"], ignored: ["Other"] }),
    /items in a group that is not ignored but received only Other/,
  );
});

for (const [name, drawn] of [
  ["of all items", undefined],
  ["of drawn items", weights],
] as const) {
  const expected = drawn === undefined ? golden.once : golden.drawn;

  test(`top-k, mean per class and macro F1 ${name} are the references'`, () => {
    const metrics = together([
      topK(ranks, 1),
      topK(ranks, 5),
      meanPerClass(hits, labels, classes),
      macroF1(labels, predictions, classes),
    ]);
    const { top1, top5, meanPerClass: perClass, macroF1: f1 } = expected;
    assertClose(metrics(drawn), [top1, top5, perClass, f1], near);
  });

  test(`groups ${name} are WILDS', the worst without Other and the empty one`, () => {
    for (const [k, found] of [
      [1, expected.groups],
      [5, expected.groupsTop5],
    ] as const) {
      const means = groupMeans(hitsWithin(ranks, k), groups, regions.length)(drawn);
      assertClose(
        means,
        found.map((one) => one ?? NaN),
        near,
      );
    }
    const worst = worstGroup(hits, groups, { names: regions, ignored: ["Other"] });
    assertClose([worst(drawn)], [expected.worst], near);
    assert.ok(worstGroup(hits, groups, { names: regions })(drawn) < expected.worst);
  });
}

test("weights are how often an item occurs", () => {
  const repeated = weights.flatMap((weight, item) => new Array<number>(weight).fill(item));
  const f1 = macroF1(
    repeated.map((item) => labels[item]!),
    repeated.map((item) => predictions[item]!),
    classes,
  );
  assertClose([macroF1(labels, predictions, classes)(weights)], [f1()], { rtol: 1e-12 });
});

test("a resample without items has no mean, and one without a group no worst one", () => {
  assert.throws(() => meanOf([1, NaN]), /finite numbers for a mean but entry 1 is NaN/);
  assert.ok(Number.isNaN(meanOf([1, 3])([0, 0])));
  const worst = worstGroup([1, 0, 0], [0, 1, 2], {
    names: ["a", "b", "Other"],
    ignored: ["Other"],
  });
  assert.equal(worst([1, 0, 5]), 1);
  assert.ok(Number.isNaN(worst([0, 0, 5])));
});
