/** Lines over a few measured values, each with its interval: how a metric moves with a number. */
import {
  chartElement,
  formatNumber,
  niceTicks,
  range,
  referenceLine,
  tickMarks,
  valueAxis,
  type Plot,
  type Reference,
} from "./axes.ts";
import { px, seriesColours, svgLegend, svgLine, svgMark, svgText } from "./svg.ts";

export interface IntervalPoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

interface IntervalSeries {
  readonly name: string;
  /** In ascending order of x. */
  readonly points: readonly IntervalPoint[];
}

interface IntervalChartOptions {
  /** Read out by screen readers. */
  readonly title: string;
  /** One to eight. */
  readonly series: readonly IntervalSeries[];
  readonly xLabel: string;
  readonly yLabel: string;
  /** Equal ratios at equal distances, with a tick at every measured x. */
  readonly logX?: boolean;
  readonly reference?: Reference;
  readonly width?: number;
  readonly height?: number;
}

/**
 * Draws points with bars for their intervals, joined by lines. Series are moved a little to the side,
 * so that bars at the same x do not hide each other.
 *
 * throws  RangeError for no series or more than eight, a series without points, numbers that are not
 *         finite, or an x that has no logarithm
 */
export function intervalChart(options: IntervalChartOptions): string {
  const { title, series, xLabel, yLabel, reference, width = 640, height = 370 } = options;
  check(options);
  const legend = svgLegend(series.length > 1 ? series.map(({ name }) => name) : [], {
    left: 8,
    right: width - 16,
    top: 32,
  });
  const points = series.flatMap((one) => one.points);
  const ys = points.flatMap(({ y, low = y, high = y }) => [y, low, high]);
  const yRange = range(reference === undefined ? ys : [...ys, reference.value], []);
  const frame = makeFrame(
    { left: 56, right: width - 16, top: 56 + legend.height, bottom: height - 46 },
    { xs: points.map(({ x }) => x), yRange, log: options.logX ?? false },
  );
  const parts = [
    svgText(14, 22, title, "start", "var(--text, #1b2130)"),
    legend.svg,
    valueAxis(frame, yRange, { count: 5, gap: 8, drop: 4 }),
    xAxis(frame, points, options.logX ?? false),
    svgText((frame.left + frame.right) / 2, height - 8, xLabel, "middle"),
    svgText(14, frame.top - 12, yLabel, "start"),
    reference === undefined ? "" : referenceLine(frame, reference),
    ...series.map((one, index) => drawSeries(frame, one, index, series.length)),
  ];
  return chartElement(title, { width, height }, parts);
}

function check({ series, logX = false }: IntervalChartOptions): void {
  if (series.length < 1 || series.length > seriesColours.length) {
    throw new RangeError(
      `Expected 1 to ${seriesColours.length} series for a chart but received ${series.length}.`,
    );
  }
  for (const { name, points } of series) {
    if (points.length === 0) throw new RangeError(`Expected points for ${name} but received none.`);
    for (const { x, y, low = y, high = y } of points) {
      if ([x, y, low, high].every(Number.isFinite) && !(logX && x <= 0)) continue;
      const wanted = logX ? "finite numbers and x above 0" : "finite numbers";
      throw new RangeError(
        `Expected ${wanted} for ${name} but received ${x}: ${low}, ${y}, ${high}.`,
      );
    }
  }
}

function makeFrame(
  box: { left: number; right: number; top: number; bottom: number },
  data: { xs: readonly number[]; yRange: readonly [number, number]; log: boolean },
): Plot {
  const along = (value: number): number => (data.log ? Math.log(value) : value);
  const all = data.xs.map(along);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = high - low || 1;
  // A single x stands in the middle; the first and last keep off the frame.
  const [from, to] = high > low ? [box.left + 28, box.right - 28] : [0, box.left + box.right];
  const start = high > low ? low : low - 0.5;
  const [yLow, yHigh] = data.yRange;
  return {
    ...box,
    x: (value) => from + ((along(value) - start) / span) * (to - from),
    y: (value) => box.bottom - ((value - yLow) / (yHigh - yLow)) * (box.bottom - box.top),
  };
}

function xAxis(frame: Plot, points: readonly IntervalPoint[], log: boolean): string {
  const values = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const few = log || values.length <= 8;
  const ticks = few ? values : niceTicks(values[0] ?? 0, values.at(-1) ?? 1, 6);
  return tickMarks(frame, ticks, { drop: 18 });
}

function drawSeries(
  frame: Plot,
  { name, points }: IntervalSeries,
  index: number,
  of: number,
): string {
  const colour = seriesColours[index] ?? "";
  const aside = (index - (of - 1) / 2) * Math.min(5, 24 / of);
  const at = points.map((point) => ({ ...point, left: frame.x(point.x) + aside }));
  const path = at
    .map(({ left, y }, i) => `${i === 0 ? "M" : "L"}${px(left)} ${px(frame.y(y))}`)
    .join("");
  const line = `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round"/>`;
  const bars = at.flatMap(({ left, low, high }) =>
    low === undefined || high === undefined ? [] : [errorBar(frame, left, [low, high], colour)],
  );
  const marks = at.map(({ x, y, low, high, left }) => {
    const interval =
      low === undefined || high === undefined
        ? ""
        : ` [${formatNumber(low)}, ${formatNumber(high)}]`;
    const title = `${name}, ${formatNumber(x)}: ${formatNumber(y)}${interval}`;
    return svgMark(left, frame.y(y), index, title);
  });
  return [line, ...bars, ...marks].join("");
}

function errorBar(frame: Plot, x: number, ends: readonly [number, number], colour: string): string {
  const [low, high] = [frame.y(ends[0]), frame.y(ends[1])];
  const style = 'stroke-width="1.5" opacity="0.75"';
  return (
    svgLine([x, low], [x, high], colour, style) +
    svgLine([x - 3, low], [x + 3, low], colour, style) +
    svgLine([x - 3, high], [x + 3, high], colour, style)
  );
}
