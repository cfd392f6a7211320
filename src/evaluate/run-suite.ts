/** A suite: one held-out set and the tasks measured on it. Gets an embedder, never a model. */
import { readFileSync } from "node:fs";

import type { LoaderOptions } from "../data/loader/options.ts";
import { DataError } from "../errors.ts";
import type { BootstrapOptions } from "../arrays/bootstrap.ts";
import { classifierWeights } from "../inference/classifier-weights.ts";
import { embedDataset, type EmbeddedDataset, type Where } from "../inference/embed-dataset.ts";
import type { Embedder } from "../inference/embedder.ts";
import { retrieval, type RetrievalResult } from "./retrieval.ts";
import { retrievalRows, zeroShotRows, type MetricRow } from "./table.ts";
import type { TemplateChoice } from "../inference/templates.ts";
import { zeroShotClassification, type ZeroShotResult } from "./zero-shot.ts";

/** A class by its name, by several, or by the answer that samples give and the names to ask for. */
export type ClassDescription =
  string | readonly string[] | { key: string; names: readonly string[] };

export interface ZeroShotTask {
  kind: "zeroShot";
  name: string;
  title?: string | undefined;
  classes: string | readonly ClassDescription[];
  answer: string;
  templates: TemplateChoice;
}

export interface RetrievalTask {
  kind: "retrieval";
  name: string;
  title?: string | undefined;
}

export interface Suite {
  name: string;
  title?: string | undefined;
  source: LoaderOptions["source"];
  where?: Where | undefined;
  tasks: readonly (ZeroShotTask | RetrievalTask)[];
}

export type TaskResult = { title: string; rows: MetricRow[] } & (
  | {
      kind: "zeroShot";
      task: ZeroShotTask;
      result: ZeroShotResult;
      /** First name of every class. */
      labels: readonly string[];
      /** [N] index of the true class of every image. */
      truths: Int32Array;
    }
  | { kind: "retrieval"; task: RetrievalTask; result: RetrievalResult }
);

export interface SuiteResult {
  name: string;
  title: string;
  dataset: EmbeddedDataset;
  tasks: TaskResult[];
}

export interface RunSuiteOptions {
  /** How pictures and captions are read; the suite brings the source. */
  loader: Omit<LoaderOptions, "source" | "mode">;
  bootstrap?: BootstrapOptions;
  /** Pictures kept for a report. Default 0. */
  pictures?: number;
}

/**
 * Embeds the suite's set and measures every task. Metric keys are `<suite>/<task>/<metric>`.
 *
 * throws  DataError for a sample whose answer is none of the classes, classes that cannot be read or
 *         told apart, an empty set, or an image without a caption where retrieval is measured
 */
export async function runSuite(
  suite: Suite,
  embedder: Embedder,
  { loader, bootstrap = {}, pictures = 0 }: RunSuiteOptions,
): Promise<SuiteResult> {
  const dataset = await embedDataset(embedder, {
    loader: { ...loader, source: suite.source },
    where: suite.where,
    // Images with labels alone can be classified.
    captions: suite.tasks.some(({ kind }) => kind === "retrieval"),
    pictures,
  });
  const tasks: TaskResult[] = [];
  for (const task of suite.tasks) {
    const prefix = `${suite.name}/${task.name}`;
    tasks.push(
      task.kind === "zeroShot"
        ? await zeroShot(task, dataset, embedder, { prefix, bootstrap })
        : measureRetrieval(task, dataset, embedder, { prefix, bootstrap }),
    );
  }
  return { name: suite.name, title: suite.title ?? suite.name, dataset, tasks };
}

interface TaskOptions {
  prefix: string;
  bootstrap: BootstrapOptions;
}

async function zeroShot(
  task: ZeroShotTask,
  dataset: EmbeddedDataset,
  embedder: Embedder,
  { prefix, bootstrap }: TaskOptions,
): Promise<TaskResult> {
  const classes = readClasses(task.classes);
  const { weights, labels } = await classifierWeights({
    classes: classes.map(({ names }) => names),
    templates: task.templates,
    embedTexts: (texts) => Promise.resolve(embedder.embedTexts(texts)),
  });
  const truths = answers(task, dataset, classes);
  const result = zeroShotClassification({
    imageEmbeddings: dataset.imageEmbeddings,
    labels: truths,
    classWeights: weights,
    classNames: labels,
    similarities: embedder.similarities,
    bootstrap,
  });
  const title = task.title ?? task.name;
  const rows = zeroShotRows(result, prefix);
  return { kind: "zeroShot", task, title, result, labels, truths, rows };
}

function measureRetrieval(
  task: RetrievalTask,
  dataset: EmbeddedDataset,
  embedder: Embedder,
  { prefix, bootstrap }: TaskOptions,
): TaskResult {
  const result = retrieval({ ...dataset, similarities: embedder.similarities, bootstrap });
  return {
    kind: "retrieval",
    task,
    title: task.title ?? task.name,
    result,
    rows: retrievalRows(result, prefix),
  };
}

interface NamedClass {
  key: string;
  names: readonly string[];
}

export function readClasses(classes: ZeroShotTask["classes"]): NamedClass[] {
  const list = typeof classes === "string" ? readClassFile(classes) : classes;
  const source = typeof classes === "string" ? classes : "classes";
  const seen = new Set<string>();
  return list.map((entry, index) => {
    const named = namedClass(entry);
    if (named !== undefined && !seen.has(named.key)) {
      seen.add(named.key);
      return named;
    }
    throw new DataError(
      `Expected ${named ? "another answer" : "a name, a list of names or { key, names }"} for class ` +
        `${index} of ${source} but received ${JSON.stringify(entry)}${named ? " again" : ""}; correct the list`,
      { source, key: String(index) },
    );
  });
}

/** Undefined for what is no class: a file may hold anything. */
function namedClass(entry: ClassDescription): NamedClass | undefined {
  if (isName(entry)) return { key: entry, names: [entry] };
  if (isNames(entry)) return { key: entry[0] as string, names: entry };
  if (typeof entry !== "object" || entry === null || !("key" in entry)) return undefined;
  return typeof entry.key === "string" && isNames(entry.names) ? entry : undefined;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isName);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function readClassFile(file: string): readonly ClassDescription[] {
  try {
    const list = JSON.parse(readFileSync(file, "utf8")) as unknown;
    if (Array.isArray(list)) return list as ClassDescription[];
    throw new TypeError("not an array");
  } catch (cause) {
    throw new DataError(
      `Expected a JSON array of classes in ${file} but could not read one; ` +
        'write names such as ["cat", ["dog", "hound"], {"key": "sheep", "names": ["sheep"]}]',
      { source: file },
      { cause },
    );
  }
}

function answers(
  task: ZeroShotTask,
  dataset: EmbeddedDataset,
  classes: readonly NamedClass[],
): Int32Array {
  const index = new Map(classes.map(({ key }, i) => [key, i]));
  return Int32Array.from(dataset.keys, (key, i) => {
    const answer = task.answer === "label" ? dataset.labels[i] : dataset.metas[i]?.[task.answer];
    const found = index.get(String(answer));
    if (found !== undefined) return found;
    throw new DataError(
      `Expected one of ${classes.length} classes for ${task.answer} of sample ${key} but received ` +
        `${JSON.stringify(answer)}; add the class, or name another key as answer`,
      { source: key, key },
    );
  });
}
