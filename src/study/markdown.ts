/** Markdown as prettier leaves it: tables whose columns are as wide as their widest cell. */

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
