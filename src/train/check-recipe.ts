/** What the values of a recipe must keep among each other, beyond what each key says of itself. */
import { didYouMean, RecipeError } from "../errors.ts";
import { metricKeys } from "../evaluate/table.ts";
import type { ResolvedRecipe, SuiteRecipe } from "./recipe.ts";

/** throws  RecipeError naming the first key that does not go with the others */
export function checkTogether({ train, evaluate }: ResolvedRecipe): void {
  const { batchSize, microBatchSize } = train;
  if (microBatchSize !== undefined && microBatchSize > batchSize) {
    throw new RecipeError(
      "train.microBatchSize",
      `Expected at most train.batchSize ${batchSize} for train.microBatchSize but received ${microBatchSize}; lower it`,
    );
  }
  checkSteps(train);
  checkSuites(evaluate.suites, "evaluate.suites");
  checkKeepBest(train.checkpoint.keepBest, evaluate.suites);
}

/** Phases of the schedule that are longer than the run. */
export function checkSteps({
  steps,
  schedule,
}: Pick<ResolvedRecipe["train"], "steps" | "schedule">): void {
  if (schedule.warmupSteps + schedule.cooldownSteps > steps) {
    throw new RecipeError(
      "train.schedule",
      `Expected warmupSteps and cooldownSteps to fit into train.steps ${steps} but received ` +
        `${schedule.warmupSteps} and ${schedule.cooldownSteps}; shorten them`,
    );
  }
}

/** Two suites, or two tasks of a suite, under one name would overwrite each other's metrics. */
export function checkSuites(suites: readonly SuiteRecipe[], path: string): void {
  checkNames(suites, path);
  for (const [i, { tasks }] of suites.entries()) checkNames(tasks, `${path}.${i}.tasks`);
}

function checkNames(named: readonly { name: string }[], path: string): void {
  for (const [i, { name }] of named.entries()) {
    if (named.findIndex((other) => other.name === name) === i) continue;
    throw new RecipeError(
      `${path}.${i}.name`,
      `Expected another name for ${path}.${i}.name but received "${name}" again; ` +
        "metrics are told apart by it, so rename one",
    );
  }
}

function checkKeepBest(metric: string | undefined, suites: readonly SuiteRecipe[]): void {
  if (metric === undefined) return;
  const known = suites.flatMap(({ name, tasks }) =>
    tasks.flatMap((task) => metricKeys(task.kind, `${name}/${task.name}`)),
  );
  if (known.includes(metric)) return;
  throw new RecipeError(
    "train.checkpoint.keepBest",
    `Expected a metric of evaluate.suites for train.checkpoint.keepBest but received "${metric}";` +
      (didYouMean(metric, known) || ` known: ${known.join(", ") || "none, as there is no suite"}`),
  );
}
