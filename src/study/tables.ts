/** Tables of a study, and its page, as Markdown; tables are laid out as prettier leaves them. */
import { formatDifference, formatEstimate, metricTitle } from "./format.ts";
import type { ArmDescription, StudyResults } from "./results.ts";
import type { StudyTable } from "./define-study.ts";

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

/** `right`: numbers. The first column of a study's tables is text. */
export type Alignment = "left" | "right";

export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  alignment: readonly Alignment[] = head.map((_, column) => (column === 0 ? "left" : "right")),
): string {
  const cells = [head, ...rows].map((row) =>
    head.map((_, column) => escapeCell(row[column] ?? "")),
  );
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => widthOf(row[column] ?? ""))),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => pad(cell, widths[column] ?? 0, alignment[column])).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    alignment[column] === "right" ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  const [first = [], ...rest] = cells;
  return [line(first), `| ${rule.join(" | ")} |`, ...rest.map(line)].join("\n");
}

function pad(cell: string, width: number, alignment: Alignment | undefined): string {
  const space = " ".repeat(Math.max(0, width - widthOf(cell)));
  return alignment === "right" ? space + cell : cell + space;
}

function escapeCell(text: string): string {
  return text
    .replaceAll("|", String.raw`\|`)
    .replaceAll("\n", " ")
    .trim();
}

/** Characters of East Asian scripts and emoji are two columns wide. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += isWide(character.codePointAt(0) ?? 0) ? 2 : 1;
  return width;
}

function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0x1f300 && code <= 0x1faff)
  );
}

/** Blocks with an empty line between, and a final newline. */
export function markdownPage(blocks: readonly string[]): string {
  return `${blocks
    .map((block) => block.trim())
    .filter((block) => block !== "")
    .join("\n\n")}\n`;
}
