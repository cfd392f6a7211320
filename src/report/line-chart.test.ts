import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { formatNumber, niceTicks, range } from "./axes.ts";
import { lineChart, smooth, thin, type Point } from "./line-chart.ts";

const line = (...values: number[]): Point[] => values.map((y, x) => ({ x, y }));

describe("niceTicks", () => {
  it("refuses an empty or infinite range", () => {
    for (const [low, high] of [
      [1, 1],
      [2, 1],
      [0, Infinity],
      [NaN, 1],
    ] as const) {
      assert.throws(() => niceTicks(low, high), RangeError);
    }
  });

  it("gives round numbers inside the range", () => {
    assert.deepEqual(niceTicks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
    assert.deepEqual(niceTicks(0.3, 7.9), [2, 4, 6]);
    assert.deepEqual(niceTicks(-1.1, 1.1, 4), [-1, -0.5, 0, 0.5, 1]);
    assert.deepEqual(niceTicks(0, 5e-4), [0, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4]);
    for (const [low, high] of [
      [3, 3.0004],
      [1e6, 7e6],
      [-5e-9, 2e-8],
    ] as const) {
      const ticks = niceTicks(low, high);
      assert.ok(ticks.length >= 2 && ticks.length <= 8, String(ticks));
      assert.ok(
        ticks.every((tick) => tick >= low && tick <= high),
        String(ticks),
      );
    }
  });
});

describe("formatNumber", () => {
  it("stays short", () => {
    const cases: [number, string][] = [
      [0, "0"],
      [0.05, "0.05"],
      [1 / 3, "0.3333"],
      [2.5, "2.5"],
      [99.96, "100"],
      [100, "100"],
      [1250, "1,250"],
      [12_000, "12k"],
      [3_240_000, "3.24M"],
      [5e-7, "5e-7"],
      [-2e12, "-2e12"],
      [NaN, "NaN"],
      [-Infinity, "-inf"],
    ];
    for (const [value, text] of cases) assert.equal(formatNumber(value), text);
  });
});

describe("smooth", () => {
  it("starts at the first value, keeps a constant, and skips what is not finite", () => {
    assertClose(
      smooth(line(3, 3, 3), 0.9).map(({ y }) => y),
      [3, 3, 3],
    );
    // Weight 1/2: (1/4 * 2 + 1/2 * 5) / (1 - 1/4) = 4.
    assertClose(
      smooth(line(2, NaN, 5), 0.5).map(({ y }) => y),
      [2, 4],
    );
    assert.deepEqual(
      smooth(line(1, 7), 0).map(({ y }) => y),
      [1, 7],
    );
  });
});

describe("thin", () => {
  it("keeps the extremes of every stretch and the gaps", () => {
    const points = line(...Array.from({ length: 1000 }, (_, i) => (i === 503 ? 99 : i % 7)));
    points[700] = { x: 700, y: NaN };
    const kept = thin(points, 100);
    assert.ok(kept.length <= 130, String(kept.length));
    assert.ok(kept.some(({ x, y }) => x === 503 && y === 99));
    assert.ok(kept.some(({ x }) => x === 700));
    assert.deepEqual(
      kept.toSorted((a, b) => a.x - b.x),
      kept,
    );
    assert.deepEqual(thin(line(1, 2), 100), line(1, 2));
  });
});

describe("range", () => {
  it("shows what must be seen, ignores rare spikes, and never is empty", () => {
    const mostly = Array.from({ length: 1000 }, (_, i) => (i === 5 ? 1e6 : 1 + (i % 10)));
    const [low, high] = range([20], mostly);
    assert.ok(low >= 0 && low <= 1 && high >= 20 && high < 25, `${low} ${high}`);
    assert.deepEqual(range([], []), [0, 1]);
    assert.deepEqual(range([NaN], [5, 5]), [4.5, 5.5]);
    assert.deepEqual(range([0], [0]), [-1, 1]);
  });
});

describe("lineChart", () => {
  const chart = (points: Point[], extra: object = {}): string =>
    lineChart({ title: "Loss", series: [{ name: "loss", points }], ...extra });

  it("refuses no series, too many, and a smoothing of 1", () => {
    assert.throws(() => lineChart({ title: "x", series: [] }), /1 to 4 series .* received 0/);
    assert.throws(() => chart(line(1, 2), { smoothing: 1 }), /\[0, 1\) for smoothing/);
  });

  it("says so when there is nothing to draw", () => {
    assert.match(chart([]), /no finite values/);
    assert.match(chart(line(NaN, Infinity)), /no finite values/);
  });

  it("draws a curve from corner to corner", () => {
    const svg = chart(line(0, 1), { width: 162, height: 148, smoothing: 0 });
    // The frame is 100 x 100 units from (48, 12); the range is [0, 1.06].
    assert.match(svg, /d="M48 112L148 17\.7"/);
    assert.match(svg, /<circle cx="148" cy="17\.7"/);
  });

  it("leaves gaps, draws single points, and escapes", () => {
    assert.match(chart(line(1, NaN, 2, 3), { smoothing: 0.5 }), /d="M[\d. ]+M[\d. ]+L[\d. ]+"/);
    assert.match(chart(line(7)), /<circle/);
    const svg = lineChart({
      title: '"><script>',
      series: [
        { name: "<a>", points: line(1, 2) },
        { name: "b", points: line(2, 1) },
      ],
      reference: { value: 1.5, label: "a & b" },
    });
    assert.doesNotMatch(svg, /<script|<a>/);
    assert.match(svg, /aria-label="&quot;&gt;&lt;script&gt;"/);
    assert.match(svg, /a &amp; b/);
  });

  it("never writes NaN, whatever the values", () => {
    const hard = [line(1e308, -1e300), line(1e-300, 2e-300), line(NaN, 5), line(-3), line(5, 5, 5)];
    for (const points of hard) assert.doesNotMatch(chart(points), /[" ,M L]NaN|Infinity/);
  });
});
