/** Options of recipes that several objectives share, and what they ask of the rest of the recipe. */
import { z } from "zod";

import { RecipeError } from "../../errors.ts";
import type { ObjectiveContext } from "../objective.ts";

export const chunkSize: z.ZodOptional<z.ZodInt> = z
  .int()
  .min(1)
  .optional()
  .describe("rows of the logits held at a time; the whole matrix when absent");

/** throws  RecipeError for a batch of one pair: there is nothing to tell it apart from */
export function checkBatch(kind: string, { batchSize }: Pick<ObjectiveContext, "batchSize">): void {
  if (batchSize >= 2) return;
  throw new RecipeError(
    "train.batchSize",
    `Expected at least 2 pairs for train.batchSize with objective ${kind} but received ${batchSize}; ` +
      "a pair has nothing to be told apart from but the others of its batch",
  );
}

/** throws  RecipeError where the model's scale is learned and should not be, or the reverse */
export function checkScaleLearned(
  kind: string,
  learned: boolean,
  { logitScaleLearned }: Pick<ObjectiveContext, "logitScaleLearned">,
): void {
  if (learned === logitScaleLearned) return;
  throw new RecipeError(
    "logits.scale.learned",
    `Expected ${learned} for logits.scale.learned with objective ${kind} but received ` +
      `${logitScaleLearned}; its temperature ${learned ? "is" : "is not"} the model's to learn`,
  );
}

/** throws  RecipeError where the bounds are out of order or do not hold the first temperature */
export function checkTemperatures(recipe: {
  temperatureInit: number;
  temperatureMin: number;
  temperatureMax: number;
}): void {
  const { temperatureInit: init, temperatureMin: min, temperatureMax: max } = recipe;
  if (min <= init && init <= max) return;
  throw new RecipeError(
    "objective.temperatureInit",
    `Expected temperatureMin <= temperatureInit <= temperatureMax for objective.temperatureInit but ` +
      `received ${min}, ${init} and ${max}; temperatures divide similarities, as 1 / logitScale does`,
  );
}
