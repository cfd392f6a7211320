/**
 * SogCLR (arXiv:2202.12387): the softmax's denominators are over the whole data in place of the batch,
 * by a moving estimate u of every example's, as image and as text (the global contrastive loss, GCL).
 *
 *     L = T 1/2 mean_i [ g1_i / sg(u1_i + eps) + g2_i / sg(u2_i + eps) ]
 *     u_i <- (1 - gamma) u_i + gamma g_i,   u_i = g_i at the example's first visit
 *
 * g and the gradient are in shared/global-contrastive.ts, the run's side in shared/global-objective.ts.
 * The notation, and the bimodal form, are those of FastCLIP (arXiv:2407.01445, section 4).
 */
import { z } from "zod";

import { clipLogits } from "./clip.ts";
import { declareObjective } from "./objective.ts";
import {
  globalReads,
  GlobalContrastiveObjective,
  type GlobalContrastiveSettings,
} from "./shared/global-objective.ts";
import { checkBatch, checkScaleLearned, chunkSize } from "./shared/recipe-options.ts";

/** What a recipe may say of SogCLR, and of iSogCLR. */
export const sogclrOptions = {
  gamma: z
    .number()
    .gt(0)
    .max(1)
    .default(0.8)
    .describe("the weight of the batch in the normalisers; a first visit sets them whole"),
  epsilon: z.number().min(0).max(1).default(1e-14).describe("added to every normaliser"),
  includePositive: z
    .boolean()
    .default(false)
    .describe("the pair itself counts in g, as in the systems' own code (with epsilon 1e-10)"),
  sides: z
    .enum(["mean", "sum"])
    .default("mean")
    .describe("images' and texts' means are averaged or, as in that code, added"),
  weighByTemperature: z
    .boolean()
    .default(true)
    .describe("multiplies each term by its temperature, as GCL and RGCL are written"),
  chunkSize,
};

const schema = z
  .strictObject({ kind: z.literal("sogclr"), ...sogclrOptions })
  .describe(
    "SogCLR's moving averages of denominators over the whole data; the temperature is constant",
  );

/** What the two have in common: all but the temperature. */
export function sogclrSettings(
  recipe: Omit<z.output<typeof schema>, "kind"> & { kind: string },
): Omit<GlobalContrastiveSettings, "temperature"> {
  const { kind, gamma, epsilon, includePositive, sides, chunkSize: rows } = recipe;
  return {
    name: kind,
    gammaAt: () => gamma,
    epochSteps: undefined,
    epsilon,
    includePositive,
    sides,
    chunkSize: rows,
  };
}

/** The temperature is 1 / logits.scale.init, which is not learned. */
export const sogclrObjective = declareObjective({
  schema,
  reads: globalReads,
  logits: () => clipLogits,
  create: (recipe, context) => {
    checkBatch(recipe.kind, context);
    checkScaleLearned(recipe.kind, false, context);
    const temperature = { kind: "model", weigh: recipe.weighByTemperature } as const;
    return new GlobalContrastiveObjective({ ...sogclrSettings(recipe), temperature }, context);
  },
});
