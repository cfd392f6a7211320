/** Trains a pair from a recipe: what `limn train` runs. */
import { logitScaleOf } from "./recipe/logits.ts";
import { lookAtData, preparePair } from "./pair/prepare-pair.ts";
import { refuseSetting } from "./recipe/check-recipe.ts";
import type { ResolvedRecipe } from "./recipe/recipe.ts";
import { resolveRecipe } from "./recipe/resolve-recipe.ts";
import { announcer, runToEnd, type LoopOptions, type RunOutcome } from "./run/run.ts";
import { RunDirectory } from "./run/run-directory.ts";

import { solo, type ProcessGroup } from "./process-group.ts";

export interface TrainOptions extends LoopOptions {
  /** What a recipe file exports; checked and completed here. */
  recipe: unknown;
  /** The run's folder. A run found there goes on where it stopped. */
  directory: string;
  /** Assignments such as `train.batchSize=256`. */
  set?: readonly string[];
  /** Two steps of eight pairs. */
  smoke?: boolean;
  /** Go on with a run whose recipe or data was another. */
  allowRecipeChange?: boolean;
  /** Processes that share each batch; this one by itself when absent, the only kind built so far. */
  group?: ProcessGroup;
}

export interface TrainResult extends RunOutcome {
  /** The learned multiplier of similarities. */
  logitScale: number;
  recipe: ResolvedRecipe;
}

/**
 * Checks a recipe, its data and its suites, without a run: what `train` does before it builds a model.
 *
 * throws  RecipeError, DataError
 */
export async function checkTraining(
  recipe: unknown,
  { set = [], smoke = false }: Pick<TrainOptions, "set" | "smoke"> = {},
): Promise<void> {
  await lookAtData(resolveRecipe(recipe, { set, smoke })).catch(refuseSetting);
}

/**
 * Trains a recipe to its last step or minute, or until a signal.
 *
 * throws  RecipeError, DataError, CheckpointError before the first step where something does not fit: data,
 *         suites, classes and labels are looked at first;
 *         StorageError where another process trains in the folder, or it holds what limn did not write;
 *         DataError later for a sample that cannot be read after all: the steps done are saved first;
 *         DivergedError when the loss leaves the numbers: checkpoints written so far stay
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const recipe = resolveRecipe(options.recipe, {
    set: options.set ?? [],
    smoke: options.smoke ?? false,
  });
  const directory = new RunDirectory(options.directory, options.group ?? solo);
  return directory.asOnlyRun(async () => {
    if (!options.allowRecipeChange) directory.checkRecipe(recipe);
    const prepared = await preparePair(recipe, directory, {
      announce: announcer(options),
      allowChange: options.allowRecipeChange ?? false,
    }).catch(refuseSetting);
    const begin = (): void => directory.saveRecipe(recipe);
    return runToEnd(prepared, { recipe, directory, options, begin }, (outcome, { model }) => ({
      ...outcome,
      logitScale: logitScaleOf(model),
      recipe,
    }));
  });
}
