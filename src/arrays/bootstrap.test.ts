import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bootstrapIntervals, quantile } from "./bootstrap.ts";

const meanOf =
  (values: number[]) =>
  (weights: Uint32Array): number[] => [
    values.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0) / values.length,
  ];

describe("bootstrapIntervals", () => {
  it("refuses options out of range", () => {
    const statistic = (): number[] => [0];
    assert.throws(() => bootstrapIntervals(0, statistic), /at least one unit to resample/);
    assert.throws(() => bootstrapIntervals(3, statistic, { resamples: -1 }), RangeError);
    assert.throws(() => bootstrapIntervals(3, statistic, { seed: 0.5 }), RangeError);
    assert.throws(() => bootstrapIntervals(3, statistic, { level: 1 }), RangeError);
  });

  it("draws as many units as there are, every time", () => {
    bootstrapIntervals(13, (weights) => {
      assert.equal(
        weights.reduce((sum, weight) => sum + weight, 0),
        13,
      );
      return [0];
    });
  });

  it("is wide as theory says for a share", () => {
    // 400 of 1,000: the normal approximation gives 0.4 +- 1.96 sqrt(0.24 / 1000) = 0.4 +- 0.0304.
    const values = Array.from({ length: 1000 }, (_, i) => (i < 400 ? 1 : 0));
    const [interval] = bootstrapIntervals(1000, meanOf(values), { resamples: 4000 });
    assert.ok(interval);
    assert.ok(Math.abs(interval.low - 0.3696) < 0.004, String(interval.low));
    assert.ok(Math.abs(interval.high - 0.4304) < 0.004, String(interval.high));
  });

  it("repeats with its seed, differs with another, and narrows with its level", () => {
    const values = Array.from({ length: 50 }, (_, i) => i);
    const at = (seed: number, level = 0.95): unknown =>
      bootstrapIntervals(50, meanOf(values), { resamples: 200, seed, level });
    assert.deepEqual(at(7), at(7));
    assert.notDeepEqual(at(7), at(8));
    const [wide] = bootstrapIntervals(50, meanOf(values));
    const [narrow] = bootstrapIntervals(50, meanOf(values), { level: 0.5 });
    assert.ok(wide && narrow && narrow.low > wide.low && narrow.high < wide.high);
  });

  it("has no width when every unit is alike, and no entries without resamples", () => {
    assert.deepEqual(bootstrapIntervals(5, meanOf([1, 1, 1, 1, 1])), [{ low: 1, high: 1 }]);
    assert.deepEqual(bootstrapIntervals(5, meanOf([1, 1, 1, 1, 1]), { resamples: 0 }), []);
  });
});

describe("quantile", () => {
  it("interpolates between neighbours", () => {
    assert.deepEqual(
      [0, 0.25, 0.5, 1].map((q) => quantile([1, 2, 4], q)),
      [1, 1.5, 2, 4],
    );
    assert.equal(quantile([3], 0.9), 3);
  });
});
