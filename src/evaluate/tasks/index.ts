/** Every kind of evaluation task. A new one is a file beside this one and a line in `taskKinds`. */
import { z } from "zod";
import { associationTask } from "./association-task.ts";
import { captioningTask } from "./captioning-task.ts";
import { multilabelTask } from "./multilabel-task.ts";
import { retrievalTask } from "./retrieval-task.ts";
import { selectionTask } from "./selection-task.ts";
import type { TaskFields, TaskKind, TaskMetric } from "./task.ts";
import { zeroShotTask } from "./zero-shot-task.ts";

const taskKinds = [
  zeroShotTask,
  retrievalTask,
  multilabelTask,
  associationTask,
  selectionTask,
  captioningTask,
] as const;

type Kinds = typeof taskKinds;
type TaskOf<Kind> = Kind extends { measure(task: infer Task, ...rest: never[]): unknown }
  ? Task
  : never;
type MeasuredOf<Kind> = Kind extends { measure(...given: never[]): infer Measured }
  ? Awaited<Measured>
  : never;

/** A task of any kind. */
export type SuiteTask = TaskOf<Kinds[number]>;
/** A task of any kind with what was measured. */
export type TaskResult = MeasuredOf<Kinds[number]>;

type SchemasOf<Given extends readonly { schema: unknown }[]> = {
  -readonly [Index in keyof Given]: Given[Index]["schema"];
};

/** A task as recipes and files of suites write it. */
export const taskSchema = z.discriminatedUnion(
  "kind",
  taskKinds.map(({ schema }) => schema) as SchemasOf<Kinds>,
);

const byName: ReadonlyMap<string, TaskKind> = new Map<string, TaskKind>(
  taskKinds.map((kind) => [kind.kind, kind]),
);

/** The names of all kinds. */
export function taskKindNames(): string[] {
  return [...byName.keys()];
}

/** The kind of a task. */
export function taskKindOf({ kind }: Pick<TaskFields, "kind">): TaskKind {
  const found = byName.get(kind);
  if (found) return found;
  throw new RangeError(
    `Expected one of ${[...byName.keys()].join(", ")} for the kind of a task but received "${kind}"`,
  );
}

/** The metrics that a task gives, in the order of its rows; known before anything is measured. */
export function metricsOf(task: TaskFields): readonly TaskMetric[] {
  const kind = taskKindOf(task);
  return kind.metricsOf?.(task) ?? kind.metrics;
}

/** The keys of a task's rows. */
export function metricKeys(task: TaskFields, prefix: string): string[] {
  return metricsOf(task).map(({ path }) => `${prefix}/${path}`);
}

/** The metric behind a key, told by the key's last part; undefined where no task has it. */
export function taskMetric(key: string): TaskMetric | undefined {
  const name = lastPart(key);
  for (const { metrics } of taskKinds) {
    const found = metrics.find(({ path }) => lastPart(path) === name);
    if (found) return found;
  }
  return undefined;
}

/** Whether `value` of a metric is better than `other`. */
export function isBetter(key: string, value: number, other: number): boolean {
  return taskMetric(key)?.better === "smaller" ? value < other : value > other;
}

/** Parts of metric keys in words. */
export const metricWords: Readonly<Record<string, string>> = Object.assign(
  {},
  ...taskKinds.map(({ words }) => words),
) as Record<string, string>;

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}
