/** The results of a suite as one HTML file. A pure function of the results. */
import { mainOf } from "../evaluate/evaluate-suite.ts";
import { formatInterval, formatMetric, type MetricRow } from "../evaluate/metric-table.ts";
import type {
  Average,
  MetricResult,
  SetResult,
  SuiteResults,
  TaskRecord,
} from "../evaluate/suite-results.ts";
import { escapeHtml } from "../files/escape-html.ts";
import { dotPlot, type DotRow } from "./dot-plot.ts";
import { renderPage } from "./html-page.ts";
import { intervalChart, type IntervalPoint } from "./interval-chart.ts";
import { metricLabel } from "./metric-words.ts";
import { metricBar, summarySection, tableCard, warningsSection, type Section } from "./sections.ts";

/** Classes that a card lists at most. */
const WORST = 8;

/** A complete HTML document. */
export function renderSuitePage(results: SuiteResults): string {
  const { suite, model, sets, finished } = results;
  const missing = sets.filter(({ state }) => state !== "measured");
  const measured = sets.filter(({ state }) => state === "measured");
  const date = typeof finished === "string" ? `, ${finished.slice(0, 10)}` : "";
  const sections: Section[] = [
    ...(missing.length === 0
      ? []
      : [
          warningsSection(
            missing.map(({ title, state, reason }) => `${title} is ${state}: ${reason}`),
          ),
        ]),
    summary(results, measured),
    ...(measured.some((set) => mainOf(set) !== undefined) ? [overview(results, measured)] : []),
    ...(results.languages?.length ? [languages(results.languages)] : []),
    details(results, measured),
  ];
  return renderPage({
    title: suite.title,
    subtitle: `${model.name}, ${model.precision}, fingerprint ${model.fingerprint.slice(0, 12)}${date}`,
    sections,
  });
}

function summary({ averages, sets }: SuiteResults, measured: readonly SetResult[]): Section {
  const shown = averages.filter(({ value }) => value !== null);
  return summarySection({
    text: [
      `${measured.length} of ${sets.length} sets were measured. A set's main number is the one that its ` +
        "publishers report; averages are plain means of main numbers.",
    ],
    facts: shown.map((average) => ({
      label: averageTitle(average),
      value: formatMetric(average.value ?? NaN, "share"),
      note: intervalOf(average),
    })),
  });
}

/** An average of some of its sets says so: it is not comparable with others of that name. */
export function averageTitle({ title, of, measured }: Average): string {
  return measured === of ? title : `${title}, of ${measured} of ${of} sets only`;
}

function intervalOf(
  { low, high }: Pick<MetricResult, "low" | "high">,
  unit: MetricRow["unit"] = "share",
): string {
  if (typeof low !== "number" || typeof high !== "number") return "";
  return formatInterval({ low, high }, unit);
}

function overview({ level }: SuiteResults, measured: readonly SetResult[]): Section {
  const rows = measured.flatMap((set) => {
    const metric = mainOf(set);
    return metric === undefined ? [] : [{ set, row: rowOf(set.main ?? "", metric) }];
  });
  const heads = [
    "set",
    "",
    "value",
    `${+(level * 100).toFixed(1)} % interval`,
    "chance",
    "lift",
    "n",
  ];
  const body = rows.map(({ set, row }) => {
    const metric = mainOf(set) as MetricResult;
    const cells: [string, string][] = [
      ["value", `<strong>${formatMetric(row.value, row.unit)}</strong>`],
      ["interval", formatInterval(row.interval, row.unit)],
      ["chance", formatMetric(row.chance, row.unit)],
      ["lift", typeof metric.lift === "number" ? formatMetric(metric.lift, "share") : "-"],
      ["n", row.count.toLocaleString("en-US")],
    ];
    const rest = cells.map(([label, cell]) => `<td data-label="${label}">${cell}</td>`).join("");
    return (
      `<tr><td>${escapeHtml(set.title)}<div class="key">${escapeHtml(metricLabel(set.main ?? ""))}</div></td>` +
      `<td class="bar-cell">${row.unit === "share" ? metricBar(row) : ""}</td>${rest}</tr>`
    );
  });
  const lifts = rows.flatMap(({ set, row }): DotRow[] => {
    const lifted = mainOf(set)?.lift;
    if (typeof lifted !== "number") return [];
    const of = (value: number): number => (value - row.chance) / (1 - row.chance);
    const ends = row.interval && { low: of(row.interval.low), high: of(row.interval.high) };
    return [{ label: set.title, marks: [{ series: "", value: lifted, ...ends }] }];
  });
  const chart =
    lifts.length === 0
      ? ""
      : `<div class="card">${dotPlot({
          title: "Lift over chance",
          rows: lifts,
          xLabel: "(value - chance) / (1 - chance)",
          reference: { value: 0, label: "guessing" },
          width: 900,
        })}</div>`;
  return {
    id: "sets",
    title: "Sets",
    note:
      "The interval says how far a number could move with another test set of the same size. Lift is 0 for " +
      "guessing and 100 % for no mistake, so that sets of few and of many classes can be compared.",
    body:
      `<div class="stack"><div class="card"><div class="scroll"><table><thead><tr>` +
      `${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr></thead>` +
      `<tbody>${body.join("")}</tbody></table></div></div>${chart}</div>`,
  };
}

/** A metric as reports show it, under `key`. */
function rowOf(key: string, metric: MetricResult): MetricRow {
  const { value, low, high, chance, count, unit, better } = metric;
  const interval = typeof low === "number" && typeof high === "number" ? { low, high } : undefined;
  return {
    key,
    value: value ?? NaN,
    chance: chance ?? NaN,
    count,
    unit: unit === "rank" || unit === "number" ? unit : "share",
    ...(better === "smaller" && { better }),
    ...(interval && { interval }),
  };
}

function languages(found: NonNullable<SuiteResults["languages"]>): Section {
  const cards = found.map(({ set, metric, mean, worst, rows }) => {
    const shown = rows.flatMap(({ language, value, ...ends }): DotRow[] => {
      if (typeof value !== "number") return [];
      const { low, high } = ends as Pick<MetricResult, "low" | "high">;
      const interval = typeof low === "number" && typeof high === "number" ? { low, high } : {};
      return [{ label: language, marks: [{ series: "", value, ...interval }] }];
    });
    const chart = dotPlot({
      title: `${set}: ${metricLabel(metric)}`,
      rows: shown,
      xLabel: metricLabel(metric),
      reference: { value: mean, label: "mean" },
    });
    const text =
      `Mean ${formatMetric(mean, "share")}; worst ${worst.language}, ` +
      `${formatMetric(worst.value, "share")}.`;
    return `<div class="card"><p>${escapeHtml(text)}</p>${chart}</div>`;
  });
  return {
    id: "languages",
    title: "Languages",
    body: `<div class="stack">${cards.join("")}</div>`,
  };
}

function details({ level }: SuiteResults, measured: readonly SetResult[]): Section {
  const cards = measured.flatMap((set) =>
    set.tasks.map((task) => {
      const title = set.tasks.length === 1 ? set.title : `${set.title}: ${task.name}`;
      const rows = Object.entries(task.metrics).map(([path, metric]) =>
        rowOf(`${set.name}/${task.name}/${path}`, metric),
      );
      const { confusions } = task as {
        confusions?: { label: string; prediction: string; count: number }[];
      };
      const table = tableCard({
        ...{ title, rows, level, note: task.notes.join(". ") },
        ...(confusions && { confusions }),
      });
      const more = [worstClasses(task), groupsChart(task), reliabilityChart(task)].join("");
      return `<details class="card"><summary>${escapeHtml(title)}</summary>${table}${more}</details>`;
    }),
  );
  return {
    id: "details",
    title: "Every number",
    note: "Open a set to see all of its numbers, what was asked, and where it goes wrong.",
    body: `<div class="stack">${cards.join("")}</div>`,
  };
}

interface Named {
  name: string;
  count: number;
  top1: number;
}

function worstClasses(task: TaskRecord): string {
  const { perClass = [] } = task as { perClass?: Named[] };
  if (perClass.length < 3) return "";
  const wrong = perClass.filter(({ top1 }) => top1 < 1);
  if (wrong.length === 0) return "";
  const worst = wrong.sort((a, b) => a.top1 - b.top1 || b.count - a.count).slice(0, WORST);
  const items = worst.map(
    ({ name, count, top1 }) =>
      `<li>${escapeHtml(name)} <span class="key">${formatMetric(top1, "share")} of ${count}</span></li>`,
  );
  return `<div class="card"><p class="explain">Classes with the lowest accuracy:</p><ul class="confused">${items.join("")}</ul></div>`;
}

function groupsChart(task: TaskRecord): string {
  const groups = task.facts["groups"] as { key: string; rows: Named[] } | undefined;
  if (groups === undefined || groups.rows.length === 0) return "";
  const rows = groups.rows.map(({ name, count, top1 }) => ({
    label: `${name} (${count})`,
    marks: [{ series: "", value: top1 }],
  }));
  return `<div class="card" style="max-width:680px">${dotPlot({ title: `Top-1 accuracy by ${groups.key}`, rows, xLabel: "share" })}</div>`;
}

interface Bin {
  count: number;
  confidence: number | null;
  accuracy: number | null;
}

function reliabilityChart(task: TaskRecord): string {
  const calibration = task.facts["calibration"] as
    { reliability: Bin[]; calibratedReliability?: Bin[] } | undefined;
  if (calibration === undefined) return "";
  const pointsOf = (bins: readonly Bin[] = []): IntervalPoint[] =>
    bins.flatMap(({ count, confidence, accuracy }) =>
      count > 0 && confidence !== null && accuracy !== null ? [{ x: confidence, y: accuracy }] : [],
    );
  const series = [
    { name: "as it is", points: pointsOf(calibration.reliability) },
    { name: "with a fitted temperature", points: pointsOf(calibration.calibratedReliability) },
    {
      name: "perfectly calibrated",
      points: [
        { x: 0, y: 0 },
        { x: 1, y: 1 },
      ],
    },
  ].filter(({ points }) => points.length > 0);
  return `<div class="card" style="max-width:680px">${intervalChart({
    title: "Confidence and accuracy",
    series,
    xLabel: "mean confidence of a bin",
    yLabel: "accuracy",
  })}</div>`;
}
