/**
 * Line charts as SVG text, without scripts. Colours come from the page (CSS variables, each with a
 * fallback), so one chart serves light and dark.
 */
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
import { escapeHtml } from "../files/escape-html.ts";
import { px, seriesColours, svgText as text } from "./svg.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

interface LineChartOptions {
  /** Read out by screen readers. */
  readonly title: string;
  /** Up to four; more would not be told apart. */
  readonly series: readonly Series[];
  /** Default `step`. */
  readonly xLabel?: string;
  /** Weight of the moving average in [0, 1); default 0.9 from 60 points on, else 0. */
  readonly smoothing?: number;
  readonly reference?: Reference;
  /** Size in units of the drawing; it scales to the width of its place. Default 420 x 240. */
  readonly width?: number;
  readonly height?: number;
}

const margin = { left: 48, right: 14, top: 12, bottom: 36 };
const colours = seriesColours.slice(0, 4);

interface Frame extends Plot {
  readonly width: number;
  readonly height: number;
  readonly xRange: readonly [number, number];
  readonly yRange: readonly [number, number];
}

/**
 * Draws series over a common axis: what was measured in faint, its moving average in full colour,
 * the last value as a dot. Spikes beyond the shown range are cut off at the frame; values that are
 * not finite leave gaps. Without a single finite point the chart says so.
 *
 * throws  RangeError for no series or more than four, or a smoothing outside [0, 1)
 */
export function lineChart(options: LineChartOptions): string {
  const { title, series, reference, width = 420, height = 240 } = options;
  if (series.length < 1 || series.length > colours.length) {
    throw new RangeError(`Expected 1 to 4 series for a chart but received ${series.length}.`);
  }
  const lines = series.map(({ name, points }, i) => ({
    name,
    colour: colours[i] ?? "",
    raw: points,
    main: smooth(points, smoothingFor(points, options.smoothing)),
  }));
  const size = { width, height };
  if (lines.every(({ main }) => main.length === 0)) {
    return chartElement(title, size, [text(width / 2, height / 2, "no finite values", "middle")]);
  }
  // Both ends of a curve are always in view; a spike between them may leave the frame.
  const ends = lines.flatMap(({ main }) => [main[0], main.at(-1)].map((point) => point?.y ?? NaN));
  const frame = makeFrame(width, height, {
    x: lines.flatMap(({ main }) => main.map(({ x }) => x)),
    y: range(
      reference === undefined ? ends : [...ends, reference.value],
      lines.flatMap(({ raw }) => raw.map(({ y }) => y)),
    ),
  });
  const parts = [
    axes(frame, options.xLabel ?? "step"),
    reference === undefined ? "" : referenceLine(frame, reference),
    clipped(frame, lines.map((line) => drawLine(frame, line)).join("")),
    ...lines.map(({ main, colour }) => endDot(frame, main, colour)),
    lines.length > 1 ? legend(lines) : "",
    hoverBands(frame, lines),
  ];
  return chartElement(title, size, parts);
}

function smoothingFor(points: readonly Point[], given: number | undefined): number {
  const weight = given ?? (points.length >= 60 ? 0.9 : 0);
  if (weight >= 0 && weight < 1) return weight;
  throw new RangeError(`Expected a number in [0, 1) for smoothing but received ${weight}.`);
}

/**
 * Exponential moving average over points, corrected for its start as Adam's moments are; points
 * that are not finite are skipped.
 *
 *     m <- b m + (1 - b) y,   smoothed = m / (1 - b^n)
 */
export function smooth(points: readonly Point[], weight: number): Point[] {
  let average = 0;
  let correction = 1;
  return points
    .filter(({ y }) => Number.isFinite(y))
    .map(({ x, y }) => {
      average = weight * average + (1 - weight) * y;
      correction *= weight;
      return { x, y: average / (1 - correction) };
    });
}

/**
 * At most about `limit` points that look the same: of every stretch the lowest and the highest
 * remain, so no spike is lost. Points that are not finite remain as gaps.
 */
export function thin(points: readonly Point[], limit: number): Point[] {
  if (points.length <= limit) return [...points];
  const stretch = Math.ceil((points.length * 2) / limit);
  const kept: Point[] = [];
  for (let start = 0; start < points.length; start += stretch) {
    const part = points.slice(start, start + stretch);
    const gap = part.find(({ y }) => !Number.isFinite(y));
    const finite = part.filter(({ y }) => Number.isFinite(y));
    const low = finite.reduce<Point | undefined>((a, b) => (a && a.y <= b.y ? a : b), undefined);
    const high = finite.reduce<Point | undefined>((a, b) => (a && a.y >= b.y ? a : b), undefined);
    const unique = new Set([low, high, gap].filter((point) => point !== undefined));
    kept.push(...[...unique].sort((a, b) => a.x - b.x));
  }
  return kept;
}

function makeFrame(
  width: number,
  height: number,
  data: { x: number[]; y: [number, number] },
): Frame {
  let [first, last] = [Infinity, -Infinity];
  for (const x of data.x) [first, last] = [Math.min(first, x), Math.max(last, x)];
  const xRange: [number, number] = first < last ? [first, last] : [first - 1, last + 1];
  const inner = {
    width: width - margin.left - margin.right,
    height: height - margin.top - margin.bottom,
  };
  const [yLow, yHigh] = data.y;
  return {
    width,
    height,
    left: margin.left,
    right: width - margin.right,
    top: margin.top,
    bottom: height - margin.bottom,
    x: (value) => margin.left + ((value - xRange[0]) / (xRange[1] - xRange[0])) * inner.width,
    y: (value) => margin.top + (1 - (value - yLow) / (yHigh - yLow)) * inner.height,
    xRange,
    yRange: data.y,
  };
}

function axes(frame: Frame, xLabel: string): string {
  const { left, right, width, height } = frame;
  return (
    valueAxis(frame, frame.yRange, { count: 4, gap: 6, drop: 3.5 }) +
    tickMarks(frame, niceTicks(...frame.xRange, 5), { drop: 17, width }) +
    text((left + right) / 2, height - 4, xLabel, "middle")
  );
}

/** A nested svg cuts off what leaves it, and needs no id that two charts could share. */
function clipped({ left, right, top, bottom }: Frame, content: string): string {
  const [width, height] = [right - left, bottom - top];
  const box = `x="${left}" y="${top}" width="${width}" height="${height}"`;
  return `<svg ${box} viewBox="${left} ${top} ${width} ${height}" overflow="hidden">${content}</svg>`;
}

interface Line {
  name: string;
  colour: string;
  /** As measured. */
  raw: readonly Point[];
  /** Smoothed. */
  main: readonly Point[];
}

function drawLine(frame: Frame, { raw, main, colour }: Line): string {
  const smoothed = raw.some((point, i) => main[i]?.y !== point.y);
  const under = smoothed ? path(frame, raw, colour, 'stroke-width="1" opacity="0.28"') : "";
  return under + path(frame, main, colour, 'stroke-width="2"');
}

function path(frame: Frame, points: readonly Point[], colour: string, style: string): string {
  let pen = "M";
  let commands = "";
  for (const { x, y } of thin(points, 480)) {
    if (!Number.isFinite(y)) {
      pen = "M";
      continue;
    }
    commands += `${pen}${px(frame.x(x))} ${px(frame.y(y))}`;
    pen = "L";
  }
  if (commands === "") return "";
  return `<path d="${commands}" fill="none" stroke="${colour}" stroke-linejoin="round" ${style}/>`;
}

function endDot(frame: Frame, main: readonly Point[], colour: string): string {
  const last = main.at(-1);
  if (last === undefined) return "";
  return `<circle cx="${px(frame.x(last.x))}" cy="${px(frame.y(last.y))}" r="3.5" fill="${colour}"/>`;
}

function legend(lines: readonly Line[]): string {
  let x = margin.left + 10;
  return lines
    .map(({ name, colour }) => {
      const swatch = `<rect x="${x}" y="${margin.top + 2}" width="10" height="3" fill="${colour}"/>`;
      const label = text(x + 14, margin.top + 7, name, "start");
      x += 30 + name.length * 6.5;
      return swatch + label;
    })
    .join("");
}

/** Invisible bands whose titles browsers show on hover: values to read, without a script. */
function hoverBands(frame: Frame, lines: readonly Line[]): string {
  const longest = lines.reduce((a, b) => (b.main.length > a.main.length ? b : a)).main;
  const count = Math.min(60, longest.length);
  if (count < 2) return "";
  const width = (frame.width - margin.left - margin.right) / (count - 1);
  const height = frame.height - margin.top - margin.bottom;
  const bands: string[] = [];
  for (let i = 0; i < count; i++) {
    const point = longest[Math.round((i * (longest.length - 1)) / (count - 1))];
    if (point === undefined) continue;
    const values = lines.map((line) => {
      const value = valueAt(line.main, point.x);
      return lines.length > 1 ? `${line.name} ${formatNumber(value)}` : formatNumber(value);
    });
    const x = px(frame.x(point.x) - width / 2);
    bands.push(
      `<rect x="${x}" y="${margin.top}" width="${px(width)}" height="${height}" fill="transparent">` +
        `<title>${escapeHtml(`${formatNumber(point.x)}: ${values.join(", ")}`)}</title></rect>`,
    );
  }
  return bands.join("");
}

/** The value of the last point at or before `x`. */
function valueAt(points: readonly Point[], x: number): number {
  return points.findLast((point) => point.x <= x)?.y ?? NaN;
}
