import assert from "node:assert/strict";
import { test } from "node:test";

import { dotPlot } from "./dot-plot.ts";
import { intervalChart } from "./interval-chart.ts";
import { standaloneFigure } from "./svg.ts";

const frame = { title: "T", xLabel: "x", yLabel: "y" };
const point = { x: 1, y: 2, low: 1, high: 3 };

test("charts refuse what they cannot draw", () => {
  const series = [{ name: "a", points: [point] }];
  const wrong: [() => string, RegExp][] = [
    [() => intervalChart({ ...frame, series: [] }), /1 to 8 series for a chart but received 0/],
    [() => intervalChart({ ...frame, series: [{ name: "a", points: [] }] }), /points for a/],
    [
      () =>
        intervalChart({
          ...frame,
          series: [{ name: "a", points: [{ ...point, x: 0 }] }],
          logX: true,
        }),
      /x above 0 for a but received 0/,
    ],
    [
      () => intervalChart({ ...frame, series: [{ name: "a", points: [{ x: 1, y: NaN }] }] }),
      /finite numbers for a/,
    ],
    [() => dotPlot({ ...frame, rows: [] }), /Expected rows/],
    [() => dotPlot({ ...frame, rows: [{ label: "r", marks: [] }] }), /numbers for r .* none/],
    [() => standaloneFigure("<p>"), /one svg element|svg element/],
  ];
  for (const [draw, message] of wrong) assert.throws(draw, { message });
  assert.ok(intervalChart({ ...frame, series }).startsWith("<svg"));
});

test("on a logarithmic axis equal ratios are equal distances", () => {
  const points = [32, 64, 128].map((x) => ({ x, y: x }));
  const svg = intervalChart({ ...frame, series: [{ name: "a", points }], logX: true });
  const [a = 0, b = 0, c = 0] = [...svg.matchAll(/<circle cx="([\d.]+)"/g)].map((m) =>
    Number(m[1]),
  );
  assert.ok(Math.abs(b - a - (c - b)) < 0.2 && b > a);
});

test("one point, equal values and long names are drawn without NaN or Infinity", () => {
  const flat = [1, 2].map((x) => ({ x, y: 0, low: 0, high: 0 }));
  const charts = [
    intervalChart({ ...frame, series: [{ name: "a", points: [point] }] }),
    intervalChart({
      ...frame,
      series: Array.from({ length: 8 }, (_, i) => ({ name: `a long name ${i}`, points: flat })),
    }),
    dotPlot({
      ...frame,
      rows: [
        {
          label: "a label <of> some length, longer than it should be, and longer",
          marks: [{ series: "", value: 0 }],
        },
      ],
      reference: { value: 0, label: "chance" },
    }),
  ];
  for (const svg of charts) {
    assert.ok(!/NaN|Infinity|undefined/.test(svg), svg);
    assert.equal(standaloneFigure(svg).match(/<svg/g)?.length, 1);
  }
});
