/** The objectives that a recipe may name. */
import { z } from "zod";

import { createLixp, lixpSchema } from "./lixp.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";
import { createSoftmax, softmaxSchema } from "./softmax.ts";

export const objectiveSchema = z.discriminatedUnion("kind", [softmaxSchema, lixpSchema]);

export type ObjectiveRecipe = z.output<typeof objectiveSchema>;

/** throws RecipeError where the options do not fit the run */
export function createObjective(
  recipe: ObjectiveRecipe,
  context: ObjectiveContext,
): TrainingObjective {
  switch (recipe.kind) {
    case "softmax":
      return createSoftmax(recipe);
    case "lixp":
      return createLixp(recipe, context);
  }
}
