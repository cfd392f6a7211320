/** From sets as data to sets that are measured: where they are, how they are read, and their tasks in full. */
import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";

import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { sourceOfPath } from "../../data/source-of-path.ts";
import { DataError } from "../../errors.ts";
import { isDatasetReference } from "../../hub/reference.ts";
import type { OpenedSet, SetToMeasure } from "../evaluate-suite.ts";
import { taskSchema, type SuiteTask } from "../tasks/index.ts";
import { isBenchmarkSet, openBenchmarkSet, type BenchmarkSet } from "./benchmark-set.ts";
import { fetchSet, type FetchSetOptions } from "./hub-set.ts";
import { readLanguages } from "./languages.ts";
import type { SetDefinition, SuiteDefinition, TaskDefinition } from "./suite.ts";

export interface OpenSuiteOptions {
  /** Folder of the sets' folders; sets that say where they are need none. */
  readonly root?: string | undefined;
  /** Folder of class names and templates in other languages, see `readLanguages`. */
  readonly languages?: string | undefined;
  /** Whether calibration is measured. */
  readonly calibration?: boolean | undefined;
  /** Split that temperatures are fitted on, in sets that have it; see `calibrationColumns`. */
  readonly held?: string | undefined;
  /** In place of the sets' own, for classification by names. */
  readonly templates?: readonly string[] | undefined;
  /** How sets that are named by `hf://datasets/...` are fetched. */
  readonly hub?: FetchSetOptions | undefined;
}

/** A suite's sets as `evaluateSuite` takes them. Nothing is read before a set is opened. */
export function setsToMeasure(suite: SuiteDefinition, options: OpenSuiteOptions): SetToMeasure[] {
  return suite.sets.map((set) => ({
    name: set.name,
    title: set.title,
    main: set.main,
    chance: set.chance,
    open: () => openSet(set, options),
  }));
}

/** Where a set is: its own place, or the first of its folders under the root; undefined where it is nowhere. */
export function placeOf(
  { at, folders = [] }: Partial<Pick<SetDefinition, "at" | "folders">>,
  root?: string,
): string | undefined {
  if (at !== undefined) {
    return isDatasetReference(at) || existsSync(at) || !isPlain(at) ? at : undefined;
  }
  const places = root === undefined ? [] : folders.map((name) => join(root, name));
  return places.find((place) => existsSync(place));
}

/** Whether a path is no pattern of several files. */
function isPlain(path: string): boolean {
  return !/[*?[{]/.test(path);
}

/**
 * The set with its tasks, or why it is not there.
 *
 * throws  DataError or SettingError for one that is damaged; HubError for one of the hub that cannot be fetched
 */
export async function openSet(set: SetDefinition, options: OpenSuiteOptions): Promise<OpenedSet> {
  const found = placeOf(set, options.root);
  if (found === undefined) return { missing: whyMissing(set, options.root) };
  const place = isDatasetReference(found)
    ? await fetchSet(found, { ...options.hub, split: set.split })
    : found;
  const read = readSet(set, place);
  if (read === undefined) {
    throw new DataError(
      `Expected a set of CLIP_benchmark, a folder, a table, Parquet or shards for ${set.name} but received ` +
        `${place}; describe it by its source`,
      { source: place },
    );
  }
  const { source, benchmark } = read;
  const definitions = set.tasks.length > 0 ? set.tasks : tasksOf(benchmark);
  const tasks = definitions.flatMap((one) => {
    const task = completed(withPlaces(one, place), benchmark);
    return [task, ...inLanguages(task, set, options)];
  });
  const asked =
    options.templates === undefined ? tasks : tasks.map((task) => withTemplates(task, options));
  const measured = options.calibration === true ? asked.map(withCalibration) : asked;
  const held = benchmark && options.held ? heldSplit(set, benchmark, options.held) : undefined;
  return {
    suite: { name: set.name, title: set.title, source, tasks: measured },
    notes: benchmark?.notes ?? [],
    held,
  };
}

function whyMissing({ at, folders }: SetDefinition, root: string | undefined): string {
  if (at !== undefined) return `${at} does not exist`;
  if (root === undefined) return "no folder of sets was given";
  const last = folders.at(-1) ?? "";
  const names = folders.length > 1 ? `${folders.slice(0, -1).join(", ")} or ${last}` : last;
  return `no ${names} in ${root}`;
}

/** How a set is read; undefined for a place that is no source. */
export function readSet(
  set: SetDefinition,
  place: string,
): { source: SourceSpec; benchmark?: BenchmarkSet } | undefined {
  const { source, split, npyColumns, at } = set;
  if (source !== undefined) return { source: sourceAt(source, place) };
  // A place that a user names may be of any kind; folders of published sets are of this one.
  if (at === undefined || isBenchmarkSet(place, split)) {
    const benchmark = openBenchmarkSet(place, {
      ...(split !== undefined && { split }),
      npyColumns,
    });
    return { source: benchmark.source, benchmark };
  }
  const guessed = sourceOfPath(place);
  return guessed && { source: guessed };
}

/** A description whose paths start at a folder. */
export function sourceAt(source: SourceSpec, folder: string): SourceSpec {
  const place = (path: string): string => (isAbsolute(path) ? path : join(folder, path));
  const places = (paths: string | string[]): string | string[] =>
    typeof paths === "string" ? place(paths) : paths.map(place);
  switch (source.kind) {
    case "webdataset":
      return { ...source, shards: places(source.shards) };
    case "parquet":
      return {
        ...source,
        files: places(source.files),
        ...(source.root !== undefined && { root: place(source.root) }),
      };
    case "table":
      return {
        ...source,
        file: place(source.file),
        ...(source.root !== undefined && { root: place(source.root) }),
      };
    case "folder":
      return { ...source, directory: place(source.directory) };
  }
}

/** The files that a task names, from the set's folder on, where they are there. */
function withPlaces(task: TaskDefinition, folder: string): TaskDefinition {
  const fields = ["classes", "instances", "candidates", "templates"] as const;
  const given = task as unknown as Record<string, unknown>;
  const placed = fields.flatMap((field) => {
    const value = given[field];
    const path = typeof value === "string" && !isAbsolute(value) ? join(folder, value) : undefined;
    return path !== undefined && existsSync(path) ? [[field, path]] : [];
  });
  return { ...task, ...Object.fromEntries(placed) } as TaskDefinition;
}

/** What is measured where nothing is asked for. */
function tasksOf(benchmark: BenchmarkSet | undefined): readonly TaskDefinition[] {
  if (benchmark?.type === "multilabel") return [{ kind: "multilabel" }];
  const isRetrieval = benchmark === undefined || benchmark.type === "retrieval";
  return [{ kind: isRetrieval ? "retrieval" : "zeroShot" }];
}

/** A task with the set's own classes and templates, and with all defaults. */
function completed(task: TaskDefinition, benchmark: BenchmarkSet | undefined): SuiteTask {
  const needsClasses = task.kind === "zeroShot" || task.kind === "multilabel";
  const own =
    needsClasses && task.classes === undefined && benchmark !== undefined
      ? {
          classes: benchmark.folder,
          // Published numbers are with the set's templates, whatever a model's own are.
          templates: benchmark.templates === undefined ? undefined : [...benchmark.templates],
        }
      : {};
  const defined = Object.fromEntries(
    Object.entries({ ...own, ...task }).filter(([, value]) => value !== undefined),
  );
  const { success, data, error } = taskSchema.safeParse(defined);
  if (success) return data;
  const [issue] = error.issues;
  throw new DataError(
    `Expected a whole task of kind ${task.kind} but received one whose ${issue?.path.join(".")} is wrong ` +
      `(${issue?.message}); correct it`,
    { source: task.kind },
  );
}

function withCalibration(task: SuiteTask): SuiteTask {
  if (task.kind !== "zeroShot" || task.language !== undefined) return task;
  return { ...task, also: [...new Set([...(task.also ?? []), "calibration" as const])] };
}

function withTemplates(task: SuiteTask, { templates }: OpenSuiteOptions): SuiteTask {
  if (templates === undefined || task.language !== undefined) return task;
  if (task.kind !== "zeroShot" && task.kind !== "multilabel") return task;
  return { ...task, templates: [...templates] };
}

/** throws  DataError for the split that is measured; undefined where the set has not this one */
function heldSplit(
  { name, npyColumns }: SetDefinition,
  { folder, split }: BenchmarkSet,
  held: string,
): SourceSpec | undefined {
  const place = join(folder, held);
  if (place === split) {
    throw new DataError(
      `Expected another split than ${held} of ${name} to fit temperatures on, as it is the one that is ` +
        "measured; name another, or none",
      { source: place },
    );
  }
  if (!existsSync(join(place, "nshards.txt"))) return undefined;
  return openBenchmarkSet(folder, { split: held, npyColumns }).source;
}

/** The same task by the names of other languages, where a set has some. */
function inLanguages(
  task: SuiteTask,
  set: SetDefinition,
  { languages }: OpenSuiteOptions,
): SuiteTask[] {
  if (languages === undefined || task.kind !== "zeroShot") return [];
  const found = readLanguages(languages, set.name, { classes: set.classes, missing: "none" });
  return found.map(({ language, classes, templates }) => ({
    ...task,
    name: `${task.name}-${language}`,
    language,
    classes,
    ...(templates !== undefined && { templates }),
  }));
}
