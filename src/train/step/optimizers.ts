/** The optimizers that a recipe may name, with the defaults of the papers that train by them. */
import { z } from "zod";

import { Lamb } from "../../optimize/lamb.ts";
import { Lion } from "../../optimize/lion.ts";
import type { Optimizer } from "../../optimize/optimizer.ts";
import type { ParameterGroup } from "../../optimize/groups.ts";
import { AdamW } from "../../optimize/adamw.ts";

const decay = z.number().min(0).lt(1);
const learningRate = z.number().positive().describe("the full rate, which the schedule changes");
const beta1 = decay.default(0.9);
const epsilon = z.number().positive().default(1e-6).describe("added to the denominator");
const weightDecay = (share: number): z.ZodDefault<z.ZodNumber> =>
  z
    .number()
    .min(0)
    .default(share)
    .describe("share of a weight that is taken off per unit of learning rate");
const mean = "decay of the gradients' running mean";
const squares = "decay of the squared gradients' running mean";

const adamWSchema = z
  .strictObject({
    kind: z.literal("adamw").optional().default("adamw"),
    learningRate,
    beta1: beta1.describe(mean),
    beta2: decay.default(0.98).describe(squares),
    epsilon,
    weightDecay: weightDecay(0.2),
  })
  .describe("AdamW with CLIP's defaults; the kind need not be written");

const lambSchema = z
  .strictObject({
    kind: z.literal("lamb"),
    learningRate,
    beta1: beta1.describe(mean),
    beta2: decay.default(0.999).describe(squares),
    epsilon,
    weightDecay: weightDecay(1e-5),
  })
  .describe("LAMB with ALIGN's defaults; weights that do not decay take Adam's step");

const lionSchema = z
  .strictObject({
    kind: z.literal("lion"),
    learningRate,
    beta1: beta1.describe("share of the running mean in the direction of a step"),
    beta2: decay.default(0.99).describe(mean),
    weightDecay: weightDecay(1e-3),
  })
  .describe("Lion with SigLiT's defaults: half of AdamW's memory");

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
