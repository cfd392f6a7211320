/** A suite by its name, or from a JSON file of the user's own. */
import { existsSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";

import { checkSourceSpec } from "../../data/sources/source-spec.ts";
import { atPath, DataError, didYouMean, SettingError } from "../../errors.ts";
import { readJsonFile, readingReason } from "../../files/regular-file.ts";
import { isDatasetReference, parseDatasetReference } from "../../hub/reference.ts";
import { taskKindNames, taskKindOf } from "../tasks/index.ts";
import { isBenchmarkSet, openBenchmarkSet, type BenchmarkType } from "./benchmark-set.ts";
import { suites } from "./index.ts";
import { placeOf } from "./open-set.ts";
import {
  folderName,
  type SetDefinition,
  type SuiteDefinition,
  type TaskDefinition,
} from "./suite.ts";

const text = z.string("a text").min(1, "a text");
const count = z.int("a whole number").min(1, "a number of 1 or more");

const setSchema = z.strictObject({
  name: text,
  title: text.optional(),
  /** A path from the file's folder, `hf://datasets/...`, or a description; by its name under the root when absent. */
  source: z.union([text, z.looseObject({ kind: text })], "a path or a description").optional(),
  hub: text.optional(),
  split: text.optional(),
  npyColumns: z.array(text, "a list of names").min(1, "a list of names").optional(),
  tasks: z
    .array(z.looseObject({ kind: text }), "a list of tasks")
    .min(1, "a list of tasks")
    .optional(),
  main: text.optional(),
  samples: count.optional(),
  classes: count.optional(),
  chance: z.number("a number").min(0, "a number from 0").max(1, "a number up to 1").optional(),
});

const averageSchema = z.strictObject({
  name: text,
  title: text.optional(),
  of: z.array(text, "a list of sets' names").min(1, "a list of sets' names"),
});

const suiteSchema = z.strictObject({
  name: text.optional(),
  title: text.optional(),
  summary: text.optional(),
  source: z.strictObject({ paper: text, url: text }).optional(),
  sets: z.array(setSchema, "a list of sets").min(1, "at least one set"),
  averages: z.array(averageSchema, "a list of averages").optional(),
});

type SetInFile = z.infer<typeof setSchema>;

/**
 * A published suite by its name, such as `datacomp-38`, or one of the user's own from a JSON file:
 *
 *     { "name": "birds", "sets": [
 *       { "name": "ours", "source": "wds_ours" },
 *       { "name": "table", "source": { "kind": "table", "file": "test.csv" },
 *         "tasks": [{ "kind": "zeroShot", "classes": "names.txt" }], "main": "zeroShot/meanPerClass" } ] }
 *
 * Paths start at the file's folder. A set without a source is looked for under the root, as published ones are.
 *
 * throws  DataError naming the place in the file: unknown keys, values that cannot be, names that occur twice
 */
export async function readSuite(given: string): Promise<SuiteDefinition> {
  const known = suites.find(({ name }) => name === given);
  if (known !== undefined) return known;
  if (!existsSync(given)) {
    const names = suites.map(({ name }) => name);
    throw new DataError(
      `Expected one of ${names.join(", ")}, or a JSON file, for the suite but received "${given}"; ` +
        `choose one.${didYouMean(given, names)}`,
      { source: given },
    );
  }
  const value = parsed(given);
  const folder = dirname(resolve(given));
  const sets: SetDefinition[] = [];
  for (const [i, set] of value.sets.entries()) {
    sets.push(await atPath(`sets.${i} of ${given}`, () => setOf(set, folder, given)));
  }
  const names = sets.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw refused(given, `one set called "${twice}"`, "two", "rename one");
  const averages = value.averages ?? [{ name: "average", title: "Average", of: names }];
  for (const [i, { of }] of averages.entries()) {
    const stray = of.find((name) => !names.includes(name));
    if (stray === undefined) continue;
    const place = `names of its sets for averages.${i}.of`;
    throw refused(given, place, `"${stray}"`, `correct it.${didYouMean(stray, names)}`);
  }
  const name = value.name ?? basename(given).replace(/\.json$/i, "");
  return {
    name,
    title: value.title ?? name,
    summary: value.summary ?? "",
    source: value.source ?? { paper: "", url: "" },
    sets,
    averages: averages.map((one) => ({ ...one, title: one.title ?? one.name })),
  };
}

function refused(file: string, what: string, received: string, cure: string): DataError {
  return new DataError(`Expected ${what} in ${file} but received ${received}; ${cure}`, {
    source: file,
  });
}

function parsed(file: string): z.infer<typeof suiteSchema> {
  let value: unknown;
  try {
    value = readJsonFile(file);
  } catch (cause) {
    throw new DataError(
      `Expected a suite in ${file} but could not read it (${readingReason(cause)}); write { "sets": [...] }`,
      { source: file },
      { cause },
    );
  }
  const { success, data, error } = suiteSchema.safeParse(value);
  if (success) return data;
  const issue = tellingIssue(error.issues);
  throw issueError(issue, { file, value, keys: keysAt(issue.path) });
}

/** A misspelt key says more than the one that it leaves out. */
function tellingIssue(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue {
  return issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0]!;
}

interface Place {
  file: string;
  value: unknown;
  /** Keys that are known in the place of the issue. */
  keys: readonly string[];
  /** In front of the issue's own path. */
  prefix?: string;
}

function issueError(issue: z.core.$ZodIssue, { file, value, keys, prefix = "" }: Place): DataError {
  const path = [...(prefix === "" ? [] : [prefix]), ...issue.path].map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const hint = didYouMean(key, keys) || ` It knows ${keys.join(", ")}.`;
    const where = path === "" ? "the suite" : path;
    return refused(file, `only known keys for ${where}`, JSON.stringify(key), `correct it.${hint}`);
  }
  const found = issue.path.reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
  const received = found === undefined ? "nothing" : JSON.stringify(found).slice(0, 80);
  return refused(
    file,
    `${issue.message} for ${path === "" ? "the suite" : path}`,
    received,
    "correct it",
  );
}

function keysAt(path: readonly PropertyKey[]): string[] {
  const schema =
    path[0] === "sets" ? setSchema : path[0] === "averages" ? averageSchema : suiteSchema;
  return Object.keys(path[0] === "source" ? { paper: 0, url: 0 } : schema.shape);
}

function setOf(set: SetInFile, folder: string, file: string): SetDefinition {
  const { name, title, source, tasks: given, ...facts } = set;
  const tasks = (given ?? []).map((task, i) => taskOf(task, `tasks.${i}`, file));
  const at = typeof source === "string" ? placeIn(folder, source) : source && folder;
  const described = typeof source === "object" ? checkSourceSpec(source) : undefined;
  if (facts.hub !== undefined) parseDatasetReference(facts.hub);
  const main = facts.main ?? defaultMain(tasks, at, set);
  if (main === undefined && !isToldLater(set, at)) {
    throw refused(
      file,
      `tasks for the set "${name}"`,
      "none",
      `say what is measured on it, such as [{ "kind": "retrieval" }]`,
    );
  }
  return {
    ...{ name, title: title ?? name, ...facts },
    folders: [name, folderName(name), `${folderName(name)}_test`],
    ...{ at, source: described },
    ...{ tasks, main },
  };
}

function placeIn(folder: string, path: string): string {
  return isAbsolute(path) || isDatasetReference(path) ? path : join(folder, path);
}

/** Fields that a set of CLIP_benchmark gives may be left out. */
function taskOf(task: { kind: string }, prefix: string, file: string): TaskDefinition {
  const names = taskKindNames();
  if (!names.includes(task.kind)) {
    const cure = `choose one.${didYouMean(task.kind, names)}`;
    throw refused(file, `one of ${names.join(", ")} for ${prefix}.kind`, `"${task.kind}"`, cure);
  }
  const schema = taskKindOf(task).schema;
  const { success, error } = schema.partial().safeParse(task);
  if (success) return task as TaskDefinition;
  throw issueError(tellingIssue(error.issues), {
    file,
    value: task,
    keys: Object.keys(schema.shape),
    prefix,
  });
}

const firstMetrics: Readonly<Record<string, string>> = {
  zeroShot: "top1",
  retrieval: "meanRecall@1",
  multilabel: "mAP",
};
const kindOfType: Record<BenchmarkType, string> = {
  classification: "zeroShot",
  retrieval: "retrieval",
  multilabel: "multilabel",
};

/** The first task's first number; of a set without tasks that of what its folder asks for. */
function defaultMain(
  tasks: readonly TaskDefinition[],
  at: string | undefined,
  { split, source }: SetInFile,
): string | undefined {
  const [first] = tasks;
  if (first !== undefined) {
    const metric = firstMetrics[first.kind] ?? taskKindOf(first).metrics[0]?.path;
    return `${first.name ?? first.kind}/${metric}`;
  }
  const isLocal = typeof source === "string" && at !== undefined && !isDatasetReference(at);
  if (!isLocal || !isBenchmarkSet(at, split)) return undefined;
  const type = typeAt(at, split);
  const kind = type && kindOfType[type];
  return kind && `${kind}/${firstMetrics[kind]}`;
}

/** A set that is not there, or is damaged, is told of when it is to be measured: the others are. */
function isToldLater({ source, split }: SetInFile, at: string | undefined): boolean {
  if (typeof source !== "string" || at === undefined || isDatasetReference(at)) return false;
  return placeOf({ at }) === undefined || (isBenchmarkSet(at, split) && !typeAt(at, split));
}

/** Undefined for a set that is damaged. */
function typeAt(at: string, split: string | undefined): BenchmarkType | undefined {
  try {
    return openBenchmarkSet(at, split === undefined ? {} : { split }).type;
  } catch (error) {
    if (error instanceof DataError || error instanceof SettingError) return undefined;
    throw error;
  }
}
