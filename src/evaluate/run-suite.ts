/** A suite: one held-out set and the tasks measured on it. Gets an embedder, never a model. */
import type { BootstrapOptions } from "../arrays/bootstrap.ts";
import type { LoaderOptions } from "../data/loader/options.ts";
import { embedDataset, type EmbeddedDataset } from "../inference/features/embed-dataset.ts";
import type { Embedder } from "../inference/features/embed-dataset.ts";
import type { Where } from "../inference/features/fits-where.ts";
import { taskKindOf, type SuiteTask, type TaskResult } from "./tasks/index.ts";

export interface Suite {
  name: string;
  title?: string | undefined;
  source: LoaderOptions["source"];
  where?: Where | undefined;
  tasks: readonly SuiteTask[];
}

export interface SuiteResult {
  name: string;
  title: string;
  dataset: EmbeddedDataset;
  tasks: TaskResult[];
}

interface RunSuiteOptions {
  /** How pictures and captions are read; the suite brings the source. */
  loader: Omit<LoaderOptions, "source" | "mode">;
  bootstrap?: BootstrapOptions;
  /** Pictures kept for a report. Default 0. */
  pictures?: number;
  /** Pictures of another split, which a temperature is fitted on. */
  held?: EmbeddedDataset | undefined;
  onProgress?: ((pictures: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Embeds the suite's set and measures every task. Metric keys are `<suite>/<task>/<metric>`.
 *
 * throws  DataError for a sample whose answer is not one of the classes, classes that cannot be read or
 *         told apart, an empty set, or an image without a caption where retrieval is measured
 */
export async function runSuite(
  suite: Suite,
  embedder: Embedder,
  { loader, bootstrap = {}, pictures = 0, held, onProgress, signal }: RunSuiteOptions,
): Promise<SuiteResult> {
  const dataset = await embedDataset(embedder, {
    loader: { ...loader, source: suite.source },
    where: suite.where,
    captions: suite.tasks.some((task) => taskKindOf(task).captions),
    ...{ pictures, onProgress, signal },
  });
  const tasks: TaskResult[] = [];
  for (const task of suite.tasks) {
    const context = { dataset, embedder, prefix: `${suite.name}/${task.name}`, bootstrap, held };
    tasks.push((await taskKindOf(task).measure(task, context)) as TaskResult);
  }
  return { name: suite.name, title: suite.title ?? suite.name, dataset, tasks };
}
