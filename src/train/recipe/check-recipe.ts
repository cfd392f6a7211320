/** Checks of a recipe that involve more than one key. */
import { didYouMean, RecipeError, SettingError } from "../../errors.ts";
import { metricKeys } from "../../evaluate/tasks/index.ts";
import type { ResolvedRecipe, SuiteRecipe } from "./recipe.ts";

/** throws  RecipeError naming the first key that contradicts the others */
export function checkTogether(recipe: ResolvedRecipe): void {
  const { train, evaluate } = recipe;
  checkOrigin(recipe);
  const { batchSize, microBatchSize } = train;
  if (microBatchSize !== undefined && microBatchSize > batchSize) {
    throw new RecipeError(
      "train.microBatchSize",
      `Expected at most train.batchSize ${batchSize} for train.microBatchSize but received ${microBatchSize}; lower it`,
    );
  }
  checkSteps(train);
  checkSuites(evaluate.suites, "evaluate.suites");
  const metrics = evaluate.suites.flatMap(({ name, tasks }) =>
    tasks.flatMap((task) => metricKeys(task, `${name}/${task.name}`)),
  );
  checkKeepBest(train.checkpoint.keepBest, metrics, "evaluate.suites");
}

/** A model and a tokenizer come from the recipe, or from the folder of weights that it names. */
function checkOrigin({ model, modelChanges, pretrained, data }: ResolvedRecipe): void {
  if (pretrained === undefined && model === undefined) {
    throw new RecipeError(
      "model",
      "Expected a model for model, or a model folder for pretrained, but received neither; name one",
    );
  }
  if (pretrained === undefined && data.tokenizer === undefined) {
    throw new RecipeError(
      "data.tokenizer",
      "Expected a tokenizer for data.tokenizer but received none; name one, or give pretrained a " +
        "model folder that has one",
    );
  }
  if (modelChanges !== undefined && model !== undefined) {
    throw new RecipeError(
      "modelChanges",
      "Expected no modelChanges beside a model that is written out but received some; write them " +
        "into model, or leave model out",
    );
  }
}

/** Refuses phases of the schedule that are longer than the run. */
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

/** Refuses equal names of suites, or of a suite's tasks: they would overwrite each other's metrics. */
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

/** Refuses a best metric that is not among those which `where` in the recipe measures. */
export function checkKeepBest(
  metric: string | undefined,
  known: readonly string[],
  where: string,
): void {
  if (metric === undefined || known.includes(metric)) return;
  const hint =
    known.length === 0
      ? ` nothing is measured, as there is none`
      : didYouMean(metric, known) || ` known: ${known.join(", ")}`;
  throw new RecipeError(
    "train.checkpoint.keepBest",
    `Expected a metric of ${where} for train.checkpoint.keepBest but received "${metric}";${hint}`,
  );
}

/** Throws `error`; a setting that a lower room refused as a mistake of the recipe that holds it. */
export function refuseSetting(error: unknown): never {
  if (!(error instanceof SettingError) || error instanceof RecipeError) throw error;
  throw new RecipeError(error.path, error.message, { cause: error });
}
