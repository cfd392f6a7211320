/**
 * What a kind of evaluation task declares: its schema, what it needs, how it measures, and the words
 * of its metrics. Recipes, suites, reports and studies know tasks by this alone and never ask which
 * kind one is.
 */
import { z } from "zod";
import {
  bootstrapIntervals,
  resolveBootstrap,
  type BootstrapOptions,
} from "../../arrays/bootstrap.ts";
import { DataError } from "../../errors.ts";
import { formatJson } from "../../files/json-text.ts";
import { coverageText } from "../../text/coverage.ts";
import type { EmbeddedDataset } from "../../inference/features/embed-dataset.ts";
import type { Embedder } from "../../inference/features/embed-dataset.ts";
import { toMetrics, type MetricRow } from "../metric-table.ts";
import { isAbsent } from "./metadata-groups.ts";

/** What every task has, in a recipe as in a call. */
export interface TaskFields {
  kind: string;
  /** Part of its metrics' keys, `<suite>/<name>/<metric>`. */
  name: string;
  title?: string | undefined;
  /** Of its names, templates or captions: a tag such as `de`. Averages over languages are told by it. */
  language?: string | undefined;
  /** Key of a sample's record: pictures with the same value there share a source, and are drawn together. */
  cluster?: string | undefined;
}

/** What is known of a set before its pictures are embedded, by sample. */
export interface SetOutline {
  readonly keys: string[];
  readonly labels: (string | undefined)[];
  readonly metas: Record<string, unknown>[];
  /** False where only the first of very many samples were looked at. */
  readonly isWhole: boolean;
}

/** What a task is measured on. */
export interface TaskContext {
  readonly dataset: EmbeddedDataset;
  readonly embedder: Embedder;
  /** Of the keys of its metrics, `<suite>/<name>`. */
  readonly prefix: string;
  readonly bootstrap: BootstrapOptions;
  /** Pictures of another split, which a temperature is fitted on. */
  readonly held?: EmbeddedDataset | undefined;
}

/** One number that a task gives. */
export interface TaskMetric {
  /** Behind the prefix, such as `imageToText/recall@1`. */
  readonly path: string;
  readonly unit: MetricRow["unit"];
  /** Which of two values is better; the larger one when absent. */
  readonly better?: "smaller";
  /** One sentence for a reader who meets it the first time. */
  readonly description: string;
}

/**
 * Scores of single test items: one number each (1 for right, 0 for wrong), or, where an item has
 * several answers, how many of them are right and how many there are.
 */
export type TaskItems = Uint8Array | { readonly sums: Uint8Array; readonly counts: Uint8Array };

/**
 * What a task keeps of every item of its test set: enough to measure all of its metrics again on any
 * draw of the items.
 */
export interface ItemColumns {
  /** [U] names of the items, each once */
  readonly keys: readonly string[];
  /** [U] items of one number share a source; absent where each is its own */
  readonly clusters?: ArrayLike<number>;
  /** By name, as the kind of task says; most are [U]. */
  readonly columns: Readonly<Record<string, ArrayLike<number>>>;
}

/** Metrics, in the order that was asked for, of a set in which item u occurs `weights[u]` times. */
export type Statistic = (weights: ArrayLike<number>) => number[];

/** Images of class `label` that were taken for `prediction`. */
export interface Confusion {
  readonly label: string;
  readonly prediction: string;
  readonly count: number;
}

/** Accuracy within one class; classes without images are not listed. */
export interface ClassAccuracy {
  readonly index: number;
  readonly name: string;
  /** Images of the class. */
  readonly count: number;
  readonly top1: number;
  readonly top5: number;
}

/** The best answers of every picture, for those who want to see some. */
export interface TaskGuesses {
  /** [C] names of the answers */
  readonly labels: readonly string[];
  /** [N] place of each picture in the data set */
  readonly images: Int32Array;
  /** [N] index of the right answer */
  readonly truths: Int32Array;
  /** Answers kept for each picture, best first. */
  readonly k: number;
  /** [N, k] */
  readonly classes: Int32Array;
  /** [N, k] cosines */
  readonly similarities: Float32Array;
}

/** What every measured task gives. */
export interface MeasuredTask<Task extends TaskFields = TaskFields> {
  readonly task: Task;
  readonly title: string;
  /** What a reader of its numbers must know, in sentences: the templates, what was left out. */
  readonly notes: readonly string[];
  /** The same as plain data, for JSON. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** One for each of the task's metrics, in their order. */
  readonly rows: MetricRow[];
  /** What the rows were measured from. */
  readonly columns: ItemColumns;
  /** By metric key, the items behind it, in the order of the pictures. */
  readonly items: Readonly<Record<string, TaskItems>>;
  /** Of tasks that choose among classes: how often those of each are right. */
  readonly perClass?: readonly ClassAccuracy[];
  /** The most frequent mistakes, of tasks that choose among answers. */
  readonly confusions?: readonly Confusion[];
  readonly guesses?: TaskGuesses;
}

export interface TaskKind<
  Task extends TaskFields = TaskFields,
  Measured extends MeasuredTask = MeasuredTask,
> {
  readonly kind: Task["kind"];
  /** As recipes and files of suites write it, with its defaults. */
  readonly schema: z.ZodObject;
  /** Whether the captions of the set are embedded; without them pictures need none. */
  readonly captions: boolean;
  /** All that tasks of this kind can give. */
  readonly metrics: readonly TaskMetric[];
  /** Those that a task gives, in the order of its rows; all of the kind's when absent. */
  metricsOf?(task: Task): readonly TaskMetric[];
  /** Parts of keys in words, such as `top1`: `top-1 accuracy`. */
  readonly words: Readonly<Record<string, string>>;
  /**
   * Reads what the task names, and looks whether the set has what it needs.
   *
   * path    of the task in its recipe, for messages
   * throws  DataError or SettingError as `measure` would
   */
  check(task: Task, outline: SetOutline, path: string): void | Promise<void>;
  /** throws  DataError for a set that has not what the task needs */
  measure(task: Task, context: TaskContext): Measured | Promise<Measured>;
  /**
   * Metrics from the columns alone: intervals, comparisons and groups are measured with it.
   *
   * paths   of metrics, such as `top1`
   * throws  RangeError for columns that are not those of this kind, or a metric that they do not give
   */
  statistic(items: ItemColumns, paths: readonly string[]): Statistic;
}

/** The fields of a schema that tasks of all kinds have. */
export function taskFields(name: string): {
  name: z.ZodDefault<z.ZodString>;
  title: z.ZodOptional<z.ZodString>;
  language: z.ZodOptional<z.ZodString>;
  cluster: z.ZodOptional<z.ZodString>;
} {
  return {
    name: z.string().default(name).describe("names the task's metrics"),
    title: z.string().optional().describe("heading in the report"),
    language: z
      .string()
      .optional()
      .describe("of its names, templates or captions, such as `de`; averaged over in a suite"),
    cluster: z
      .string()
      .optional()
      .describe("key of a sample's JSON: pictures of one value are resampled together"),
  };
}

interface RowOptions {
  readonly metrics: readonly TaskMetric[];
  statistic(items: ItemColumns, paths: readonly string[]): Statistic;
  readonly columns: ItemColumns;
  readonly prefix: string;
  readonly bootstrap: BootstrapOptions;
  /** What guessing gives; NaN where that has no meaning. */
  readonly chance: (path: string) => number;
  /** Queries or pictures behind a metric. */
  readonly count: (path: string) => number;
}

/** Rows of metrics with their intervals, all from the columns. */
export function measuredRows(options: RowOptions): MetricRow[] {
  const { metrics, columns, prefix, bootstrap, chance, count } = options;
  const paths = metrics.map(({ path }) => path);
  const statistic = options.statistic(columns, paths);
  const units = columns.keys.length;
  const values = statistic(new Uint32Array(units).fill(1));
  const { resamples } = resolveBootstrap(bootstrap);
  const intervals =
    resamples === 0
      ? []
      : bootstrapIntervals(units, statistic, { ...bootstrap, ...ofClusters(columns) });
  const chances = paths.map(chance);
  return toMetrics(values, chances, intervals).map((metric, i) => {
    const { path, unit, better } = metrics[i] as TaskMetric;
    const key = `${prefix}/${path}`;
    return { key, unit, ...(better && { better }), count: count(path), ...metric };
  });
}

function ofClusters({ clusters }: ItemColumns): { clusters?: ArrayLike<number> } {
  return clusters === undefined ? {} : { clusters };
}

/**
 * Of a statistic of all of a kind's metrics, those that were asked for.
 *
 * throws  RangeError for a metric that is none of them
 */
export function pick(
  metrics: readonly TaskMetric[],
  paths: readonly string[],
  all: Statistic,
): Statistic {
  const places = paths.map((path) => {
    const place = metrics.findIndex((metric) => metric.path === path);
    if (place >= 0) return place;
    throw new RangeError(
      `Expected one of ${metrics.map((metric) => metric.path).join(", ")} for a metric but received "${path}"`,
    );
  });
  return (weights) => {
    const values = all(weights);
    return places.map((place) => values[place] as number);
  };
}

/** throws  RangeError where the columns lack it */
export function column({ columns }: ItemColumns, name: string): ArrayLike<number> {
  const found = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (found !== undefined) return found;
  throw new RangeError(
    `Expected a column ${name} of the items but received ${Object.keys(columns).join(", ")}`,
  );
}

/**
 * The clusters of a set's samples, or of those at `images`, by the values of the task's key.
 *
 * throws  DataError for a sample without a value
 */
export function clustersOf(
  { keys, metas }: Pick<EmbeddedDataset, "keys" | "metas">,
  { cluster, name }: TaskFields,
  images?: ArrayLike<number>,
): { clusters?: Int32Array } {
  if (cluster === undefined) return {};
  const numbers = new Map<string, number>();
  const chosen = images === undefined ? [...keys.keys()] : Array.from(images);
  const clusters = Int32Array.from(chosen, (i) => {
    const value = metas[i]?.[cluster];
    if (isAbsent(value)) throw noValue(cluster, name, keys[i] ?? "");
    const text = formatJson(value);
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    return number;
  });
  return { clusters };
}

function noValue(cluster: string, task: string, key: string): DataError {
  return new DataError(
    `Expected a value of ${cluster} for the cluster of task ${task} but sample ${key} has none; ` +
      "name a key that all samples have, or leave cluster out",
    { source: key, key },
  );
}

/**
 * Of a task with a language, whether the model can write it: before anyone trusts a number.
 *
 * of   what the texts are, such as `class names`
 */
export function coverageOf(
  embedder: Embedder,
  { language }: TaskFields,
  texts: readonly string[],
  of: string,
): { notes: string[]; facts: Record<string, unknown> } {
  if (language === undefined || embedder.coverage === undefined) return { notes: [], facts: {} };
  const coverage = embedder.coverage(texts, language);
  return { notes: [coverageText(coverage, `the ${of} in ${language}`)], facts: { coverage } };
}
