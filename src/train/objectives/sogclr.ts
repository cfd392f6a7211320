/** SogCLR and iSogCLR in a recipe. */
import { z } from "zod";

import { RecipeError } from "../../errors.ts";
import { checkBatch } from "./batch-of-pairs.ts";
import { GlobalContrastiveObjective } from "./global-contrastive.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";
import { checkScaleLearned } from "./scale-learning.ts";

const shared = {
  /** The weight of the batch in the normalisers; an example's first visit sets it whole. */
  gamma: z.number().gt(0).max(1).default(0.8),
  /** Added to every normaliser. */
  epsilon: z.number().min(0).max(1).default(1e-14),
  /** Whether the pair itself counts in g, as in the systems' own bimodal code (with epsilon 1e-10). */
  includePositive: z.boolean().default(false),
  /** Whether images' and texts' means are averaged or, as in that code, added. */
  sides: z.enum(["mean", "sum"]).default("mean"),
  /** Multiplies each term by its temperature, as GCL and RGCL are written. */
  weighByTemperature: z.boolean().default(true),
  /** Rows of the logits held at a time; the whole matrix when absent. */
  chunkSize: z.int().min(1).optional(),
};

/** The temperature is 1 / logits.scale.init, which is not learned. */
export const sogclrSchema = z.strictObject({ kind: z.literal("sogclr"), ...shared });

/** The model's logit scale takes no part in the loss: every example has two temperatures of its own. */
export const isogclrSchema = z.strictObject({
  kind: z.literal("isogclr"),
  ...shared,
  /** T0 is temperatureMin; rho keeps temperatures down. */
  rho: z.number().min(0).default(6),
  temperatureInit: z.number().gt(0).default(0.01),
  temperatureMin: z.number().gt(0).default(0.005),
  temperatureMax: z.number().gt(0).default(1),
  temperatureLearningRate: z.number().min(0).default(0.03),
  /** The weight of the new gradient in its running mean. */
  temperatureBeta: z.number().gt(0).max(1).default(0.9),
  /** Gradients of temperatures are limited to +- this. */
  temperatureGradientLimit: z.number().gt(0).default(5),
});

/** throws  RecipeError where the model's logit scale is learned, or the batch is one pair */
export function createSogclr(
  recipe: z.output<typeof sogclrSchema>,
  context: ObjectiveContext,
): TrainingObjective {
  checkBatch(recipe.kind, context);
  checkScaleLearned(recipe.kind, false, context);
  const { kind, gamma, epsilon, includePositive, sides, chunkSize } = recipe;
  return new GlobalContrastiveObjective(
    {
      name: kind,
      gammaAt: () => gamma,
      epochSteps: undefined,
      epsilon,
      includePositive,
      sides,
      chunkSize,
      temperature: { kind: "model", weigh: recipe.weighByTemperature },
    },
    context,
  );
}

/** throws  RecipeError where createSogclr does, and for a first temperature out of its bounds */
export function createIsogclr(
  recipe: z.output<typeof isogclrSchema>,
  context: ObjectiveContext,
): TrainingObjective {
  checkBatch(recipe.kind, context);
  checkScaleLearned(recipe.kind, false, context);
  checkTemperatures(recipe);
  const { kind, gamma, epsilon, includePositive, sides, chunkSize } = recipe;
  return new GlobalContrastiveObjective(
    {
      name: kind,
      gammaAt: () => gamma,
      epochSteps: undefined,
      epsilon,
      includePositive,
      sides,
      chunkSize,
      temperature: {
        kind: "individual",
        init: recipe.temperatureInit,
        min: recipe.temperatureMin,
        max: recipe.temperatureMax,
        rho: recipe.rho,
        learningRate: recipe.temperatureLearningRate,
        limit: recipe.temperatureGradientLimit,
        rule: { beta: recipe.temperatureBeta },
        weigh: recipe.weighByTemperature,
      },
    },
    context,
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
