/** What `limn classify`, `limn embed`, `limn eval` and `limn train` print for people, and for `--json`. */
import type { Prediction, ZeroShotClassifier } from "../../inference/zero-shot-classifier.ts";
import type { EmbedProgress, EmbedResult } from "../../embed/embed-source.ts";
import { counted } from "../../errors.ts";
import { formatTable, metricsJson } from "../../evaluate/metric-table.ts";
import type { SuiteResult } from "../../evaluate/run-suite.ts";
import type { MeasuredTask } from "../../evaluate/tasks/task.ts";
import { describeTemplates, type ChosenTemplates } from "../../text/templates.ts";
import type { TrainResult } from "../../train/train-pair.ts";

export interface NamedResult {
  picture: string;
  predictions?: Prediction[] | undefined;
  problem?: string | undefined;
}

/** A table per picture, under lines that say what the probabilities are, and of which texts. */
export function classificationText(
  { probabilities, labels }: Pick<ZeroShotClassifier, "probabilities" | "labels">,
  templates: ChosenTemplates,
  results: readonly NamedResult[],
): string {
  const title =
    probabilities === "softmax"
      ? `probability: softmax over ${counted(labels.length, "label")}`
      : "probability: sigmoid of each label";
  const head = `${title}\ntemplates: ${describeTemplates(templates)}`;
  return [head, ...results.map(pictureTable)].join("\n\n");
}

function pictureTable({ picture, predictions, problem }: NamedResult): string {
  if (!predictions) return `${picture}\n  left out: ${problem}`;
  const width = Math.max(...predictions.map(({ label }) => label.length));
  const rows = predictions.map(({ label, score, similarity }) => {
    const share = `${(100 * score).toFixed(2)} %`.padStart(9);
    return `  ${label.padEnd(width)}  ${share}  similarity ${similarity.toFixed(4)}`;
  });
  return [picture, ...rows].join("\n");
}

export function describeEmbedding({
  rows,
  samples,
  parts,
  skipped,
  picturesPerSecond,
}: EmbedProgress): string {
  const count = (value: number): string => value.toLocaleString("en-US");
  const bad = skipped > 0 ? `, ${count(skipped)} left out` : "";
  const rate = `${picturesPerSecond.toPrecision(3)} pictures/s`;
  if (samples === undefined) {
    const shards = parts.all > 1 ? `, ${count(parts.done)} of ${count(parts.all)} shards done` : "";
    return `${count(rows)} pictures${bad}${shards}, ${rate}`;
  }
  const left = (samples - rows - skipped) / picturesPerSecond;
  return `${count(rows)} of ${count(samples)} pictures${bad}, ${rate}, ${duration(left)} left`;
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown time";
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${Math.ceil(Math.max(0, seconds))} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function describeEmbedded(result: EmbedResult): string {
  const { rows, dim, shards, folder, resumedFrom, skipped, complete, picturesPerSecond } = result;
  const rate = picturesPerSecond === 0 ? "" : `, ${picturesPerSecond.toPrecision(3)} pictures/s`;
  return [
    `${rows} embeddings of ${dim} numbers in ${shards} shards in ${folder}${rate}`,
    ...(resumedFrom > 0 ? [`${resumedFrom} of them were there already`] : []),
    ...(skipped > 0 ? [`${skipped} samples were left out`] : []),
    ...(complete ? [] : ["stopped; the same command goes on from here"]),
  ].join("\n");
}

type Measured = Pick<SuiteResult, "name" | "title" | "tasks">;

/** A table for each suite, under its title and what its tasks say of themselves. */
export function suitesText(suites: readonly Measured[]): string {
  const texts = suites.map(({ title, tasks }) => {
    const notes = tasks.flatMap((task: MeasuredTask) =>
      task.notes.map((note) => `${task.task.name}: ${note}`),
    );
    const rows = tasks.flatMap((task) => task.rows);
    return formatTable(rows, { title: [title, ...notes].join("\n") });
  });
  return texts.join("\n\n");
}

/** The metrics by their keys, and by `<suite>/<task>` what the tasks say of themselves. */
export function suitesJson(suites: readonly Measured[]): { metrics: unknown; tasks: unknown } {
  const measured = suites.flatMap(({ name, tasks }) =>
    tasks.map((task: MeasuredTask) => ({ key: `${name}/${task.task.name}`, ...task })),
  );
  return {
    metrics: metricsJson(measured.flatMap(({ rows }) => rows)),
    tasks: Object.fromEntries(measured.map(({ key, task, facts }) => [key, { kind: task.kind, ...facts }])),
  };
}

/** What a reader wants to know: tables, skipped samples, where things lie. */
export function describeRun(result: TrainResult): string {
  const { directory, step, stopped, skipped, suites, warnings } = result;
  const lines = suites.length > 0 ? [suitesText(suites)] : [];
  lines.push(...warnings.map((warning) => `Warning: ${warning}`));
  if (skipped > 0) {
    const first = result.badSamples
      .slice(0, 3)
      .map(({ file, key, reason }) => `  ${file} ${key ?? ""}: ${reason}`);
    lines.push(
      [`${skipped} samples could not be read and were skipped, such as:`, ...first].join("\n"),
    );
  }
  if (stopped !== undefined) {
    lines.push(`Stopped at step ${step} (${stopped}); the same command goes on from there.`);
  }
  if (stopped !== "signal") {
    lines.push(`Model: ${directory}/model   Report: ${directory}/report.html`);
  }
  return lines.join("\n\n");
}

/** The result without pictures and embeddings. */
export function runJson({ suites, recipe: _, ...rest }: TrainResult): unknown {
  return { ...rest, ...suitesJson(suites) };
}
