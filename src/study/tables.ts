/** Tables of a study as Markdown. */
import { formatDifference, formatEstimate, metricTitle } from "./format.ts";
import { markdownTable } from "./markdown.ts";
import type { ArmDescription, StudyResults } from "./results.ts";
import type { StudyTable } from "./study.ts";

/** The table under its title, or undefined where none of its arms has been run. */
export function renderTable(table: StudyTable, results: StudyResults): string | undefined {
  const body = bodyOf(table, results);
  if (body === undefined) return undefined;
  return [`### ${table.title}`, body, ...(table.note === undefined ? [] : [table.note])].join(
    "\n\n",
  );
}

function bodyOf(table: StudyTable, results: StudyResults): string | undefined {
  if (table.kind === "text") return markdownTable(table.head, table.rows);
  const arms = chosenArms(results, table.arms);
  if (arms.length === 0) return undefined;
  return table.kind === "grid" ? grid(table, arms, results) : perArm(table, arms, results);
}

/** Arms by name in the given order; names that have not been run are left out. */
export function chosenArms(
  results: StudyResults,
  names: readonly string[] | undefined,
): readonly ArmDescription[] {
  if (names === undefined) return results.arms;
  return names.flatMap((name) => results.arm(name) ?? []);
}

function perArm(
  { metrics, baseline }: Extract<StudyTable, { kind: "arms" }>,
  arms: readonly ArmDescription[],
  results: StudyResults,
): string {
  const base = baseline === undefined ? undefined : results.arm(baseline);
  const head = ["arm"];
  for (const key of metrics) {
    head.push(metricTitle(results.metric(key)));
    if (base !== undefined) head.push(`against ${base.label}`);
  }
  const rows = arms.map(({ name, label }) => [
    label,
    ...metrics.flatMap((key) => {
      const { unit } = results.metric(key);
      const value = formatEstimate(results.estimate(name, key), unit);
      if (base === undefined) return [value];
      if (base.name === name) return [value, ""];
      return [value, formatDifference(results.difference(name, base.name, key), unit)];
    }),
  ]);
  return markdownTable(head, rows);
}

function grid(
  table: Extract<StudyTable, { kind: "grid" }>,
  arms: readonly ArmDescription[],
  results: StudyResults,
): string {
  const { metric, rows, columns } = table;
  const valuesOf = (factor: string): string[] => [
    ...new Set(arms.map(({ factors }) => String(factors[factor] ?? "-"))),
  ];
  const { unit } = results.metric(metric);
  const across = valuesOf(columns);
  const body = valuesOf(rows).map((row) => [
    row,
    ...across.map((column) => {
      const arm = arms.find(
        ({ factors }) =>
          String(factors[rows] ?? "-") === row && String(factors[columns] ?? "-") === column,
      );
      return arm === undefined ? "" : formatEstimate(results.estimate(arm.name, metric), unit);
    }),
  ]);
  const title = `${metricTitle(results.metric(metric))}: ${rows} \\ ${columns}`;
  return markdownTable([title.replace("\\", "by"), ...across], body);
}
