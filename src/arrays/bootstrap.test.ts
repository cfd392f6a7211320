import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { bootstrapIntervals, pairedBootstrap, quantile } from "./bootstrap.ts";
import { createRandom } from "./random.ts";

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

describe("clusters", () => {
  const weightedMean =
    (values: ArrayLike<number>) =>
    (weights: Uint32Array): number[] => {
      let [sum, total] = [0, 0];
      for (let i = 0; i < weights.length; i++) {
        sum += weights[i]! * values[i]!;
        total += weights[i]!;
      }
      return [sum / total];
    };

  it("are one for each unit", () => {
    assert.throws(() => bootstrapIntervals(3, () => [0], { clusters: [1, 2] }), {
      name: "ShapeError",
      message: /Expected 3 clusters, one for each unit, but received 2/,
    });
  });

  it("are drawn whole, as many as there are, whatever their numbers", () => {
    const clusters = [7, -1, 7, 3.5, -1, 7];
    bootstrapIntervals(
      6,
      (weights) => {
        const [a, b, c, d, e, f] = weights;
        assert.deepEqual([a, a, b], [c, f, e]);
        assert.equal(a! + b! + d!, 3);
        return [0];
      },
      { clusters },
    );
  });

  it("of one unit each change no bit", () => {
    const random = createRandom(1);
    const values = Float64Array.from({ length: 40 }, () => random.next());
    const plain = bootstrapIntervals(40, weightedMean(values));
    const clusters = Array.from(values, (_, i) => 1000 - i);
    assert.deepEqual(bootstrapIntervals(40, weightedMean(values), { clusters }), plain);
  });

  it("of equal units widen the interval as if there were no more than clusters", () => {
    // 100 sources of 25 equal units: the error is that of 100 numbers, sd/10, five times that of 2,500.
    const random = createRandom(2);
    const sources = Float64Array.from({ length: 100 }, () => random.next());
    const clusters = Array.from({ length: 2500 }, (_, i) => i % 100);
    const values = clusters.map((cluster) => sources[cluster]!);
    const width = (options = {}): number => {
      const [interval] = bootstrapIntervals(2500, weightedMean(values), options);
      return interval!.high - interval!.low;
    };
    const expected = 2 * 1.96 * Math.sqrt(1 / 12 / 100);
    assert.ok(Math.abs(width({ clusters }) / expected - 1) < 0.15, String(width({ clusters })));
    assert.ok(Math.abs(width() / (expected / 5) - 1) < 0.15, String(width()));
  });
});

describe("pairedBootstrap", () => {
  const hits = (...right: [from: number, count: number][]): number[] =>
    Array.from({ length: 1000 }, (_, i) =>
      right.some(([from, count]) => i >= from && i < from + count) ? 1 : 0,
    );

  it("is as sharp as the items that differ, and its p is that of the normal approximation", () => {
    // 60 items only the first has right, 20 only the second: variance (b + c - (b - c)^2 / n) / n^2.
    const first = meanOf(hits([0, 560]));
    const second = meanOf(hits([60, 500], [900, 20]));
    const [found] = pairedBootstrap(1000, first, second, { resamples: 4000 });
    const error = Math.sqrt(80 - 1600 / 1000) / 1000;
    assert.ok(found?.interval && found.standardError !== undefined && found.p !== undefined);
    assertClose([found.difference], [0.04], { rtol: 1e-12 });
    assertClose([found.standardError], [error], { rtol: 0.04 });
    assertClose(
      [found.interval.low, found.interval.high],
      [0.04 - 1.96 * error, 0.04 + 1.96 * error],
      {
        atol: 0.0012,
      },
    );
    // z = 4.514: p = 6.4e-6
    assert.ok(found.p > 1e-6 && found.p < 3e-5, String(found.p));
  });

  it("finds nothing between equals, and turns its sign with the order", () => {
    const one = meanOf(hits([0, 300]));
    const other = meanOf(hits([200, 400]));
    assert.deepEqual(pairedBootstrap(1000, one, one, { resamples: 50 }), [
      { difference: 0, interval: { low: 0, high: 0 }, standardError: 0, p: 1 },
    ]);
    const [there] = pairedBootstrap(1000, one, other);
    const [back] = pairedBootstrap(1000, other, one);
    assertClose(
      [there!.difference, there!.interval!.low],
      [-back!.difference, -back!.interval!.high],
    );
    assert.equal(there!.p, back!.p);
  });

  it("claims no more than its units can show, and nothing of what is undefined", () => {
    const all = meanOf([1, 1, 1, 1]);
    const none = meanOf([0, 0, 0, 0]);
    const [four] = pairedBootstrap(4, all, none);
    assert.deepEqual([four!.difference, four!.standardError, four!.p], [1, 0, 1 / 8]);
    const [two] = pairedBootstrap(4, all, none, { clusters: [0, 1, 0, 1] });
    assert.equal(two!.p, 1 / 2);
    const [unknown] = pairedBootstrap(4, () => [NaN], none);
    assert.deepEqual([unknown!.standardError, unknown!.p], [undefined, undefined]);
  });

  it("gives the difference alone without resamples, and refuses unequal lists", () => {
    const one = meanOf(hits([0, 300]));
    assert.deepEqual(
      pairedBootstrap(1000, one, () => [0], { resamples: 0 }),
      [{ difference: 0.3 }],
    );
    assert.throws(() => pairedBootstrap(1000, one, () => [0, 1]), /as many metrics of both/);
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
