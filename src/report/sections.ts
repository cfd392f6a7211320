/** The sections of a report, each from its data to HTML; all text passes through escapeHtml. */
import { formatInterval, formatMetric, type MetricRow } from "../evaluate/metric-table.ts";
import { escapeHtml } from "../files/escape-html.ts";
import { imageElement } from "./html.ts";
import { lineChart } from "./line-chart.ts";
import { metricDescription, metricLabel } from "./metric-words.ts";
import { formatNumber } from "./axes.ts";
import type {
  Curve,
  EvaluationTable,
  Prediction,
  PredictionGroup,
  RetrievalExample,
  RetrievalGroup,
  Summary,
} from "./types.ts";

/** A part of the page with an anchor for the table of contents. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly note?: string;
  readonly body: string;
}

/** The section element. */
export function renderSection({ id, title, note, body }: Section): string {
  const lead = note === undefined ? "" : `<p class="note">${escapeHtml(note)}</p>`;
  return `<section id="${escapeHtml(id)}"><h2>${escapeHtml(title)}</h2>${lead}${body}</section>`;
}

export function summarySection({ text, facts = [] }: Summary): Section {
  const paragraphs = text.map((each) => `<p>${escapeHtml(each)}</p>`).join("");
  const cards = facts.map(
    ({ label, value, note }) =>
      `<div class="card fact"><span>${escapeHtml(label)}</span><b>${escapeHtml(value)}</b>` +
      `${note === undefined ? "" : `<span>${escapeHtml(note)}</span>`}</div>`,
  );
  const grid = cards.length === 0 ? "" : `<div class="grid facts">${cards.join("")}</div>`;
  return { id: "summary", title: "Summary", body: paragraphs + grid };
}

export function warningsSection(warnings: readonly string[]): Section {
  const items = warnings.map((each) => `<li>${escapeHtml(each)}</li>`).join("");
  return { id: "warnings", title: "Warnings", body: `<ul class="card warnings">${items}</ul>` };
}

export function curvesSection(curves: readonly Curve[]): Section {
  return {
    id: "training",
    title: "Training",
    note:
      "Faint lines are what was measured, full lines their moving average; the number beside " +
      "the title is its last value. Point at a curve to read it.",
    body: `<div class="grid charts">${curves.map(curveCard).join("")}</div>`,
  };
}

/** Curves without noise, which an average would only shift. */
const exactCurves: ReadonlySet<string> = new Set(["train/learningRate", "train/logitScale"]);

function curveCard({ key, points, description, reference }: Curve): string {
  const label = metricLabel(key);
  const explanation = description ?? metricDescription(key);
  const chart = lineChart({
    title: `${label} over training steps`,
    series: [{ name: label, points: points.map(({ step, value }) => ({ x: step, y: value })) }],
    ...(reference === undefined ? {} : { reference }),
    ...(exactCurves.has(key) ? { smoothing: 0 } : {}),
  });
  const last = points.at(-1);
  const value = last === undefined ? "" : `<output>${formatNumber(last.value)}</output>`;
  return (
    `<div class="card"><div class="chart-head"><h3>${escapeHtml(label)}</h3>${value}</div>` +
    `<div class="key">${escapeHtml(key)}</div>${chart}` +
    `${explanation === undefined ? "" : `<p class="explain">${escapeHtml(explanation)}</p>`}</div>`
  );
}

export function predictionsSection(group: PredictionGroup, index: number): Section {
  return {
    id: `predictions-${index + 1}`,
    title: group.title,
    ...(group.note === undefined ? {} : { note: group.note }),
    body: `<div class="grid samples">${group.items.map(predictionCard).join("")}</div>`,
  };
}

function predictionCard({ image, truth, candidates }: Prediction): string {
  const right = candidates[0]?.correct === true;
  const guesses = candidates.map(({ text, score, correct }) => {
    const percent = `${(score * 100).toFixed(score > 0 && score < 0.1 ? 1 : 0)} %`;
    return (
      `<li${correct ? ' class="correct"' : ""}><i style="width:${barWidth(score)}"></i>` +
      `<span>${correct ? "✓ " : ""}${escapeHtml(text)}</span>` +
      `<span class="score">${percent}</span></li>`
    );
  });
  const picture = `<div class="picture">${imageElement(image, truth)}</div>`;
  return (
    `<div class="card sample">${picture}<div class="body">` +
    `<div class="verdict ${right ? "right" : "wrong"}">${mark(right)}` +
    `<span>${escapeHtml(truth)}<small>the right answer</small></span></div>` +
    `<ol class="guesses">${guesses.join("")}</ol></div></div>`
  );
}

export function searchSection(group: RetrievalGroup, index: number): Section {
  return foundSection(`search-${index + 1}`, group);
}

export function retrievalSection(group: RetrievalGroup, index: number): Section {
  return foundSection(`retrieval-${index + 1}`, group);
}

function foundSection(id: string, group: RetrievalGroup): Section {
  return {
    id,
    title: group.title,
    ...(group.note === undefined ? {} : { note: group.note }),
    body: `<div class="stack">${group.items.map(retrievalCard).join("")}</div>`,
  };
}

function retrievalCard({ query, note, results }: RetrievalExample): string {
  const place = results.findIndex(({ correct }) => correct);
  const outcome =
    note ??
    (place === 0 ? "found first" : place > 0 ? `found at place ${place + 1}` : "not among these");
  const figures = results.map(
    ({ image, caption, detail, similarity, correct }) =>
      `<figure${correct ? ' class="correct"' : ""}>${imageElement(image, caption)}` +
      `<figcaption><b>${correct ? "✓ " : ""}${escapeHtml(caption)}</b>` +
      `<span>${detail === undefined ? "" : `${escapeHtml(detail)} `}${similarity.toFixed(3)}</span>` +
      `</figcaption></figure>`,
  );
  return (
    `<div class="card"><div class="query"><q>${escapeHtml(query)}</q>` +
    `<span class="note">${escapeHtml(outcome)}</span></div><div class="found">${figures.join("")}</div></div>`
  );
}

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

export function tableCard({
  title,
  note,
  rows,
  level = 0.95,
  confusions,
}: EvaluationTable): string {
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

export function metricBar({ value, chance, interval }: MetricRow): string {
  const parts = [`<i class="fill" style="width:${barWidth(value)}"></i>`];
  if (interval !== undefined) {
    const { low, high } = interval;
    const place = `left:${barWidth(low)};width:${barWidth(high - low)}`;
    parts.push(`<i class="interval" style="${place}"></i>`);
  }
  if (Number.isFinite(chance)) {
    parts.push(`<i class="chance" style="left:${barWidth(chance)}"></i>`);
  }
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

export function recipeSection(recipe: unknown): Section {
  const json = JSON.stringify(recipe, undefined, 2) ?? "undefined";
  return {
    id: "recipe",
    title: "Recipe",
    note: "Everything that was chosen, resolved. The same recipe and seed repeat the run.",
    body: `<div class="grid"><details class="card"><summary>Show the recipe as JSON</summary><pre>${escapeHtml(json)}</pre></details></div>`,
  };
}

export function environmentSection(
  environment: Readonly<Record<string, string | number | boolean>>,
): Section {
  const rows = Object.entries(environment).map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(String(value))}</dd>`,
  );
  const body = `<div class="grid"><div class="card"><dl>${rows.join("")}</dl></div></div>`;
  return { id: "environment", title: "Environment", body };
}

/** A share in [0, 1] as a CSS length; what lies outside is drawn at the end. */
function barWidth(share: number): string {
  const inside = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
  return `${Number((inside * 100).toFixed(2))}%`;
}

function mark(right: boolean): string {
  const label = right ? "right" : "wrong";
  return `<span class="mark" role="img" aria-label="${label}">${right ? "✓" : "✗"}</span>`;
}
