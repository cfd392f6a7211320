import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "./random.ts";
import { StreamHistogram, StreamSummary, type Summary } from "./stream-summary.ts";

function bySorting(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const quantile = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1]!;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { min: sorted[0]!, median: quantile(0.5), mean, p95: quantile(0.95), max: sorted.at(-1)! };
}

function summarize(values: readonly number[]): Summary {
  const summary = new StreamSummary();
  for (const value of values) summary.add(value);
  assert.equal(summary.count, values.length);
  return summary.get();
}

test("StreamSummary equals sorting, of one value, of few different ones, of fractions", () => {
  const random = createRandom(1);
  assert.deepEqual(summarize([]), { min: 0, median: 0, mean: 0, p95: 0, max: 0 });
  const lists = [
    [0],
    [3, 1],
    Array.from({ length: 1001 }, () => random.integer(40)),
    Array.from({ length: 5000 }, () => 1 + random.next()),
  ];
  for (const list of lists) assert.deepEqual(summarize(list), bySorting(list));
});

test("beyond 65,536 different values StreamSummary's quantiles are right to 1 / 4,096", () => {
  const random = createRandom(2);
  const sizes = Array.from({ length: 100_000 }, (_, i) => i + random.integer(3_000_000));
  const [found, expected] = [summarize(sizes), bySorting(sizes)];
  assert.deepEqual([found.min, found.max, found.mean], [expected.min, expected.max, expected.mean]);
  for (const name of ["median", "p95"] as const) {
    assert.ok(found[name] <= expected[name]);
    assert.ok(found[name] > expected[name] * (1 - 1 / 4096), `${found[name]} ${expected[name]}`);
  }
  // Small whole numbers stay exact, whatever else is in the list.
  const small = [...sizes, ...Array.from({ length: 150_000 }, () => 8000 + random.integer(150))];
  assert.equal(summarize(small).median, bySorting(small).median);
});

test("StreamHistogram counts in bins that double", () => {
  const histogram = new StreamHistogram();
  for (const value of [0, 0.5, 1, 1.9, 2, 3, 8, 1023, 1024]) histogram.add(value);
  assert.deepEqual(histogram.get(), [
    { from: 0, to: 1, count: 2 },
    { from: 1, to: 2, count: 2 },
    { from: 2, to: 4, count: 2 },
    { from: 8, to: 16, count: 1 },
    { from: 512, to: 1024, count: 1 },
    { from: 1024, to: 2048, count: 1 },
  ]);
});
