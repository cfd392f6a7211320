/** Two models compared, as plain text and as JSON. Knows no files and no terminal. */
import type { SuiteComparison } from "./compare-results.ts";
import { formatChange, formatChanges, formatP, takeaways, winnerText } from "./comparison-words.ts";
import { formatMetric, type MetricRow } from "../metric-table.ts";

/** The main metric of every set, then what to take away. */
export function comparisonText(comparison: SuiteComparison): string {
  const { first, second, sets, level } = comparison;
  const head = [
    ...["set", "main metric", "first", "second", "difference"],
    ...[`${+(level * 100).toFixed(1)} % interval`, "p", "p, Holm", ""],
  ];
  const rows = sets.map((set) => {
    const { task, path, unit, difference, interval, p, adjustedP } = set.main;
    const of = (value: number): string => formatMetric(value, unit as MetricRow["unit"]);
    return [
      ...[set.name, `${task}/${path}`, of(set.main.first), of(set.main.second)],
      ...[formatChange(difference, unit), formatChanges(interval, unit)],
      ...[formatP(p), formatP(adjustedP), winnerText(comparison, set)],
    ];
  });
  return [
    `first:  ${first.name}`,
    `second: ${second.name}`,
    "",
    ...aligned([head, ...rows]),
    "",
    ...takeaways(comparison),
  ].join("\n");
}

/** Columns of words to the left, of numbers to the right, and a rule below the head. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isText = (column: number): boolean => column < 2 || column === widths.length - 1;
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (isText(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
  const [head = "", ...rest] = lines;
  return [head, "-".repeat(Math.max(...lines.map((line) => line.length))), ...rest];
}

/** All numbers, and the sentences. */
export function comparisonJson(comparison: SuiteComparison): unknown {
  return {
    format: "limn-suite-comparison",
    version: 1,
    ...comparison,
    sentences: takeaways(comparison),
  };
}
