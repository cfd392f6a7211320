/** Rows of cells as plain text in columns. */

/**
 * numbers   columns, from 0, that are aligned on the right
 *
 *     set        n  metric
 *     -------------------
 *     vtab/dtd  1,880  top1
 */
export function alignedTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: readonly number[] = [],
): string {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const lines = [head, ...rows].map((row) =>
    head
      .map((_, i) => {
        const [cell, width] = [row[i] ?? "", widths[i] ?? 0];
        return numbers.includes(i) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
  const rule = "-".repeat(Math.max(...lines.map(({ length }) => length)));
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}
