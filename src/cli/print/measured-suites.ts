/** What was measured on suites, for people and for `--json`. */
import { formatTable, metricsJson } from "../../evaluate/metric-table.ts";
import type { SuiteResult } from "../../evaluate/run-suite.ts";
import type { MeasuredTask } from "../../evaluate/tasks/task.ts";

type Measured = Pick<SuiteResult, "name" | "title" | "tasks">;

/** A table for each suite, under its title and what its tasks say of themselves. */
export function suitesText(suites: readonly Measured[]): string {
  const texts = suites.map(({ title, tasks }) => {
    const notes = tasks.flatMap((task: MeasuredTask) =>
      task.notes.map((note) => `${task.task.name}: ${note}`),
    );
    const rows = tasks.flatMap((task) => task.rows);
    return formatTable(rows, { title: [title, ...notes].join("\n") });
  });
  return texts.join("\n\n");
}

/** The metrics by their keys, and by `<suite>/<task>` what the tasks say of themselves. */
export function suitesJson(suites: readonly Measured[]): { metrics: unknown; tasks: unknown } {
  const measured = suites.flatMap(({ name, tasks }) =>
    tasks.map((task: MeasuredTask) => ({ key: `${name}/${task.task.name}`, ...task })),
  );
  return {
    metrics: metricsJson(measured.flatMap(({ rows }) => rows)),
    tasks: Object.fromEntries(
      measured.map(({ key, task, facts }) => [key, { kind: task.kind, ...facts }]),
    ),
  };
}
