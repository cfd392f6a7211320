/** Tables of a page, which carry their heads along where a narrow screen hides them. */
import { escapeHtml } from "../../files/escape-html.ts";

/** A cell: text, or a number in large with what belongs to it below. */
export type Cell = string | { readonly main: string; readonly below?: string | undefined };

export interface TableRow {
  readonly cells: readonly Cell[];
  /** Set back, as what is suppressed. */
  readonly muted?: boolean;
}

/** A table with a head; the first column is text. */
export function htmlTable(heads: readonly string[], rows: readonly TableRow[]): string {
  const head = heads.map((each) => `<th scope="col">${escapeHtml(each)}</th>`).join("");
  const body = rows.map(({ cells, muted }) => {
    const inside = cells.map((cell, i) => {
      const label = i === 0 ? "" : ` data-label="${escapeHtml(heads[i] ?? "")}"`;
      return `<td${label}>${cellHtml(cell)}</td>`;
    });
    return `<tr${muted ? ' class="muted"' : ""}>${inside.join("")}</tr>`;
  });
  return (
    `<div class="scroll"><table><thead><tr>${head}</tr></thead>` +
    `<tbody>${body.join("")}</tbody></table></div>`
  );
}

function cellHtml(cell: Cell): string {
  if (typeof cell === "string") return escapeHtml(cell);
  const below = cell.below === undefined ? "" : `<div class="key">${escapeHtml(cell.below)}</div>`;
  return `<strong>${escapeHtml(cell.main)}</strong>${below}`;
}

/** A card with a title, and what stands below it as HTML. */
export function htmlCard(title: string, note: string | undefined, body: string): string {
  const lead = note === undefined ? "" : `<p class="explain">${escapeHtml(note)}</p>`;
  return `<div class="card"><h3>${escapeHtml(title)}</h3>${lead}${body}</div>`;
}

/** Sentences as a list. */
export function htmlList(items: readonly string[], className = "plain"): string {
  const inside = items.map((item) => `<li>${escapeHtml(item)}</li>`).join("");
  return `<ul class="${className}">${inside}</ul>`;
}
