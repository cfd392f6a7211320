/** The objectives that a recipe may name. */
import { z } from "zod";

import { amorlipSchema, createAmorlip } from "./amorlip.ts";
import { createAlign, alignSchema } from "./align.ts";
import { createCyclip, cyclipSchema } from "./cyclip.ts";
import { createDistillation, distillationSchema } from "./distillation.ts";
import { createSigmoid, sigmoidSchema } from "./sigmoid.ts";
import { createFastclip, fastclipSchema } from "./fastclip.ts";
import { createLixp, lixpSchema } from "./lixp.ts";
import { createNeuclip, neuclipSchema } from "./neuclip.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";
import { createSoftmax, softmaxSchema } from "./softmax.ts";
import { createIsogclr, createSogclr, isogclrSchema, sogclrSchema } from "./sogclr.ts";

export const objectiveSchema = z.discriminatedUnion("kind", [
  softmaxSchema,
  sigmoidSchema,
  alignSchema,
  cyclipSchema,
  distillationSchema,
  lixpSchema,
  amorlipSchema,
  sogclrSchema,
  isogclrSchema,
  fastclipSchema,
  neuclipSchema,
]);

export type ObjectiveRecipe = z.output<typeof objectiveSchema>;

/** throws RecipeError where the options do not fit the run */
export function createObjective(
  recipe: ObjectiveRecipe,
  context: ObjectiveContext,
): TrainingObjective {
  switch (recipe.kind) {
    case "softmax":
      return createSoftmax(recipe);
    case "sigmoid":
      return createSigmoid(recipe, context);
    case "align":
      return createAlign(recipe, context);
    case "cyclip":
      return createCyclip(recipe, context);
    case "distillation":
      return createDistillation(recipe, context);
    case "lixp":
      return createLixp(recipe, context);
    case "amorlip":
      return createAmorlip(recipe, context);
    case "sogclr":
      return createSogclr(recipe, context);
    case "isogclr":
      return createIsogclr(recipe, context);
    case "fastclip":
      return createFastclip(recipe, context);
    case "neuclip":
      return createNeuclip(recipe, context);
  }
}
