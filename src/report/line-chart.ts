/**
 * Line charts as SVG text, without scripts. Colours come from the page (CSS variables, each with a
 * fallback), so one chart serves light and dark.
 */
import { escapeHtml } from "../files/escape-html.ts";
import { range, smooth, thin, type Point } from "./series.ts";
import { px, seriesColours, svgText as text } from "./svg.ts";
import { formatNumber, niceTicks } from "./ticks.ts";

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface LineChartOptions {
  /** Read out by screen readers. */
  readonly title: string;
  /** Up to four; more would not be told apart. */
  readonly series: readonly Series[];
  /** Default `step`. */
  readonly xLabel?: string;
  /** Weight of the moving average in [0, 1); default 0.9 from 60 points on, else 0. */
  readonly smoothing?: number;
  readonly reference?: { readonly value: number; readonly label: string };
  /** Size in units of the drawing; it scales to the width of its place. Default 420 x 240. */
  readonly width?: number;
  readonly height?: number;
}

const margin = { left: 48, right: 14, top: 12, bottom: 36 };
const colours = seriesColours.slice(0, 4);

interface Frame {
  width: number;
  height: number;
  x: (value: number) => number;
  y: (value: number) => number;
  xRange: [number, number];
  yRange: [number, number];
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
  const open =
    `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="${escapeHtml(title)}" xmlns="http://www.w3.org/2000/svg">`;
  if (lines.every(({ main }) => main.length === 0)) {
    return `${open}${text(width / 2, height / 2, "no finite values", "middle")}</svg>`;
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
  return `${open}${parts.join("")}</svg>`;
}

function smoothingFor(points: readonly Point[], given: number | undefined): number {
  const weight = given ?? (points.length >= 60 ? 0.9 : 0);
  if (weight >= 0 && weight < 1) return weight;
  throw new RangeError(`Expected a number in [0, 1) for smoothing but received ${weight}.`);
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
    x: (value) => margin.left + ((value - xRange[0]) / (xRange[1] - xRange[0])) * inner.width,
    y: (value) => margin.top + (1 - (value - yLow) / (yHigh - yLow)) * inner.height,
    xRange,
    yRange: data.y,
  };
}

function axes(frame: Frame, xLabel: string): string {
  const right = frame.width - margin.right;
  const bottom = frame.height - margin.bottom;
  const parts: string[] = [];
  for (const tick of niceTicks(...frame.yRange, 4)) {
    const y = px(frame.y(tick));
    parts.push(
      `<line x1="${margin.left}" x2="${right}" y1="${y}" y2="${y}" stroke="var(--grid, #e5e7eb)"/>`,
      text(margin.left - 6, frame.y(tick) + 3.5, formatNumber(tick), "end"),
    );
  }
  for (const tick of niceTicks(...frame.xRange, 5)) {
    const x = px(frame.x(tick));
    parts.push(
      `<line x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 4}" stroke="var(--axis, #9ca3af)"/>`,
      tickLabel(frame, frame.x(tick), formatNumber(tick)),
    );
  }
  parts.push(
    `<line x1="${margin.left}" x2="${right}" y1="${bottom}" y2="${bottom}" ` +
      `stroke="var(--axis, #9ca3af)"/>`,
    text((margin.left + right) / 2, frame.height - 4, xLabel, "middle"),
  );
  return parts.join("");
}

/** Centred under its tick, unless that would leave the drawing on the right. */
function tickLabel(frame: Frame, x: number, label: string): string {
  const y = frame.height - margin.bottom + 17;
  const half = label.length * 3.3;
  return x + half > frame.width
    ? text(frame.width - 1, y, label, "end")
    : text(x, y, label, "middle");
}

function referenceLine(frame: Frame, { value, label }: { value: number; label: string }): string {
  if (!Number.isFinite(value)) return "";
  const y = frame.y(value);
  const right = frame.width - margin.right;
  // Above the line, unless that would leave the frame.
  const labelY = y - margin.top < 12 ? y + 12 : y - 5;
  return (
    `<line x1="${margin.left}" x2="${right}" y1="${px(y)}" y2="${px(y)}" ` +
    `stroke="var(--muted, #6b7280)" stroke-dasharray="4 4"/>` +
    text(right, labelY, label, "end")
  );
}

/** A nested svg cuts off what leaves it, and needs no id that two charts could share. */
function clipped(frame: Frame, content: string): string {
  const { left, right, top, bottom } = margin;
  const width = frame.width - left - right;
  const height = frame.height - top - bottom;
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
