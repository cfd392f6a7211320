/** Measures a model on a whole suite: set after set, past those that are missing or damaged. */
import {
  bootstrapSamples,
  quantile,
  resolveBootstrap,
  type BootstrapOptions,
  type Interval,
} from "../arrays/bootstrap.ts";
import type { LoaderOptions } from "../data/loader/options.ts";
import type { SourceSpec } from "../data/sources/source-spec.ts";
import { DataError, didYouMean, HubError, SettingError } from "../errors.ts";
import { embedDataset, type Embedder } from "../inference/features/embed-dataset.ts";
import { defaultCacheRoot } from "../inference/features/identity.ts";
import { modelEmbedder } from "../inference/features/model-embedder.ts";
import { isRemembered } from "../inference/features/remembered-dataset.ts";
import type { Precision } from "../inference/encoder.ts";
import { loadModel, type LoadModelOptions } from "../inference/load-model.ts";
import type { Device } from "../torch/index.ts";
import { checkSuite } from "./check-suite.ts";
import { liftOverChance } from "./metrics/lift.ts";
import type { MetricRow } from "./metric-table.ts";
import { runSuite, type Suite } from "./run-suite.ts";
import {
  resultsFormat,
  type Average,
  type MetricResult,
  type SetResult,
  type SuiteResults,
  type TaskRecord,
} from "./suite-results.ts";
import { metricsOf, taskKindOf, type SuiteTask } from "./tasks/index.ts";
import type { MeasuredTask } from "./tasks/task.ts";

/** A set of a suite, before anything of it is read. */
export interface SetToMeasure {
  /** Unique in the suite. */
  readonly name: string;
  readonly title: string;
  /** `<task>/<path>` of the number that stands for the set; undefined where it is in no average. */
  readonly main?: string | undefined;
  /** Of the main number, where it was published; else what the task says. */
  readonly chance?: number | undefined;
  /**
   * What is measured, and where; or why it cannot be.
   *
   * throws  DataError for a set that is damaged
   */
  open(): Promise<OpenedSet> | OpenedSet;
}

export type OpenedSet =
  | { readonly missing: string }
  | {
      readonly suite: Suite;
      /** What a reader of its numbers must know. */
      readonly notes?: readonly string[];
      /** Another split, which a temperature is fitted on. */
      readonly held?: SourceSpec | undefined;
    };

/** A mean of sets' main numbers. */
export interface AverageOf {
  readonly name: string;
  readonly title: string;
  /** Names of sets. */
  readonly of: readonly string[];
}

export interface EvaluateSuiteOptions {
  /** What `loadModel` takes. */
  readonly model: string;
  /** What its files do not say, and how it is fetched. */
  readonly load?: Omit<LoadModelOptions, "device" | "precision" | "prepare" | "identify">;
  readonly suite: { readonly name: string; readonly title: string };
  readonly sets: readonly SetToMeasure[];
  readonly averages?: readonly AverageOf[];
  readonly batchSize?: number;
  readonly device?: Device;
  readonly precision?: Precision;
  readonly maxPixels?: number;
  readonly bootstrap?: Omit<BootstrapOptions, "clusters">;
  /**
   * Folder that keeps embeddings from one run to the next; null to keep none. Default: `features` in the user's
   * cache, see `defaultCacheRoot`.
   */
  readonly cache?: string | null;
  /** Whether the results hold the items behind the numbers, by which models are compared. Default true. */
  readonly items?: boolean;
  /** Called before a set is opened, with how many are done. */
  readonly onSet?: (set: SetToMeasure, done: number) => void;
  /** Called as pictures of a set are embedded. */
  readonly onPictures?: (set: SetToMeasure, done: number) => void;
  /** Called with every set's result as it is there. */
  readonly onResult?: (result: SetResult, done: number) => void;
  /** Ends the run after the batch; what was embedded is kept. */
  readonly signal?: AbortSignal;
}

/**
 * Embeds each set once for all of its tasks, with a cache once for all runs. A set that is missing or damaged is
 * recorded as such, with the reason.
 *
 * throws  as loadModel does; RangeError for options of the bootstrap that cannot be; the signal's reason
 */
export async function evaluateSuite(options: EvaluateSuiteOptions): Promise<SuiteResults> {
  const { suite, sets, averages = [], device = "cpu", precision = "float32" } = options;
  const { level } = resolveBootstrap(options.bootstrap ?? {});
  const load = { ...options.load, device, precision, identify: true };
  const loaded = await loadModel(options.model, load);
  try {
    const { encoder, tokenizer, identity } = loaded;
    if (identity === undefined) throw new Error("internal: a model without its identity");
    const root = options.cache === undefined ? defaultCacheRoot("features") : options.cache;
    const embedder = modelEmbedder(loaded, root);
    const loader = {
      transform: encoder.transform,
      tokenizer: tokenizer.description,
      batchSize: options.batchSize ?? 64,
      ...(options.maxPixels !== undefined && { maxPixels: options.maxPixels }),
    };
    const run = new SuiteRun(options, embedder, loader);
    const results: SetResult[] = [];
    for (const set of sets) {
      options.signal?.throwIfAborted();
      options.onSet?.(set, results.length);
      const result = await run.measure(set, results.length);
      results.push(result);
      options.onResult?.(result, results.length);
    }
    return {
      ...resultsFormat,
      suite: { name: suite.name, title: suite.title },
      model: {
        name: options.model,
        fingerprint: identity.fingerprint,
        precision,
        layout: loaded.layout,
        family: loaded.family,
        parameters: identity.parameters,
      },
      finished: new Date().toISOString(),
      level,
      sets: results,
      averages: averages.map((average) => run.average(average, results)),
      languages: languagesOf(results),
    };
  } finally {
    loaded.dispose();
  }
}

class SuiteRun {
  readonly #options: EvaluateSuiteOptions;
  readonly #embedder: Embedder;
  readonly #loader: Omit<LoaderOptions, "source" | "mode">;
  /** Of each set's main number, its value in every resample. */
  readonly #samples = new Map<string, Float64Array>();

  constructor(
    options: EvaluateSuiteOptions,
    embedder: Embedder,
    loader: Omit<LoaderOptions, "source" | "mode">,
  ) {
    this.#options = options;
    this.#embedder = embedder;
    this.#loader = loader;
  }

  async measure(set: SetToMeasure, index: number): Promise<SetResult> {
    const { name, title, main } = set;
    const head = { name, title, ...(main !== undefined && { main }) };
    const started = performance.now();
    try {
      const opened = await set.open();
      if ("missing" in opened) {
        return { ...head, state: "missing", reason: opened.missing, tasks: [] };
      }
      checkMain(set, opened.suite.tasks);
      const measured = await this.#measureOpened(set, opened, index);
      const seconds = (performance.now() - started) / 1000;
      return { ...head, state: "measured", notes: opened.notes ?? [], seconds, ...measured };
    } catch (error) {
      if (!isOfTheSet(error)) throw error;
      return { ...head, state: "damaged", reason: error.message, tasks: [] };
    }
  }

  async #measureOpened(
    set: SetToMeasure,
    { suite, held }: Exclude<OpenedSet, { missing: string }>,
    index: number,
  ): Promise<Pick<SetResult, "samples" | "tasks">> {
    const { signal, onPictures, bootstrap = {}, items = true } = this.#options;
    const loader = this.#loader;
    const { cache } = this.#embedder;
    const reading = { ...loader, source: suite.source };
    // What was embedded before was looked at before.
    if (cache === undefined || !(await isRemembered(cache, reading))) await checkSuite(suite);
    const following = {
      signal,
      onProgress: (done: number) => onPictures?.(set, done),
    };
    const other =
      held &&
      (await embedDataset(this.#embedder, {
        loader: { ...loader, source: held },
        captions: false,
        ...following,
      }));
    const { dataset, tasks } = await runSuite(suite, this.#embedder, {
      loader,
      bootstrap: { ...bootstrap, seed: (bootstrap.seed ?? 0) + index },
      held: other,
      ...following,
    });
    this.#keepSamples(set, tasks, index);
    const records = tasks.map((task) => recordOf(task, suite.name, { set, items }));
    return { samples: dataset.keys.length, tasks: records };
  }

  #keepSamples(set: SetToMeasure, tasks: readonly MeasuredTask[], index: number): void {
    const { bootstrap = {} } = this.#options;
    const [name, path] = splitMain(set.main);
    const task = tasks.find((one) => one.task.name === name);
    if (task === undefined || resolveBootstrap(bootstrap).resamples === 0) return;
    const statistic = taskKindOf(task.task).statistic(task.columns, [path]);
    const { clusters, keys } = task.columns;
    const [samples] = bootstrapSamples(keys.length, statistic, {
      ...bootstrap,
      seed: (bootstrap.seed ?? 0) + index,
      ...(clusters === undefined ? {} : { clusters }),
    });
    if (samples !== undefined) this.#samples.set(set.name, Float64Array.from(samples));
  }

  /** The plain mean of the main numbers that are there; its interval from resamples of each set. */
  average({ name, title, of }: AverageOf, results: readonly SetResult[]): Average {
    const found = results.flatMap((set) => {
      const value = of.includes(set.name) ? mainOf(set)?.value : undefined;
      return value === undefined || value === null ? [] : [{ set: set.name, value }];
    });
    const value = found.length === 0 ? null : meanOf(found.map((one) => one.value));
    const { level } = resolveBootstrap(this.#options.bootstrap ?? {});
    const samples = found.map(({ set }) => this.#samples.get(set));
    const interval = intervalOf(samples, level);
    return { name, title, value, ...interval, of: of.length, measured: found.length };
  }
}

function intervalOf(
  samples: readonly (Float64Array | undefined)[],
  level: number,
): Partial<Interval> {
  if (samples.length === 0 || samples.includes(undefined)) return {};
  const [head] = samples;
  // A resample in which a number is undefined, such as a group without items, says nothing about the mean.
  const means = Float64Array.from(head ?? [], (_, i) =>
    meanOf(samples.map((one) => one?.[i] ?? NaN)),
  )
    .filter((mean) => !Number.isNaN(mean))
    .sort();
  if (means.length === 0) return {};
  return { low: quantile(means, (1 - level) / 2), high: quantile(means, (1 + level) / 2) };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A mistake of the set's files, or of what is said about them; anything else is the run's. */
function isOfTheSet(error: unknown): error is Error {
  return [DataError, SettingError, HubError].some((kind) => error instanceof kind);
}

function splitMain(main: string | undefined): [task: string, path: string] {
  const at = main?.indexOf("/") ?? -1;
  return main === undefined || at < 0 ? ["", ""] : [main.slice(0, at), main.slice(at + 1)];
}

/** throws  DataError for two tasks of one name, or a main number that none of them gives */
function checkMain({ name: set, main }: SetToMeasure, tasks: readonly SuiteTask[]): void {
  const names = tasks.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new DataError(
      `Expected one task called "${twice}" of ${set} but received two; give one another name`,
      { source: set },
    );
  }
  const [name, path] = splitMain(main);
  const known = tasks.flatMap((task) => metricsOf(task).map((one) => `${task.name}/${one.path}`));
  const task = tasks.find((one) => one.name === name);
  const has = task !== undefined && metricsOf(task).some((one) => one.path === path);
  if (main === undefined || has) return;
  throw new DataError(
    `Expected <task>/<metric> for main of ${set} but received "${main}"; ` +
      (didYouMean(main, known).trim() || `its tasks give ${known.join(", ")}`),
    { source: set },
  );
}

/** The number that stands for a set; undefined where it has none. */
export function mainOf({
  main,
  tasks,
}: Pick<SetResult, "main" | "tasks">): MetricResult | undefined {
  const [name, path] = splitMain(main);
  return tasks.find((task) => task.name === name)?.metrics[path];
}

function recordOf(
  measured: MeasuredTask,
  suite: string,
  { set, items }: { set: SetToMeasure; items: boolean },
): TaskRecord {
  const { task, rows, notes, facts, columns, confusions, perClass } = measured;
  const prefix = `${suite}/${task.name}/`;
  const metrics = rows.map((row): [string, MetricResult] => {
    const path = row.key.slice(prefix.length);
    const published = set.main === `${task.name}/${path}` ? set.chance : undefined;
    return [path, metricResult(row, published)];
  });
  return {
    name: task.name,
    kind: task.kind,
    title: measured.title,
    ...(task.language !== undefined && { language: task.language }),
    metrics: Object.fromEntries(metrics),
    notes: [...notes],
    facts: { ...facts },
    ...(perClass && { perClass }),
    ...(confusions && { confusions }),
    ...(items && {
      items: {
        keys: [...columns.keys],
        ...(columns.clusters && { clusters: Array.from(columns.clusters) }),
        columns: Object.fromEntries(
          Object.entries(columns.columns).map(([name, values]) => [
            name,
            Array.from(values, finite),
          ]),
        ),
      },
    }),
  };
}

function metricResult(row: MetricRow, published: number | undefined): MetricResult {
  const { value, interval, count, unit, better = "larger" } = row;
  const chance = published ?? row.chance;
  const hasLift = unit === "share" && better === "larger" && chance < 1;
  return {
    value: finite(value),
    ...(interval && { low: finite(interval.low), high: finite(interval.high) }),
    chance: finite(chance),
    ...(hasLift && { lift: finite(liftOverChance(value, chance)) }),
    count,
    unit,
    better,
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/**
 * Of tasks that differ in language alone, in one set or in sets called `<name>/<language>`: the first metric of
 * each, or the main one, its mean and its worst language.
 */
function languagesOf(results: readonly SetResult[]): LanguageResult[] {
  const groups = new Map<string, { set: string; main: string | undefined; task: TaskRecord }[]>();
  for (const { name, main, tasks } of results) {
    for (const task of tasks) {
      const { kind, language } = task;
      if (language === undefined) continue;
      const set = name.endsWith(`/${language}`) ? name.slice(0, -language.length - 1) : name;
      const key = JSON.stringify([set, kind]);
      groups.set(key, [...(groups.get(key) ?? []), { set, main: splitMain(main)[1], task }]);
    }
  }
  return [...groups.values()].flatMap((group) => {
    const [{ set, main, task } = { set: "", main: "", task: undefined }] = group;
    const known = main !== undefined && group.every((one) => one.task.metrics[main] !== undefined);
    const metric = known ? main : (Object.keys(task?.metrics ?? {})[0] ?? "");
    const rows = group.map(({ task: { language = "", metrics } }) => ({
      language,
      ...metrics[metric],
    }));
    const values = rows.flatMap(({ value }) => (typeof value === "number" ? [value] : []));
    if (task === undefined || values.length < 2) return [];
    const least = Math.min(...values);
    const language = rows.find(({ value }) => value === least)?.language ?? "";
    const worst = { language, value: least };
    return [{ set, kind: task.kind, metric, mean: meanOf(values), worst, rows }];
  });
}

type LanguageResult = NonNullable<SuiteResults["languages"]>[number];
