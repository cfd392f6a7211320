/** Numbers of a study in words: by the unit of their metric, with their interval. */
import type { Difference, Estimate } from "./statistics.ts";
import type { StudyMetric } from "./define-study.ts";

type Unit = StudyMetric["unit"];

/** What a table's head or an axis says of a metric. */
export function metricTitle({ label, unit }: StudyMetric): string {
  return unit === "share" ? `${label}, %` : label;
}

/** The number that a table or an axis shows: of shares the percent. */
export function shown(value: number, unit: Unit): number {
  return unit === "share" ? value * 100 : value;
}

/** A value in few characters. */
export function formatValue(value: number, unit: Unit): string {
  if (!Number.isFinite(value)) return "-";
  if (unit === "share") return (value * 100).toFixed(1);
  if (unit === "rank") return value.toFixed(1);
  if (unit === "seconds") return formatSeconds(value);
  if (unit === "bytes") return formatBytes(value);
  return plain(value);
}

/** Seeds from which on the bootstrap over seeds needs no t interval beside it. */
export const manySeeds = 10;

/**
 * `63.2 [61.0, 65.1] t ±4.2`: the bootstrap interval, absent where nothing could be resampled, and with
 * few seeds half the width of the t interval.
 */
export function formatEstimate(found: Estimate | undefined, unit: Unit): string {
  if (found === undefined || !Number.isFinite(found.mean)) return "-";
  const { mean, interval } = found;
  const value = formatValue(mean, unit);
  if (interval === undefined) return value;
  const [low, high] = [formatValue(interval.low, unit), formatValue(interval.high, unit)];
  return `${together(value, low, high)}${formatHalfWidth(found, unit)}`;
}

function formatHalfWidth({ tInterval, seeds }: Estimate, unit: Unit): string {
  if (tInterval === undefined || seeds.length >= manySeeds) return "";
  return ` t ±${formatValue((tInterval.high - tInterval.low) / 2, unit)}`;
}

/** `11.0 [10.0, 12.0] ms` where all three are in one unit. */
function together(value: string, low: string, high: string): string {
  const unit = / \w+$/.exec(value)?.[0] ?? "";
  if (unit === "" || !low.endsWith(unit) || !high.endsWith(unit))
    return `${value} [${low}, ${high}]`;
  const [a, b, c] = [value, low, high].map((one) => one.slice(0, -unit.length));
  return `${a} [${b}, ${c}]${unit}`;
}

/** `+3.2 [+1.1, +5.0] t ±2.9`, in percentage points for shares. */
export function formatDifference(found: Difference | undefined, unit: Unit): string {
  if (found === undefined || !Number.isFinite(found.mean)) return "-";
  const { mean, interval } = found;
  if (interval === undefined) return signed(mean, unit);
  const [low, high] = [signed(interval.low, unit), signed(interval.high, unit)];
  return `${together(signed(mean, unit), low, high)}${formatHalfWidth(found, unit)}`;
}

function signed(value: number, unit: Unit): string {
  const text = formatValue(Math.abs(value), unit);
  // What rounds to nothing has no sign.
  if (!/[1-9]/.test(text)) return text;
  return `${value < 0 ? "-" : "+"}${text}`;
}

function plain(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
}

/** `12.3 ms`, `1.24 s`, `95 s`. */
export function formatSeconds(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1) return `${(seconds * 1000).toFixed(size < 0.1 ? 1 : 0)} ms`;
  return `${seconds.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)} s`;
}

/** `512 MB`, `1.25 GB`: powers of 1,000. */
export function formatBytes(bytes: number): string {
  const size = Math.abs(bytes);
  if (size >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return `${(bytes / 1e6).toFixed(size >= 1e7 ? 0 : 1)} MB`;
}
