/** Figures of a study as SVG files. */
import { dotPlot, type DotRow } from "../report/dot-plot.ts";
import { intervalChart, type IntervalPoint } from "../report/interval-chart.ts";
import { standaloneFigure } from "../report/svg.ts";
import { metricTitle, shown } from "./format.ts";
import type { StudyResults } from "./results.ts";
import type { StudyFigure, StudyPoint } from "./define-study.ts";
import { chosenArms } from "./tables.ts";

/** The figure as a file's text; undefined where nothing of it has been measured. */
export function renderFigure(figure: StudyFigure, results: StudyResults): string | undefined {
  const svg = figure.kind === "line" ? lines(figure, results) : dots(figure, results);
  return svg === undefined ? undefined : standaloneFigure(svg);
}

function lines(
  figure: Extract<StudyFigure, { kind: "line" }>,
  results: StudyResults,
): string | undefined {
  const series = figure.series
    .map(({ name, points }) => ({
      name,
      points: points.flatMap(({ x, ...point }) => {
        const found = measured(point, results);
        return found === undefined ? [] : [{ x, ...found }];
      }),
    }))
    .filter(({ points }) => points.length > 0);
  const first = figure.series.flatMap(({ points }) => points)[0];
  if (series.length === 0 || first === undefined) return undefined;
  const { title, xLabel, logX = false } = figure;
  return intervalChart({
    title,
    series,
    xLabel,
    yLabel: figure.yLabel ?? metricTitle(results.metric(first.metric)),
    logX,
    ...scaledReference(figure.reference, first.metric, results),
  });
}

function dots(
  figure: Extract<StudyFigure, { kind: "dots" }>,
  results: StudyResults,
): string | undefined {
  const given = figure.rows ?? ownRows(figure, results);
  const rows: DotRow[] = given
    .map(({ label, marks }) => ({
      label,
      marks: marks.flatMap(({ series, ...point }) => {
        const found = measured(point, results);
        if (found === undefined) return [];
        const { y: value, ...interval } = found;
        return [{ series, value, ...interval }];
      }),
    }))
    .filter(({ marks }) => marks.length > 0);
  const metric = figure.metric ?? given.flatMap(({ marks }) => marks)[0]?.metric;
  if (rows.length === 0 || metric === undefined) return undefined;
  return dotPlot({
    title: figure.title,
    rows,
    xLabel: figure.xLabel ?? metricTitle(results.metric(metric)),
    ...scaledReference(figure.reference, metric, results),
  });
}

function ownRows(
  { metric, arms }: Extract<StudyFigure, { kind: "dots" }>,
  results: StudyResults,
): { label: string; marks: (StudyPoint & { series: string })[] }[] {
  if (metric === undefined) return [];
  return chosenArms(results, arms).map(({ name, label }) => ({
    label,
    marks: [{ series: "", arm: name, metric }],
  }));
}

/** A point in the unit of its axis. */
function measured(
  { arm, metric }: StudyPoint,
  results: StudyResults,
): Omit<IntervalPoint, "x"> | undefined {
  const found = results.estimate(arm, metric);
  if (found === undefined || !Number.isFinite(found.mean)) return undefined;
  const { unit } = results.metric(metric);
  const { interval } = found;
  return {
    y: shown(found.mean, unit),
    ...(interval ? { low: shown(interval.low, unit), high: shown(interval.high, unit) } : {}),
  };
}

function scaledReference(
  reference: { value: number; label: string } | undefined,
  metric: string,
  results: StudyResults,
): { reference?: { value: number; label: string } } {
  if (reference === undefined) return {};
  const value = shown(reference.value, results.metric(metric).unit);
  return { reference: { ...reference, value } };
}
