/** Evaluation tables: every number with its interval, beside what guessing gives. */
import { formatInterval, formatMetric, type MetricRow } from "../evaluate/table.ts";
import { escapeHtml } from "../files/escape-html.ts";
import { metricDescription, metricLabel } from "./metric-words.ts";
import { barWidth, type Section } from "./sections.ts";
import { formatNumber } from "./ticks.ts";
import type { EvaluationTable } from "./types.ts";

export function evaluationSection(tables: readonly EvaluationTable[]): Section {
  const keys =
    `<p class="key-line"><span><i></i>measured</span>` +
    `<span><i class="interval"></i>interval</span><span><i class="chance"></i>guessing</span></p>`;
  return {
    id: "evaluation",
    title: "Evaluation",
    note:
      "Measured on pictures that were kept out of training. The interval says how far a number " +
      "could move with another test set of the same size; chance is what guessing gives.",
    body: `${keys}<div class="stack">${tables.map(tableCard).join("")}</div>`,
  };
}

function tableCard({ title, note, rows, level = 0.95, confusions }: EvaluationTable): string {
  const heads = ["metric", "", "value", `${+(level * 100).toFixed(1)} % interval`, "chance", "n"];
  const head = heads.map((each) => `<th scope="col">${each}</th>`).join("");
  const lead = note === undefined ? "" : `<p class="explain">${escapeHtml(note)}</p>`;
  return (
    `<div class="card"><h3>${escapeHtml(title)}</h3>${lead}` +
    `<div class="scroll"><table><thead><tr>${head}</tr></thead>` +
    `<tbody>${rows.map(tableRow).join("")}</tbody></table></div>${confusionList(confusions)}</div>`
  );
}

function tableRow(row: MetricRow): string {
  const { key, value, chance, interval, unit, count } = row;
  const hint = metricDescription(key) ?? "";
  const name =
    `<td title="${escapeHtml(hint)}">${escapeHtml(metricLabel(key))}` +
    `<div class="key">${escapeHtml(key)}</div></td>`;
  const cells = [
    `<strong>${formatMetric(value, unit)}</strong>`,
    formatInterval(interval, unit),
    formatMetric(chance, unit) + timesChance(row),
    count.toLocaleString("en-US"),
  ];
  const bar = `<td class="bar-cell">${unit === "share" ? metricBar(row) : ""}</td>`;
  // On a phone the head of the table is gone; each cell then carries its own label.
  const labels = ["value", "interval", "chance", "n"];
  const rest = cells.map((cell, i) => `<td data-label="${labels[i] ?? ""}">${cell}</td>`);
  return `<tr>${name}${bar}${rest.join("")}</tr>`;
}

function metricBar({ value, chance, interval }: MetricRow): string {
  const parts = [`<i class="fill" style="width:${barWidth(value)}"></i>`];
  if (interval !== undefined) {
    const { low, high } = interval;
    const place = `left:${barWidth(low)};width:${barWidth(high - low)}`;
    parts.push(`<i class="interval" style="${place}"></i>`);
  }
  parts.push(`<i class="chance" style="left:${barWidth(chance)}"></i>`);
  return `<span class="bar">${parts.join("")}</span>`;
}

/** Shares are compared as a ratio; a chance of 1 leaves nothing to compare. */
function timesChance({ value, chance, unit }: MetricRow): string {
  if (unit !== "share" || !(chance > 0) || chance >= 1) return "";
  const ratio = value / chance;
  const shown = ratio < 10 ? ratio.toFixed(1) : formatNumber(Math.round(ratio));
  return `<div class="key">${shown} × chance</div>`;
}

function confusionList(confusions: EvaluationTable["confusions"]): string {
  if (confusions === undefined || confusions.length === 0) return "";
  const items = confusions.map(
    ({ label, prediction, count }) =>
      `<li>${escapeHtml(label)} → ${escapeHtml(prediction)} <span class="key">${count}</span></li>`,
  );
  return `<p class="explain">Most frequent mistakes, what it was → what was said:</p><ul class="confused">${items.join("")}</ul>`;
}
