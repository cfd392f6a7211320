/**
 * What a kind of evaluation task declares: its schema, what it needs, how it measures, and the words
 * of its metrics. Recipes, suites, reports and studies know tasks by this alone and never ask which
 * kind one is.
 */
import { z } from "zod";
import type { BootstrapOptions } from "../../arrays/bootstrap.ts";
import type { EmbeddedDataset } from "../../inference/embed-dataset.ts";
import type { Embedder } from "../../inference/embed-dataset.ts";
import type { MetricRow } from "../metric-table.ts";

/** What every task has, in a recipe as in a call. */
export interface TaskFields {
  kind: string;
  /** Part of its metrics' keys, `<suite>/<name>/<metric>`. */
  name: string;
  title?: string | undefined;
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
}

/** One number that a task gives. */
export interface TaskMetric {
  /** Behind the prefix, such as `imageToText/recall@1`. */
  readonly path: string;
  /** Of shares the larger is better, of ranks the smaller. */
  readonly unit: MetricRow["unit"];
  /** One sentence for a reader who meets it the first time. */
  readonly description: string;
}

/**
 * Scores of single test items: one number each (1 for right, 0 for wrong), or, where an item has
 * several answers, how many of them are right and how many there are.
 */
export type TaskItems = Uint8Array | { readonly sums: Uint8Array; readonly counts: Uint8Array };

/** Images of class `label` that were taken for `prediction`. */
export interface Confusion {
  readonly label: string;
  readonly prediction: string;
  readonly count: number;
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
  /** One for each of the kind's metrics, in their order. */
  readonly rows: MetricRow[];
  /** By metric key, the items behind it, in the order of the pictures. */
  readonly items: Readonly<Record<string, TaskItems>>;
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
  /** In the order of the rows. */
  readonly metrics: readonly TaskMetric[];
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
}

/** The fields of a schema that tasks of all kinds have. */
export function taskFields(name: string): {
  name: z.ZodDefault<z.ZodString>;
  title: z.ZodOptional<z.ZodString>;
} {
  return {
    name: z.string().default(name).describe("names the task's metrics"),
    title: z.string().optional().describe("heading in the report"),
  };
}

/** The rows of a kind's metrics from their numbers in the same order. */
export function metricRows(
  metrics: readonly TaskMetric[],
  prefix: string,
  numbers: readonly Omit<MetricRow, "key" | "unit">[],
): MetricRow[] {
  return metrics.map(({ path, unit }, i) => ({
    key: `${prefix}/${path}`,
    unit,
    ...(numbers[i] as Omit<MetricRow, "key" | "unit">),
  }));
}

/** [N] 1 where a rank is `k` or better. */
export function within(ranks: Int32Array, k: number): Uint8Array {
  return Uint8Array.from(ranks, (rank) => (rank <= k ? 1 : 0));
}
