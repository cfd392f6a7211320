/** A suite's results for people: a line for each set, what was not measured, the averages. */
import { mainOf } from "../../../evaluate/evaluate-suite.ts";
import { formatInterval, formatMetric, type MetricRow } from "../../../evaluate/metric-table.ts";
import type { MetricResult, SetResult, SuiteResults } from "../../../evaluate/suite-results.ts";
import { counted } from "../../../errors.ts";
import { averageTitle } from "../../../report/suite-page.ts";

const heads = (level: number): string[] => [
  "set",
  "metric",
  "value",
  `${+(level * 100).toFixed(1)} % interval`,
  "chance",
  "lift",
  "n",
];

/** The whole table; its last lines are the averages. */
export function suiteResultsText({
  suite,
  model,
  sets,
  averages,
  languages,
  level,
}: SuiteResults): string {
  const measured = sets.filter(({ state }) => state === "measured");
  const others = sets.filter(({ state }) => state !== "measured");
  const lines = [
    suite.title,
    `${model.name} (${model.precision}, fingerprint ${model.fingerprint.slice(0, 12)})`,
    "",
    ...aligned([heads(level), ...measured.flatMap(rowsOf)]),
    ...(languages ?? []).map(
      ({ set, metric, mean, worst, rows }) =>
        `${set}, ${metric} over ${counted(rows.length, "language")}: mean ${formatMetric(mean, "share")}, ` +
        `worst ${worst.language} ${formatMetric(worst.value, "share")}`,
    ),
    ...others.map(({ name, state, reason }) => `${state}: ${name}: ${reason}`),
    "",
    ...averages.map((average) => {
      const { value, low, high } = average;
      if (value === null) return `${averageTitle(average)}: none of its sets was measured`;
      const interval =
        typeof low === "number" && typeof high === "number"
          ? `  (${formatInterval({ low, high }, "share")})`
          : "";
      return `${averageTitle(average)}: ${formatMetric(value, "share")}${interval}`;
    }),
  ];
  while (lines.at(-1) === "") lines.pop();
  return lines.join("\n");
}

/** Of a set with several tasks, one line for each, by its first metric. */
function rowsOf(set: SetResult): string[][] {
  const main = mainOf(set);
  if (main !== undefined) return [rowOf(set.name, metricOf(set.main ?? ""), main)];
  return set.tasks.flatMap(({ name, metrics }) => {
    const [first] = Object.entries(metrics);
    return first === undefined ? [] : [rowOf(`${set.name}/${name}`, ...first)];
  });
}

function metricOf(main: string): string {
  return main.slice(main.indexOf("/") + 1);
}

function rowOf(name: string, path: string, metric: MetricResult): string[] {
  const { value, low, high, chance, lift, count } = metric;
  const unit = metric.unit as MetricRow["unit"];
  return [
    name,
    path,
    formatMetric(value ?? NaN, unit),
    typeof low === "number" && typeof high === "number" ? formatInterval({ low, high }, unit) : "",
    formatMetric(chance ?? NaN, unit),
    typeof lift === "number" ? formatMetric(lift, "share") : "-",
    count.toLocaleString("en-US"),
  ];
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  const rule = "-".repeat(Math.max(...lines.map((line) => line.length)));
  return [lines[0] ?? "", rule, ...lines.slice(1)];
}
