/**
 * iSogCLR (arXiv:2305.11965): SogCLR, where every example has a temperature of its own as image and
 * another as text, learned under the robust global contrastive loss (RGCL).
 *
 *     L_i = T_i (log(eps + g_i(T_i)) + rho),   T_i >= T0
 *     m <- (1 - beta) m + beta dL/dT,   T <- clamp(T - eta m)
 *
 * The estimate of g is SogCLR's (sogclr.ts); dL/dT is `temperatureGradient` in
 * shared/global-objective.ts. The model's logit scale takes no part in the loss.
 */
import { z } from "zod";

import { noGrad, scope, type Tensor } from "../torch/index.ts";
import { clipLogits } from "./clip.ts";
import { declareObjective } from "./objective.ts";
import { globalReads, GlobalContrastiveObjective } from "./shared/global-objective.ts";
import { checkBatch, checkScaleLearned, checkTemperatures } from "./shared/recipe-options.ts";
import { sogclrOptions, sogclrSettings } from "./sogclr.ts";

interface MomentumState {
  /** [N] T > 0 */
  temperature: Tensor;
  /** [N] running mean of the gradient. */
  momentum: Tensor;
}

interface MomentumStepOptions {
  learningRate: number;
  /** The weight of the new gradient. */
  beta: number;
  /** Bounds of the temperatures. */
  min: number;
  max: number;
}

/** m <- (1 - beta) m + beta G,  T <- clamp(T - eta m). */
export function momentumStep(
  { temperature, momentum }: MomentumState,
  gradient: Tensor,
  { learningRate, beta, min, max }: MomentumStepOptions,
): MomentumState {
  return noGrad(() =>
    scope(() => {
      const mean = momentum.mul(1 - beta).add(gradient.mul(beta));
      return {
        temperature: temperature.sub(mean.mul(learningRate)).clamp(min, max),
        momentum: mean,
      };
    }),
  );
}

export const isogclrObjective = declareObjective({
  schema: z
    .strictObject({
      kind: z.literal("isogclr"),
      ...sogclrOptions,
      rho: z.number().min(0).default(6).describe("keeps temperatures down"),
      temperatureInit: z.number().gt(0).default(0.01).describe("the first, of every example"),
      temperatureMin: z.number().gt(0).default(0.005).describe("T0"),
      temperatureMax: z.number().gt(0).default(1).describe("the largest"),
      temperatureLearningRate: z.number().min(0).default(0.03).describe("eta, constant"),
      temperatureBeta: z
        .number()
        .gt(0)
        .max(1)
        .default(0.9)
        .describe("beta: the weight of the new gradient in its running mean"),
      temperatureGradientLimit: z
        .number()
        .gt(0)
        .default(5)
        .describe("gradients of temperatures are limited to +- this"),
    })
    .describe("SogCLR with learned temperatures for each example (iSogCLR)"),
  reads: globalReads,
  logits: () => clipLogits,
  create: (recipe, context) => {
    checkBatch(recipe.kind, context);
    checkScaleLearned(recipe.kind, false, context);
    checkTemperatures(recipe);
    const options = {
      learningRate: recipe.temperatureLearningRate,
      beta: recipe.temperatureBeta,
      min: recipe.temperatureMin,
      max: recipe.temperatureMax,
    };
    return new GlobalContrastiveObjective(
      {
        ...sogclrSettings(recipe),
        temperature: {
          kind: "individual",
          init: recipe.temperatureInit,
          rho: recipe.rho,
          limit: recipe.temperatureGradientLimit,
          weigh: recipe.weighByTemperature,
          rule: {
            numbers: 2,
            step: ([temperature, momentum], gradient) => {
              const before = { temperature, momentum } as MomentumState;
              const after = momentumStep(before, gradient, options);
              return [after.temperature, after.momentum];
            },
          },
        },
      },
      context,
    );
  },
});
