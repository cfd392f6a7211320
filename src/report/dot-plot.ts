/** Dots with intervals, one row per category: which arms differ can be seen without reading. */
import { chartElement, formatNumber, niceTicks, range, type Plot, type Reference } from "./axes.ts";
import { seriesColours, svgLegend, svgLine, svgMark, svgText, textWidth } from "./svg.ts";

interface DotMark {
  /** Marks of one series share colour and shape; "" where there is only one. */
  readonly series: string;
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

export interface DotRow {
  readonly label: string;
  readonly marks: readonly DotMark[];
}

interface DotPlotOptions {
  /** Read out by screen readers. */
  readonly title: string;
  readonly rows: readonly DotRow[];
  readonly xLabel: string;
  readonly reference?: Reference;
  readonly width?: number;
}

/** Space between marks of one row, and between rows. */
const step = 15;
const gap = 12;

type Frame = Omit<Plot, "y">;

/**
 * Draws a row for each category, with a dot and a bar for each of its series. As high as its rows.
 *
 * throws  RangeError for no rows, a row without marks, more than eight series, or numbers that are
 *         not finite
 */
export function dotPlot(options: DotPlotOptions): string {
  const { title, rows, xLabel, reference, width = 640 } = options;
  const names = [...new Set(rows.flatMap(({ marks }) => marks.map(({ series }) => series)))];
  check(rows, names);
  const longest = Math.max(...rows.map(({ label }) => textWidth(label)));
  const left = Math.min(20 + longest, width * 0.45);
  const legend = svgLegend(names.length > 1 ? names : [], { left: 8, right: width - 16, top: 32 });
  const top = (reference === undefined ? 40 : 54) + legend.height;
  const places = placesOf(rows, top);
  const bottom = places.at(-1)?.bottom ?? top;
  const height = bottom + 46;
  const values = rows.flatMap(({ marks }) =>
    marks.flatMap(({ value, low = value, high = value }) => [value, low, high]),
  );
  const xRange = range(reference === undefined ? values : [...values, reference.value], []);
  const [low, high] = xRange;
  const right = width - 16;
  const x = (value: number): number => left + ((value - low) / (high - low)) * (right - left);
  const frame: Frame = { left, right, top, bottom, x };
  const parts = [
    svgText(14, 22, title, "start", "var(--text, #1b2130)"),
    legend.svg,
    axis(frame, xRange),
    svgText((left + right) / 2, height - 8, xLabel, "middle"),
    reference === undefined ? "" : referenceLine(frame, reference),
    ...rows.map((row, index) => drawRow(frame, row, places[index] ?? { top, bottom }, names)),
  ];
  return chartElement(title, { width, height }, parts);
}

function check(rows: readonly DotRow[], names: readonly string[]): void {
  if (rows.length === 0) throw new RangeError("Expected rows for a dot plot but received none.");
  if (names.length > seriesColours.length) {
    throw new RangeError(
      `Expected at most ${seriesColours.length} series for a dot plot but received ${names.length}.`,
    );
  }
  for (const { label, marks } of rows) {
    const numbers = marks.flatMap(({ value, low = value, high = value }) => [value, low, high]);
    if (marks.length > 0 && numbers.every(Number.isFinite)) continue;
    throw new RangeError(
      `Expected finite numbers for ${label} but received ${numbers.join(", ") || "none"}.`,
    );
  }
}

interface Place {
  top: number;
  bottom: number;
}

function placesOf(rows: readonly DotRow[], top: number): Place[] {
  let at = top;
  return rows.map(({ marks }) => {
    const place = { top: at, bottom: at + gap + marks.length * step };
    at = place.bottom;
    return place;
  });
}

function axis(frame: Frame, xRange: readonly [number, number]): string {
  const { left, right, top, bottom, x } = frame;
  const ticks = niceTicks(...xRange, 6).map(
    (tick) =>
      svgLine([x(tick), top], [x(tick), bottom], "var(--grid, #e5e7eb)") +
      svgText(x(tick), bottom + 18, formatNumber(tick), "middle"),
  );
  return ticks.join("") + svgLine([left, bottom], [right, bottom], "var(--axis, #9ca3af)");
}

function referenceLine(frame: Frame, { value, label }: Reference): string {
  const x = frame.x(value);
  const dashes = 'stroke-dasharray="4 4"';
  // On the side where there is room.
  const before = x + textWidth(label) + 8 > frame.right;
  return (
    svgLine([x, frame.top], [x, frame.bottom], "var(--muted, #6b7280)", dashes) +
    svgText(before ? x - 5 : x + 5, frame.top - 2, label, before ? "end" : "start")
  );
}

function drawRow(
  frame: Frame,
  { label, marks }: DotRow,
  { top, bottom }: Place,
  names: readonly string[],
): string {
  const name = svgText(
    frame.left - 10,
    (top + bottom) / 2 + 4,
    label,
    "end",
    "var(--text, #1b2130)",
  );
  const drawn = marks.map((mark, index) => {
    const y = top + (gap + step) / 2 + index * step;
    const series = Math.max(0, names.indexOf(mark.series));
    const colour = seriesColours[series] ?? "";
    const { value, low, high } = mark;
    const known = low !== undefined && high !== undefined;
    const interval = known ? ` [${formatNumber(low)}, ${formatNumber(high)}]` : "";
    const title = `${label}${mark.series === "" ? "" : `, ${mark.series}`}: ${formatNumber(value)}${interval}`;
    const bar = known
      ? svgLine([frame.x(low), y], [frame.x(high), y], colour, 'stroke-width="2" opacity="0.75"')
      : "";
    return bar + svgMark(frame.x(value), y, series, title);
  });
  return name + drawn.join("");
}
