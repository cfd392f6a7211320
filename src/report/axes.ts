/** What charts share: ranges and round numbers for axes, numbers in few characters, lines of a plot. */
import { quantile } from "../arrays/bootstrap.ts";
import { escapeHtml } from "../files/escape-html.ts";
import { svgLine, svgText } from "./svg.ts";

/** The inside of a chart, in units of the drawing, and where numbers are in it. */
export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

/** A value to compare with, drawn as a dashed line. */
export interface Reference {
  readonly value: number;
  readonly label: string;
}

/** The svg element of a chart. `title` is read out by screen readers. */
export function chartElement(
  title: string,
  { width, height }: { width: number; height: number },
  parts: readonly string[],
): string {
  return (
    `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="${escapeHtml(title)}" xmlns="http://www.w3.org/2000/svg">${parts.join("")}</svg>`
  );
}

/** A horizontal line with its number for about `count` values, and the axis below them. */
export function valueAxis(
  { left, right, bottom, y }: Plot,
  [low, high]: readonly [number, number],
  { count, gap, drop }: { count: number; gap: number; drop: number },
): string {
  const lines = niceTicks(low, high, count).map((tick) => {
    const line = svgLine([left, y(tick)], [right, y(tick)], "var(--grid, #e5e7eb)");
    return line + svgText(left - gap, y(tick) + drop, formatNumber(tick), "end");
  });
  return lines.join("") + svgLine([left, bottom], [right, bottom], "var(--axis, #9ca3af)");
}

/** A mark below the axis at each of `ticks`, with its number; the last stays left of `width`. */
export function tickMarks(
  { bottom, x }: Pick<Plot, "bottom" | "x">,
  ticks: readonly number[],
  { drop, width }: { drop: number; width?: number },
): string {
  return ticks
    .map((tick) => {
      const label = formatNumber(tick);
      const mark = svgLine([x(tick), bottom], [x(tick), bottom + 4], "var(--axis, #9ca3af)");
      const over = width !== undefined && x(tick) + label.length * 3.3 > width;
      return over
        ? mark + svgText(width - 1, bottom + drop, label, "end")
        : mark + svgText(x(tick), bottom + drop, label, "middle");
    })
    .join("");
}

/** A dashed line across the plot with its label above, or below where there is no room. */
export function referenceLine({ left, right, top, y }: Plot, { value, label }: Reference): string {
  if (!Number.isFinite(value)) return "";
  const at = y(value);
  return (
    svgLine([left, at], [right, at], "var(--muted, #6b7280)", 'stroke-dasharray="4 4"') +
    svgText(right, at - top < 12 ? at + 12 : at - 5, label, "end")
  );
}

/**
 * The range of an axis: all of `always`, and of `mostly` all but the outermost percent at
 * each end, so that one spike does not flatten the curve. A little air is added; a flat curve gets
 * a range around it.
 */
export function range(always: readonly number[], mostly: readonly number[]): [number, number] {
  const finite = Float64Array.from(mostly.filter((value) => Number.isFinite(value))).sort();
  const ends = finite.length === 0 ? [] : [quantile(finite, 0.01), quantile(finite, 0.99)];
  const all = [...always.filter((value) => Number.isFinite(value)), ...ends];
  if (all.length === 0) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of all) [low, high] = [Math.min(low, value), Math.max(high, value)];
  // Less than rounding noise counts as flat.
  if (high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high))) {
    const half = Math.abs(low) * 0.1 || 1;
    return [low - half, high + half];
  }
  const air = (high - low) * 0.06;
  // Air does not take a quantity that is never negative below zero.
  return [low >= 0 ? Math.max(0, low - air) : low - air, high + air];
}

/**
 * About `count` multiples of 1, 2 or 5 times a power of ten that lie within [low, high].
 *
 * throws  RangeError unless low < high, both finite
 */
export function niceTicks(low: number, high: number, count = 5): number[] {
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) {
    throw new RangeError(`Expected low < high for ticks but received ${low} and ${high}.`);
  }
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const excess = rough / power;
  // The nearest of 1, 2, 5 and 10, by ratio.
  const factor = excess < Math.SQRT2 ? 1 : excess < Math.sqrt(10) ? 2 : excess < 7.07 ? 5 : 10;
  const step = factor * power;
  const ticks: number[] = [];
  // Multiples of the step, not sums of it: sums drift off round numbers.
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i++) {
    ticks.push(i === 0 ? 0 : Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** A number in at most about six characters: `0.05`, `1,250`, `12k`, `3.2M`, `5e-7`. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3) return trimExponent(value.toExponential(2));
  if (size >= 1e9) return trimExponent(value.toExponential(2));
  if (size >= 1e6) return `${trim((value / 1e6).toFixed(2))}M`;
  if (size >= 1e4) return `${trim((value / 1e3).toFixed(1))}k`;
  if (size >= 1e3) return Math.round(value).toLocaleString("en-US");
  return trim(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4));
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function trimExponent(text: string): string {
  const [mantissa = "", exponent = ""] = text.split("e");
  return `${trim(mantissa)}e${exponent.replace("+", "")}`;
}
