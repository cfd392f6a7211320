/** The comparison of two models as a page: what to take away, a chart of differences, every number. */
import { writeTextAtomically } from "../files/atomic-write.ts";
import { escapeHtml } from "../files/escape-html.ts";
import type {
  ComparedMetric,
  ComparedSet,
  SuiteComparison,
} from "../evaluate/compare/compare-results.ts";
import {
  formatChange,
  formatChanges,
  formatP,
  takeaways,
  winnerText,
} from "../evaluate/compare/comparison-words.ts";
import { formatMetric, type MetricRow } from "../evaluate/metric-table.ts";
import { dotPlot, type DotRow } from "./dot-plot.ts";
import { renderPage } from "./html-page.ts";
import { summarySection, type Section } from "./sections.ts";
import { metricLabel } from "./metric-words.ts";

/** Writes `renderComparison` as a file, whole or not at all. throws  StorageError naming it */
export function writeComparison(file: string, comparison: SuiteComparison): void {
  writeTextAtomically(file, renderComparison(comparison));
}

/** A complete HTML document without scripts. */
export function renderComparison(comparison: SuiteComparison): string {
  const { first, second, sets, average } = comparison;
  const [verdict = "", ...rest] = takeaways(comparison);
  const facts = [
    { label: "sets compared", value: String(sets.length) },
    ...(average === undefined
      ? []
      : [
          {
            label: "mean difference, points",
            value: formatChange(average.difference, "share"),
            note: formatChanges(average.interval, "share"),
          },
        ]),
    ...(["second", "first"] as const).map((winner) => ({
      label: `sets on which ${(winner === "first" ? first : second).name} is better`,
      value: String(sets.filter((set) => set.winner === winner).length),
    })),
  ];
  return renderPage({
    title: `${second.name} against ${first.name}`,
    subtitle: `${first.file} and ${second.file}`,
    sections: [
      summarySection({ text: [verdict, ...rest], facts }),
      ...chartSections(comparison),
      mainSection(comparison),
      allSection(comparison),
    ],
  });
}

/** Differences by set, the largest gain first; those in other units have no chart. */
function chartSections({ first, second, sets, level }: SuiteComparison): Section[] {
  const shares = sets
    .filter(({ main }) => main.unit === "share")
    .sort((a, b) => b.main.difference - a.main.difference);
  if (shares.length === 0) return [];
  const rows = shares.map(({ title, main, winner }): DotRow => {
    const { difference, interval } = main;
    const series = { first: `${first.name} is better`, second: `${second.name} is better` };
    return {
      label: title,
      marks: [
        {
          series: winner === "open" ? "no difference shown" : series[winner],
          value: difference * 100,
          ...(interval && { low: interval.low * 100, high: interval.high * 100 }),
        },
      ],
    };
  });
  const chart = dotPlot({
    title: `Main metric of each set, ${second.name} less ${first.name}`,
    rows,
    xLabel: `difference in points, with its ${+(level * 100).toFixed(1)} % interval`,
    reference: { value: 0, label: "equal" },
    width: 860,
  });
  return [
    {
      id: "differences",
      title: "Differences",
      note:
        "Both models answered the same items; intervals are of the difference. Colours are by the " +
        "verdict, which is corrected for the number of sets: an interval may leave out zero where the " +
        "verdict is open.",
      body: `<div class="card">${chart}</div>`,
    },
  ];
}

function mainSection(comparison: SuiteComparison): Section {
  const { sets, first, second } = comparison;
  const head = [
    ...["set", "metric", first.name, second.name, "difference", "interval", "p", "p, corrected"],
    "verdict",
  ];
  const rows = sets.map((set) => {
    const { title, main } = set;
    return [
      ...[title, metricLabel(`${main.task}/${main.path}`)],
      ...valueCells(main),
      formatP(main.adjustedP),
      winnerText(comparison, set),
    ];
  });
  return { id: "sets", title: "Sets", body: `<div class="card">${table(head, rows)}</div>` };
}

/** Every metric of every task. */
function allSection(comparison: SuiteComparison): Section {
  return {
    id: "metrics",
    title: "All metrics",
    note: "Each by itself: these p values are not corrected for the number of metrics.",
    body: `<div class="stack">${comparison.sets.map((set) => setCards(set, comparison)).join("")}</div>`,
  };
}

function setCards(set: ComparedSet, { first, second }: SuiteComparison): string {
  const head = ["metric", first.name, second.name, "difference", "interval", "p"];
  const parts = set.tasks.map(({ name, metrics, mcNemar }) => {
    const rows = metrics.map((metric) => [metricLabel(metric.path), ...valueCells(metric)]);
    const test =
      mcNemar === undefined
        ? ""
        : `Right in top-1 by ${first.name} alone: ${mcNemar.onlyFirst}; by ${second.name} alone: ` +
          `${mcNemar.onlySecond}. McNemar's test (${mcNemar.method}): p = ${formatP(mcNemar.p)}.`;
    const title = set.tasks.length > 1 ? `${set.title}: ${name}` : set.title;
    const note = test === "" ? "" : `<p class="explain">${escapeHtml(test)}</p>`;
    return `<div class="card"><h3>${escapeHtml(title)}</h3>${table(head, rows)}${note}</div>`;
  });
  return parts.join("");
}

function valueCells({ unit, first, second, difference, interval, p }: ComparedMetric): string[] {
  const of = (value: number): string => formatMetric(value, unit as MetricRow["unit"]);
  return [
    ...[of(first), of(second), formatChange(difference, unit)],
    ...[formatChanges(interval, unit), formatP(p)],
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const top = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join("");
  const body = rows.map((row) => {
    const cells = row.map((cell, column) => {
      const label = column === 0 ? "" : ` data-label="${escapeHtml(head[column] ?? "")}"`;
      // Words may take several lines, numbers not.
      const wrap = /^[A-Za-z/].* /.test(cell) ? ' style="white-space:normal"' : "";
      return `<td${label}${wrap}>${escapeHtml(cell)}</td>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${top}</tr></thead><tbody>${body.join("")}</tbody></table></div>`;
}
