/** The objectives that a recipe may name. */
import { z } from "zod";

import type { ObjectiveContext, TrainingObjective } from "./objective.ts";
import { createSoftmax, softmaxSchema } from "./softmax.ts";

export const objectiveSchema = z.discriminatedUnion("kind", [softmaxSchema]);

export type ObjectiveRecipe = z.output<typeof objectiveSchema>;

/** throws RecipeError where the options do not fit the run */
export function createObjective(
  recipe: ObjectiveRecipe,
  _context: ObjectiveContext,
): TrainingObjective {
  return createSoftmax(recipe);
}
