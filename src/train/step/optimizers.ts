/** The optimizers that a recipe may name, with the defaults of the papers that train by them. */
import { z } from "zod";

import { Lamb } from "../../optimize/lamb.ts";
import { Lion } from "../../optimize/lion.ts";
import type { Optimizer } from "../../optimize/optimizer.ts";
import type { ParameterGroup } from "../../optimize/groups.ts";
import { AdamW } from "../../optimize/adamw.ts";

const decay = z.number().min(0).lt(1);

/** CLIP's. */
const adamWSchema = z.strictObject({
  kind: z.literal("adamw").optional().default("adamw"),
  learningRate: z.number().positive(),
  beta1: decay.default(0.9),
  beta2: decay.default(0.98),
  epsilon: z.number().positive().default(1e-6),
  weightDecay: z.number().min(0).default(0.2),
});

/** ALIGN's. */
const lambSchema = z.strictObject({
  kind: z.literal("lamb"),
  learningRate: z.number().positive(),
  beta1: decay.default(0.9),
  beta2: decay.default(0.999),
  epsilon: z.number().positive().default(1e-6),
  weightDecay: z.number().min(0).default(1e-5),
});

/** SigLiT's; its decay of 1e-7 does not scale with the learning rate, 1e-4. */
const lionSchema = z.strictObject({
  kind: z.literal("lion"),
  learningRate: z.number().positive(),
  beta1: decay.default(0.9),
  beta2: decay.default(0.99),
  weightDecay: z.number().min(0).default(1e-3),
});

/** `kind` is `adamw` when absent. */
export const optimizerSchema = z.discriminatedUnion("kind", [adamWSchema, lambSchema, lionSchema]);

export type OptimizerRecipe = z.output<typeof optimizerSchema>;

/** Parameters are borrowed; the moments are the optimizer's. */
export function createOptimizer(
  recipe: OptimizerRecipe,
  groups: readonly ParameterGroup[],
): Optimizer {
  const { beta1, beta2 } = recipe;
  switch (recipe.kind) {
    case "adamw":
      return new AdamW(groups, { beta1, beta2, epsilon: recipe.epsilon });
    case "lamb":
      return new Lamb(groups, { beta1, beta2, epsilon: recipe.epsilon });
    case "lion":
      return new Lion(groups, { beta1, beta2 });
  }
}
