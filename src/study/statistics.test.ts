import assert from "node:assert/strict";
import { test } from "node:test";

import { createRandom } from "../arrays/random.ts";
import { meanOfItems, restoreItems, storeItems, type Items } from "./result-file.ts";
import { difference, estimate, type SeedValue } from "./statistics.ts";

const near = (found: number | undefined, wanted: number, by: number): void =>
  assert.ok(Math.abs((found ?? NaN) - wanted) <= by, `${found} is not ${wanted} +- ${by}`);

const plain = (...values: number[]): SeedValue[] => values.map((value, seed) => ({ seed, value }));

/** `right` of `count` items answered, from `from` on. */
function answers(count: number, right: number, from = 0): Items {
  return { sums: Uint8Array.from({ length: count }, (_, i) => +(i >= from && i < from + right)) };
}

function seeds(...items: Items[]): SeedValue[] {
  return items.map((one, seed) => ({
    seed,
    value: meanOfItems(one),
    items: one,
  }));
}

test("no seed is refused; one seed without items has no interval", () => {
  assert.throws(() => estimate([]), RangeError);
  assert.deepEqual(estimate(plain(0.5)), {
    mean: 0.5,
    values: [0.5],
    seeds: [0],
    overItems: false,
  });
  assert.equal(difference(plain(1), [{ seed: 7, value: 1 }]), undefined);
});

test("two and three seeds: the interval is the range, as every extreme draw is likely enough", () => {
  // Of 2 seeds a quarter of the draws is one of them twice; of 3, one in 27 is one thrice: above 2.5 %.
  assert.deepEqual(estimate(plain(0.2, 0.4)).interval, { low: 0.2, high: 0.4 });
  const three = estimate(plain(1, 2, 6));
  assert.equal(three.mean, 3);
  assert.deepEqual(three.interval, { low: 1, high: 6 });
});

test("beside the bootstrap stands Student's interval, over seeds alone", () => {
  // sd of 1, 2, 6 is sqrt 7; t(0.975, 2) = 4.302653
  const half = 4.302653 * Math.sqrt(7 / 3);
  const found = estimate(plain(1, 2, 6)).tInterval;
  near(found?.low, 3 - half, 1e-5);
  near(found?.high, 3 + half, 1e-5);
  const change = difference(plain(2, 4, 9), plain(1, 2, 3));
  near(change?.tInterval?.low, 3 - half, 1e-5);
  near(
    estimate(plain(1, 2, 6), { level: 0.8 }).tInterval?.high,
    3 + 1.885618 * Math.sqrt(7 / 3),
    1e-5,
  );
  const items = seeds(answers(40, 20), answers(40, 30));
  const bare = items.map(({ seed, value }) => ({ seed, value }));
  assert.deepEqual(estimate(items).tInterval, estimate(bare).tInterval);
  assert.equal(estimate(seeds(answers(40, 20))).tInterval, undefined);
});

test("items of one seed give the binomial interval", () => {
  const found = estimate(seeds(answers(400, 200)));
  const half = 1.96 * Math.sqrt(0.25 / 400);
  assert.equal(found.mean, 0.5);
  assert.equal(found.overItems, true);
  near(found.interval?.low, 0.5 - half, 0.006);
  near(found.interval?.high, 0.5 + half, 0.006);
});

test("seeds and items are crossed: their variances add", () => {
  // Seeds at 0.2 .. 0.8 on disjoint halves; items alone would give +- 0.05, seeds alone much more.
  const many = seeds(...[80, 160, 240, 320].map((right) => answers(400, right)));
  const found = estimate(many);
  near(found.mean, 0.5, 1e-12);
  const overSeeds = estimate(many.map(({ seed, value }) => ({ seed, value })));
  const width = (one: typeof found): number => (one.interval?.high ?? 0) - (one.interval?.low ?? 0);
  assert.ok(width(found) >= width(overSeeds) - 0.02);
  assert.ok(width(found) > 0.2);
});

test("a paired difference is as sharp as the items that differ", () => {
  const first = seeds(...[0, 1, 2].map(() => answers(400, 240)));
  const second = seeds(...[0, 1, 2].map(() => answers(400, 200)));
  const found = difference(first, second);
  const half = 1.96 * Math.sqrt((0.1 * 0.9) / 400);
  near(found?.mean, 0.1, 1e-12);
  near(found?.interval?.low, 0.1 - half, 0.005);
  near(found?.interval?.high, 0.1 + half, 0.005);
  assert.equal(found?.sign, 1);
  assert.equal(difference(second, first)?.sign, -1);
  assert.equal(difference(first, first)?.sign, 0);
});

test("items that are not the same are left out; other seeds too", () => {
  const first = seeds(answers(40, 20), answers(40, 30));
  const second = seeds(answers(41, 20), answers(41, 21));
  assert.equal(difference(first, second)?.overItems, false);
  const third = [...first, { seed: 5, value: 1 }];
  assert.deepEqual(difference(third, first)?.seeds, [0, 1]);
  assert.equal(estimate(third).overItems, false);
});

test("several scores of one item count together", () => {
  const items: Items = { sums: Uint8Array.of(2, 0), counts: Uint8Array.of(2, 1) };
  const found = estimate([{ seed: 0, value: 2 / 3, items }]);
  // Draws of two units: both the first (1), one of each (2/3), both the second (0).
  assert.deepEqual(found.interval, { low: 0, high: 1 });
  assert.equal(found.mean, 2 / 3);
});

test("an interval covers the truth about as often as it says", () => {
  const random = createRandom("coverage");
  let covered = 0;
  for (let trial = 0; trial < 200; trial++) {
    const sums = Uint8Array.from({ length: 100 }, () => +(random.next() < 0.3));
    const { interval } = estimate(seeds({ sums }), { resamples: 300 });
    if (interval && interval.low <= 0.3 && 0.3 <= interval.high) covered++;
  }
  near(covered / 200, 0.94, 0.05);
});

test("items come back from a file as they were", () => {
  const cases: Items[] = [
    { sums: Uint8Array.of(1, 0, 0, 1, 1, 0, 1, 0, 1) },
    { sums: Uint8Array.of(2, 0, 3), counts: Uint8Array.of(2, 1, 4) },
    { sums: Float32Array.of(0.25, -1.5) },
    { sums: new Uint8Array(0) },
  ];
  for (const items of cases) {
    const stored = JSON.parse(JSON.stringify(storeItems(items))) as ReturnType<typeof storeItems>;
    assert.deepEqual(restoreItems(stored), items);
  }
  assert.equal(storeItems(cases[0] as Items).bits?.length, 4);
  assert.throws(() => restoreItems({ length: 3, bits: "AAAA" }), TypeError);
});
