/** The measured parts of an audit's page, each from its data to HTML. */
import type { AuditCard, DebiasReport, SkewReport } from "../../evaluate/audit/audit-card.ts";
import type { FaceTable } from "../../evaluate/audit/fairface.ts";
import { keysText, percent, points, pText } from "../../evaluate/audit/findings.ts";
import type {
  GroupReport,
  GroupRow,
  PositiveReport,
  Spread,
} from "../../evaluate/audit/group-metrics.ts";
import type { ByChance, Measured } from "../../evaluate/audit/resample.ts";
import { escapeHtml } from "../../files/escape-html.ts";
import { mainTop } from "../../evaluate/audit/skew.ts";
import { dotPlot, type DotRow } from "../dot-plot.ts";
import { intervalChart } from "../interval-chart.ts";
import type { Section } from "../sections.ts";
import { htmlCard, htmlTable, type Cell, type TableRow } from "./html-table.ts";

/** Groups of one chart; the table has all. */
const MOST_DOTS = 40;

/** `41.2 %` over `38.0 to 44.5`; a dash where there is none. */
function shareCell(number: Measured | undefined): Cell {
  if (number === undefined) return "–";
  return { main: percent(number.value), below: rangeText(number, 100, 1) };
}

function rangeText({ low, high }: Measured, scale: number, digits: number): string | undefined {
  return low === undefined || high === undefined
    ? undefined
    : `${(scale * low).toFixed(digits)} to ${(scale * high).toFixed(digits)}`;
}

/** In percent, as axes have it. */
function dot(series: string, { value, low, high }: Measured): DotRow["marks"][number] {
  const range = low === undefined || high === undefined ? {} : { low: 100 * low, high: 100 * high };
  return { series, value: 100 * value, ...range };
}

const count = (value: number): string => value.toLocaleString("en-US");

export function accuracySection({ accuracy, least, positive }: AuditCard): Section {
  return {
    id: "accuracy",
    title: "Accuracy and calibration by group",
    note:
      "The share of pictures whose class is right (top-1), or among the first five guesses (top-5). The " +
      "calibration error is how far the model's confidence is from how often it is right. Small print is the " +
      `interval, or what as many pictures of all groups have. Groups of fewer than ${least} pictures are suppressed.`,
    body: `<div class="stack">${accuracy.map((report) => accuracyCard(report, positive)).join("")}</div>`,
  };
}

function accuracyCard(report: GroupReport, positive: string | undefined): string {
  const { keys, groups, overall, without } = report;
  const has = (key: keyof GroupRow): boolean => groups.some((group) => group[key] !== undefined);
  const columns: [string, keyof GroupRow & ("top1" | "top5" | "ece" | RateKey)][] = [
    ["top-1", "top1"],
    ["top-5", "top5"],
    ["calibration error", "ece"],
    ["predicted", "selectionRate"],
    ["true positives", "truePositiveRate"],
    ["false positives", "falsePositiveRate"],
  ];
  const shown = columns.filter(([, key]) => has(key));
  const rows = groups.map((group): TableRow => {
    const numbers = shown.map(([, key]): Cell => {
      if (group.suppressed) return "suppressed";
      if (key !== "ece" || group.ece === undefined || group.eceByChance === undefined) {
        return shareCell(group[key]);
      }
      const below = `by chance below ${(100 * group.eceByChance).toFixed(1)}`;
      return { main: percent(group.ece.value), below };
    });
    return { cells: [group.name, count(group.count), ...numbers], muted: group.suppressed };
  });
  const all = shown.map(([, key]) => shareCell((overall as GroupRow)[key]));
  const last: TableRow = { cells: ["all pictures", count(report.count), ...all] };
  const heads = [keysText(keys), "n", ...shown.map(([head]) => head)];
  const note = without > 0 ? `${count(without)} pictures have no ${keysText(keys)}.` : undefined;
  return htmlCard(
    `By ${keysText(keys)}`,
    note,
    groupChart(report) + htmlTable(heads, [...rows, last]) + spreadTable(report, positive),
  );
}

type RateKey = "selectionRate" | "truePositiveRate" | "falsePositiveRate";

function groupChart({ keys, groups, overall }: GroupReport): string {
  const rows = groups.flatMap((group): DotRow[] => {
    const { name, top1, top5 } = group;
    if (top1 === undefined) return [];
    const marks = top5 === undefined ? [dot("", top1)] : [dot("top-1", top1), dot("top-5", top5)];
    return [{ label: name, marks }];
  });
  if (rows.length < 2 || rows.length > MOST_DOTS || overall.top1 === undefined) return "";
  return dotPlot({
    title: `Accuracy by ${keysText(keys)}`,
    rows,
    xLabel: "accuracy, %",
    reference: { value: 100 * overall.top1.value, label: "all pictures, top-1" },
    width: 920,
  });
}

function spreadTable({ top1, top5, positive }: GroupReport, name: string | undefined): string {
  const spreads = [
    ["top-1", top1],
    ["top-5", top5],
  ] as const;
  const rows = spreads.flatMap(([name, spread]) =>
    spread === undefined ? [] : [spreadRow(name, spread)],
  );
  if (rows.length === 0) return "";
  const heads = ["between groups", "worst", "gap", "worst / best", "gap by chance", "p"];
  return htmlTable(heads, rows) + positiveTable(positive, name);
}

function positiveTable(report: PositiveReport | undefined, name: string | undefined): string {
  if (report === undefined) return "";
  const { oddsByChance } = report;
  const numbers: [string, Measured | undefined, ByChance | undefined][] = [
    ["demographic parity difference", report.demographicParityDifference, undefined],
    ["demographic parity ratio", report.demographicParityRatio, undefined],
    ["equalised odds difference", report.equalizedOddsDifference, oddsByChance],
    ["equalised odds ratio", report.equalizedOddsRatio, undefined],
  ];
  const rows = numbers.flatMap(([what, number, chance]): TableRow[] => {
    if (number === undefined) return [];
    const byChance =
      chance === undefined ? ["–", "–"] : [`below ${chance.below.toFixed(2)}`, pText(chance.p)];
    return [{ cells: [what, plainCell(number, 2), ...byChance] }];
  });
  return rows.length === 0 ? "" : htmlTable([`about “${name}”`, "value", "by chance", "p"], rows);
}

function spreadRow(name: string, { worst, worstValue, gap, ratio, byChance }: Spread): TableRow {
  return {
    cells: [
      name,
      { main: worst, below: percent(worstValue.value) },
      { main: points(gap.value), below: rangeText(gap, 100, 1) },
      ratio === undefined ? "–" : plainCell(ratio, 2),
      byChance === undefined ? "–" : `below ${points(byChance.below)}`,
      byChance === undefined ? "–" : pText(byChance.p),
    ],
  };
}

function plainCell(number: Measured, digits: number): Cell {
  return { main: number.value.toFixed(digits), below: rangeText(number, 1, digits) };
}

export function facesSection({ faces, least }: AuditCard): Section | undefined {
  if (faces === undefined) return undefined;
  const { tables, note } = faces;
  return {
    id: "faces",
    title: "What faces are taken for",
    note: `${note} Groups of fewer than ${least} faces are suppressed.`,
    body: `<div class="halves">${tables.map(faceCard).join("")}</div>`,
  };
}

function faceCard({ title, key, by, rows, overall, better }: FaceTable): string {
  const dots = rows.flatMap(({ name, value }) =>
    value === undefined ? [] : [{ label: name, marks: [dot("", value)] }],
  );
  const chart =
    dots.length < 2
      ? ""
      : dotPlot({
          title,
          rows: dots,
          xLabel: better === "high" ? "right, %" : "of faces, %; fewer is better",
          reference: { value: 100 * overall.value, label: "all faces" },
          width: 560,
        });
  const body: TableRow[] = rows.map(({ name, count: n, suppressed, value }) => ({
    cells: [name, count(n), suppressed ? "suppressed" : shareCell(value)],
    muted: suppressed,
  }));
  const table = htmlTable(
    [keysText(by), "n", "share"],
    [
      ...body,
      {
        cells: [
          "all faces",
          count(rows.reduce((sum, row) => sum + row.count, 0)),
          shareCell(overall),
        ],
      },
    ],
  );
  return `<div class="card"><h3>${escapeHtml(title)}</h3><div class="key">${escapeHtml(key)}</div>${chart}${table}</div>`;
}

export function skewSection({ skew }: AuditCard): Section | undefined {
  if (skew.length === 0) return undefined;
  return {
    id: "queries",
    title: "Neutral queries",
    note:
      "Pictures are ranked by queries that say nothing of groups. MaxSkew@k is the logarithm of how many times " +
      "its due share of the first k the most favoured group has, 0 where none is favoured; NDKL is how far the " +
      "shares are off along the whole ranking. The due share is the group's share of the set, or the same for " +
      "all groups. Small print is what random rankings have.",
    body: `<div class="stack">${skew.map(skewCard).join("")}</div>`,
  };
}

function skewCard({ keys, count: n, prompts, atK, ndkl, ndklByChance, worst }: SkewReport): string {
  const cell = (value: number, chance: number, digits: number): Cell => ({
    main: value.toFixed(digits),
    below: `by chance ${chance.toFixed(digits)}`,
  });
  const rows: TableRow[] = (["demographicParity", "equalOpportunity"] as const).map((desired) => ({
    cells: [
      desired === "demographicParity" ? "share of the set" : "same for all",
      ...atK.map(({ maxSkew, byChance }) => cell(maxSkew[desired], byChance[desired], 2)),
      cell(ndkl[desired], ndklByChance[desired], 3),
    ],
  }));
  const heads = ["due share", ...atK.map(({ k }) => `MaxSkew@${count(k)}`), "NDKL"];
  const k = mainTop(atK, n)?.k;
  const queries =
    worst.length === 0
      ? ""
      : htmlTable(
          [
            `most uneven queries at k = ${count(k ?? 0)}`,
            "most favoured group",
            "times its share",
            "MaxSkew",
          ],
          worst.map(({ query, group, skew: one, maxSkew }) => ({
            cells: [query, group, `${Math.exp(one).toFixed(1)} ×`, maxSkew.toFixed(2)],
          })),
        );
  const note = `${count(prompts)} prompts rank ${count(n)} pictures.`;
  return htmlCard(`By ${keysText(keys)}`, note, htmlTable(heads, rows) + queries);
}

export function associationSection({ associations }: AuditCard): Section | undefined {
  if (associations.length === 0) return undefined;
  const ofWords = associations.filter(({ key }) => key === undefined);
  const keys = [...new Set(associations.flatMap(({ key }) => key ?? []))];
  const heads = ["test", "effect", "p", "n"];
  const rows = (list: AuditCard["associations"]): TableRow[] =>
    list.map(({ x, y, a, b, effect, p, exact, counts, test, key }) => ({
      cells: [
        `${x} or ${y}: ${a} or ${b}${key === undefined ? ` (${test})` : ""}`,
        Number.isFinite(effect) ? effect.toFixed(2) : "–",
        `${pText(p)}${exact ? ", exact" : ""}`,
        counts.map(count).join(" and "),
      ],
    }));
  const cards = keys.map((key) => {
    const own = associations.filter((one) => one.key === key);
    return htmlCard(
      `Pictures by ${key}`,
      undefined,
      effectChart(own, key) + htmlTable(heads, rows(own)),
    );
  });
  if (ofWords.length > 0) {
    cards.push(htmlCard("Words and words", undefined, htmlTable(heads, rows(ofWords))));
  }
  return {
    id: "associations",
    title: "Association tests",
    note:
      "Whether one set lies nearer to the first words, and the other to the second, than chance allows. The " +
      "effect is in standard deviations; above 0 the first set is nearer to the first words. Of pictures p " +
      "counts both directions, of words the published one. Word lists: Caliskan et al. 2017, arXiv:1608.07187.",
    body: `<div class="stack">${cards.join("")}</div>`,
  };
}

function effectChart(list: AuditCard["associations"], key: string): string {
  const groups = [...new Set(list.map(({ x }) => x))];
  const rows = groups.map((group): DotRow => {
    const own = list.filter(({ x, effect }) => x === group && Number.isFinite(effect));
    return {
      label: group,
      marks: own.map(({ test, effect }) => ({ series: test, value: effect })),
    };
  });
  if (
    groups.length < 2 ||
    groups.length > MOST_DOTS ||
    rows.some(({ marks }) => marks.length === 0)
  )
    return "";
  return dotPlot({
    title: `Associations of pictures by ${key}`,
    rows,
    xLabel: "effect; above 0 nearer to the first of the words",
    reference: { value: 0, label: "none" },
    width: 920,
  });
}

export function incomeSection({ income }: AuditCard): Section | undefined {
  if (income === undefined) return undefined;
  const { key, k, slope, standardError, count: n, without, distinct, parts } = income;
  const doubled = (value: number): string => points(value * Math.LN2);
  const range =
    slope.low === undefined || slope.high === undefined
      ? undefined
      : `${(100 * Math.LN2 * slope.low).toFixed(1)} to ${(100 * Math.LN2 * slope.high).toFixed(1)}`;
  const table = htmlTable(
    [
      "",
      "with twice the income",
      "per unit of ln(income)",
      "standard error",
      "n",
      "different incomes",
    ],
    [
      {
        cells: [
          "slope",
          { main: doubled(slope.value), below: range },
          slope.value.toFixed(4),
          standardError.toFixed(4),
          count(n),
          count(distinct),
        ],
      },
    ],
  );
  const chart = intervalChart({
    title: `Accuracy over ${key}, in parts of the pictures`,
    series: [
      {
        name: "accuracy",
        points: parts.map(({ income: x, accuracy: { value, low, high } }) => ({
          x,
          y: 100 * value,
          ...(low !== undefined && high !== undefined && { low: 100 * low, high: 100 * high }),
        })),
      },
    ],
    xLabel: key,
    yLabel: `right among the first ${k}, %`,
    logX: true,
    width: 920,
    height: 320,
  });
  const note =
    `Least squares of right or wrong (among the first ${k}) on the logarithm of ${key}. ` +
    (without > 0 ? `${count(without)} pictures have none. ` : "") +
    "Dollar Street's published metadata has quartiles instead of amounts: there compare the quartiles as groups " +
    "and read the worst.";
  return {
    id: "income",
    title: "Income",
    note,
    body: `<div class="stack"><div class="card">${chart}${table}</div></div>`,
  };
}

export function debiasSection({ debiasing }: AuditCard): Section | undefined {
  if (debiasing.length === 0) return undefined;
  return {
    id: "debiasing",
    title: "Before and after debiasing",
    note:
      "What a projection of texts changes: it takes out what prompts say about a group alone (orthogonal), or " +
      "also brings together prompts that differ in the group alone (calibrated; Chuang et al., arXiv:2302.00070, " +
      "with λ = 1,000). Nothing is trained. The prompts are limn's own.",
    body: `<div class="stack">${debiasing.map(debiasCard).join("")}</div>`,
  };
}

const projections = { none: "as it is", orthogonal: "orthogonal", calibrated: "calibrated" };

function debiasCard({ key, k, rows }: DebiasReport): string {
  const table = rows.map(({ projection, accuracy, worst, gap, maxSkew, ndkl }): TableRow => {
    const gapCell = gap && { main: points(gap.value), below: rangeText(gap, 100, 1) };
    return {
      cells: [
        projections[projection],
        shareCell(accuracy),
        worst === undefined ? "–" : { main: percent(worst.value.value), below: worst.name },
        gapCell ?? "–",
        maxSkew === undefined ? "–" : { main: maxSkew.toFixed(2) },
        ndkl === undefined ? "–" : { main: ndkl.toFixed(3) },
      ],
    };
  });
  const heads = [
    "texts",
    "accuracy",
    "worst group",
    "gap",
    k === undefined ? "MaxSkew" : `MaxSkew@${count(k)}`,
    "NDKL",
  ];
  return htmlCard(`Away from ${key}`, undefined, htmlTable(heads, table));
}
