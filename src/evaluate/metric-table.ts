/** Metrics as rows under their keys, and rows as plain text or JSON. Knows no files and no terminal. */
import type { Interval } from "../arrays/bootstrap.ts";

/** The number that every evaluation reports: a value, its interval, and what guessing gives. */
export interface Metric {
  readonly value: number;
  /** What a model that guesses uniformly would reach, in the unit of `value`. */
  readonly chance: number;
  /** Bootstrap interval; absent when `resamples` is 0. */
  readonly interval?: Interval;
}

/** One metric under its key, a path such as `val/retrieval/imageToText/recall@1`. */
export interface MetricRow extends Metric {
  readonly key: string;
  /** `share` is a number in [0, 1], shown in percent; `rank` counts from 1; `number` is any other. */
  readonly unit: "share" | "rank" | "number";
  /** Which of two values is better; the larger one when absent. */
  readonly better?: "smaller";
  /** Queries or images behind the number. */
  readonly count: number;
}

/** Metrics from parallel lists; `intervals` is empty when no resampling was asked for. */
export function toMetrics(
  values: readonly number[],
  chance: readonly number[],
  intervals: readonly Interval[],
): Metric[] {
  return values.map((value, i) => {
    const interval = intervals[i];
    const metric = { value, chance: chance[i] ?? NaN };
    return interval === undefined ? metric : { ...metric, interval };
  });
}

/** `{ key: value }` of every row, as the trainer logs it. */
export function metricValues(rows: readonly MetricRow[]): Record<string, number> {
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
}

/** A metric as JSON; `low` and `high` are absent without resampling. */
interface MetricJson {
  value: number;
  chance: number;
  count: number;
  low?: number;
  high?: number;
}

/** `{ key: { value, low, high, chance, count } }` of every row. */
export function metricsJson(rows: readonly MetricRow[]): Record<string, MetricJson> {
  return Object.fromEntries(
    rows.map(({ key, value, chance, count, interval }) => [
      key,
      { value, ...interval, chance, count },
    ]),
  );
}

/** `value` in the words of its unit: `63.2 %` or `12`. */
export function formatMetric(value: number, unit: MetricRow["unit"]): string {
  if (!Number.isFinite(value)) return "-";
  if (unit === "share") return `${formatShare(value)} %`;
  if (unit === "number") return value.toFixed(3);
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** An interval in the words of its unit: `62.1 to 64.3 %`; empty without one. */
export function formatInterval(interval: Interval | undefined, unit: MetricRow["unit"]): string {
  if (interval === undefined) return "";
  const low = formatMetric(interval.low, unit).replace(" %", "");
  return `${low} to ${formatMetric(interval.high, unit)}`;
}

/** One decimal, two below 1 %, so that a chance level of 1 in 3,000 does not read as nothing. */
function formatShare(share: number): string {
  const percent = share * 100;
  return percent > 0 && percent < 1 ? percent.toFixed(2) : percent.toFixed(1);
}

/**
 * The rows as an aligned plain-text table without a final newline. `title` is put above.
 *
 *     metric                               value   95 % interval    chance       n
 *     val/retrieval/imageToText/recall@1  41.2 %  38.0 to 44.5 %    0.10 %   1,000
 */
export function formatTable(
  rows: readonly MetricRow[],
  { title, level = 0.95 }: { title?: string; level?: number } = {},
): string {
  const header = ["metric", "value", `${+(level * 100).toFixed(1)} % interval`, "chance", "n"];
  const cells = rows.map(({ key, value, interval, chance, unit, count }) => [
    key,
    formatMetric(value, unit),
    formatInterval(interval, unit),
    formatMetric(chance, unit),
    count.toLocaleString("en-US"),
  ]);
  const all = [header, ...cells];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  const [first = "", ...rest] = lines;
  const rule = "-".repeat(Math.max(...lines.map((line) => line.length)));
  return [...(title === undefined ? [] : [title, ""]), first, rule, ...rest].join("\n");
}
