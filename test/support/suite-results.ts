/** Results of suites as `limn suite run` writes them, made from what each item was answered. */
import {
  resultsFormat,
  type SetResult,
  type SuiteResults,
} from "../../src/evaluate/suite-results.ts";
import { taskKindOf } from "../../src/evaluate/tasks/index.ts";
import type { ItemColumns } from "../../src/evaluate/tasks/task.ts";

interface TaskOptions {
  name?: string;
  kind?: string;
  chance?: number;
  facts?: Record<string, unknown>;
}

/** A measured set with one task, its metrics from its items; the main metric is the task's first. */
export function measuredSet(
  name: string,
  items: ItemColumns,
  { name: task = "zeroShot", kind = "zeroShot", chance = 0.1, facts = {} }: TaskOptions = {},
): SetResult {
  const all = taskKindOf({ kind }).metrics.filter(({ path }) => !path.includes("alibrat"));
  const metrics = all.flatMap(({ path, unit, better }) => {
    try {
      const statistic = taskKindOf({ kind }).statistic(items, [path]);
      const [value = NaN] = statistic(new Uint32Array(items.keys.length).fill(1));
      const count = items.keys.length;
      return [[path, { value, chance, count, unit, better: better ?? "larger" }] as const];
    } catch {
      // A metric of columns that these items do not have.
      return [];
    }
  });
  return {
    name,
    title: `Set ${name}`,
    state: "measured",
    main: `${task}/${metrics[0]?.[0]}`,
    samples: items.keys.length,
    tasks: [
      {
        ...{ name: task, kind, notes: [], facts },
        metrics: Object.fromEntries(metrics),
        items: {
          keys: [...items.keys],
          ...(items.clusters && { clusters: Array.from(items.clusters) }),
          columns: Object.fromEntries(
            Object.entries(items.columns).map(([column, values]) => [column, Array.from(values)]),
          ),
        },
      },
    ],
  };
}

/** Items of a classification: those whose index `isRight` says are right in the first guess. */
export function classified(
  count: number,
  isRight: (item: number) => boolean,
  clusters?: ArrayLike<number>,
): ItemColumns {
  const items = Array.from({ length: count }, (_, item) => item);
  const truth = items.map((item) => item % 5);
  return {
    keys: items.map((item) => `picture-${item}`),
    ...(clusters && { clusters }),
    columns: {
      truth,
      rank: items.map((item) => (isRight(item) ? 1 : 3)),
      prediction: items.map((item) => (isRight(item) ? truth[item]! : (truth[item]! + 1) % 5)),
    },
  };
}

export function suiteResults(model: string, sets: readonly SetResult[]): SuiteResults {
  return {
    ...resultsFormat,
    suite: { name: "mine", title: "Mine" },
    model: { name: model, fingerprint: `of ${model}`, precision: "float32" },
    level: 0.95,
    sets: [...sets],
    averages: [],
  };
}
