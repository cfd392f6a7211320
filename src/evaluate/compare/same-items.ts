/**
 * Whether two files of results are of the same sets, tasks, items and right answers: only then a
 * difference is one between models.
 */
import { DataError } from "../../errors.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { formatJson } from "../../files/json-text.ts";
import type { MetricResult, SetResult, SuiteResults, TaskRecord } from "../suite-results.ts";
import { taskKindOf } from "../tasks/index.ts";
import type { ItemColumns, Statistic } from "../tasks/task.ts";

/** Results and the file that they are from, for messages. */
export interface ResultsOf {
  readonly file: string;
  readonly results: SuiteResults;
}

/** The two files, for messages. */
export type Files = readonly [first: string, second: string];

/** Sets that both have measured. throws  DataError where there is none */
export function commonSets(
  first: ResultsOf,
  second: ResultsOf,
): { pairs: [SetResult, SetResult][]; leftOut: { name: string; reason: string }[] } {
  const others = new Map(second.results.sets.map((set) => [set.name, set]));
  const pairs: [SetResult, SetResult][] = [];
  const leftOut: { name: string; reason: string }[] = [];
  for (const set of first.results.sets) {
    const other = others.get(set.name);
    others.delete(set.name);
    const { name } = set;
    if (other === undefined) leftOut.push({ name, reason: `not in ${second.file}` });
    else if (set.state !== "measured")
      leftOut.push({ name, reason: `${set.state} in ${first.file}` });
    else if (other.state !== "measured")
      leftOut.push({ name, reason: `${other.state} in ${second.file}` });
    else if (set.tasks.length === 0)
      leftOut.push({ name, reason: `without a task in ${first.file}` });
    else pairs.push([set, other]);
  }
  for (const name of others.keys()) leftOut.push({ name, reason: `not in ${first.file}` });
  if (pairs.length > 0) return { pairs, leftOut };
  const named = (sets: readonly SetResult[]): string =>
    sets.map(({ name }) => name).join(", ") || "none";
  throw new DataError(
    `Expected a set that was measured in both ${first.file} and ${second.file} but received ` +
      `${named(first.results.sets)} and ${named(second.results.sets)}; run one suite with both models`,
    { source: second.file },
  );
}

/** Guessing gives the same on the same task; another number means other classes or candidates. */
export function checkChance(
  place: string,
  paths: readonly string[],
  [one, other]: readonly [TaskRecord, TaskRecord],
  files: Files,
): void {
  for (const path of paths) {
    const [left, right] = [one.metrics[path]!.chance, other.metrics[path]!.chance];
    if (left === null || right === null || Math.abs(left - right) <= 1e-9) continue;
    throw unlike(
      files,
      `${place}/${path} to be as likely by guessing (${left})`,
      `${right}: its classes or candidates are others`,
    );
  }
}

/** Columns that say what is right, by the names that kinds of tasks give them: never a model's doing. */
const givenColumns = ["truth", "imageOfText", "group", "candidates"] as const;

/** The items of both; undefined where one has not kept them. */
export function sameItems(
  place: string,
  one: TaskRecord,
  other: TaskRecord,
  files: Files,
): [ItemColumns, ItemColumns] | undefined {
  if (one.items === undefined || other.items === undefined) return undefined;
  const [left, right] = [
    itemsOf(place, one.items, files[0]),
    itemsOf(place, other.items, files[1]),
  ];
  if (left.keys.length === 0 && right.keys.length === 0) return undefined;
  const at = firstUnlike(left.keys, right.keys);
  if (at !== undefined) {
    const name = (key: string | undefined): string => (key === undefined ? "no item" : `"${key}"`);
    throw unlike(
      files,
      `the same items of ${place}`,
      `${name(right.keys[at])} in place of ${name(left.keys[at])}, item ${at + 1}`,
    );
  }
  for (const column of ["clusters", ...givenColumns] as const) {
    const of = (items: ItemColumns): ArrayLike<unknown> =>
      (column === "clusters" ? items.clusters : items.columns[column]) ?? [];
    const answer = firstUnlike(of(left), of(right));
    if (answer === undefined) continue;
    const perItem = of(left).length / left.keys.length;
    const key = left.keys[Math.floor(answer / Math.max(1, perItem))];
    throw unlike(
      files,
      `the same ${column} of ${place}`,
      `${String(of(right)[answer])} in place of ${String(of(left)[answer])}` +
        (Number.isInteger(perItem) ? ` for item "${key}"` : `, entry ${answer + 1}`),
    );
  }
  return [left, right];
}

/** No class, rank or score is larger: what counts classes makes room for the largest. */
const mostValue = 2 ** 24;

/** The columns as numbers: JSON has no NaN, null stands for it. throws  DataError for what is none */
function itemsOf(
  place: string,
  { keys, clusters, columns }: NonNullable<TaskRecord["items"]>,
  file: string,
): ItemColumns {
  const read = (name: string, values: readonly (number | null)[]): Float64Array => {
    const wrong = values.findIndex((value) => Math.abs(value ?? 0) > mostValue);
    if (wrong < 0) return Float64Array.from(values, (value) => value ?? NaN);
    throw new DataError(
      `Expected numbers up to ${mostValue} for ${name} of ${place} in ${file} but entry ` +
        `${wrong + 1} is ${values[wrong]}; measure it again`,
      { source: file },
    );
  };
  if (clusters !== undefined && clusters.length !== keys.length) {
    throw new DataError(
      `Expected ${keys.length} clusters of ${place} in ${file}, one for each item, but received ` +
        `${clusters.length}; measure it again`,
      { source: file },
    );
  }
  return {
    keys,
    ...(clusters !== undefined && { clusters }),
    columns: Object.fromEntries(
      Object.entries(columns).map(([name, values]) => [name, read(name, values)]),
    ),
  };
}

function firstUnlike(one: ArrayLike<unknown>, other: ArrayLike<unknown>): number | undefined {
  const length = Math.max(one.length, other.length);
  for (let i = 0; i < length; i++) {
    if (i >= one.length || i >= other.length || !Object.is(one[i], other[i])) return i;
  }
  return undefined;
}

/** throws  DataError for columns that do not give the metrics that stand beside them */
export function statisticOf(
  place: string,
  { kind, metrics }: TaskRecord,
  items: ItemColumns,
  paths: readonly string[],
  file: string,
): Statistic {
  try {
    const statistic = taskKindOf({ kind }).statistic(items, paths);
    const values = statistic(new Uint32Array(items.keys.length).fill(1));
    const wrong = paths.findIndex((path, i) => !agrees(values[i]!, metrics[path]!));
    if (wrong < 0) return statistic;
    throw new RangeError(
      `its items give ${values[wrong]} for ${paths[wrong]}, which says ${metrics[paths[wrong]!]!.value}`,
    );
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new DataError(
      `Expected items of ${place} in ${file} that give its metrics but received others ` +
        `(${cause.message}); measure it again with this version of limn`,
      { source: file },
      { cause },
    );
  }
}

/** Up to the digits that a file keeps. */
function agrees(found: number, { value }: MetricResult): boolean {
  return value === null || Math.abs(found - value) <= 1e-3 * Math.max(1, Math.abs(value));
}

/** Facts that are settings, by the names that kinds of tasks give them: others are of the model. */
function settingsOf({ facts }: TaskRecord): Record<string, unknown> {
  const { classes, templates, leftOut, calibration } = facts;
  const probabilities = isJsonObject(calibration) ? calibration["probabilities"] : undefined;
  return { classes, templates, leftOut, probabilities };
}

/** Names of the settings in which two tasks differ. */
export function unlikeSettings(one: TaskRecord, other: TaskRecord): string[] {
  const [left, right] = [settingsOf(one), settingsOf(other)];
  return Object.keys(left).filter(
    (name) => formatJson(left[name] ?? null) !== formatJson(right[name] ?? null),
  );
}

export function unlike(files: Files, wanted: string, found: string): DataError {
  return new DataError(
    `Expected ${wanted} in ${files[1]} as in ${files[0]} but received ${found}; ` +
      "compare two models on one and the same set",
    { source: files[1] },
  );
}
