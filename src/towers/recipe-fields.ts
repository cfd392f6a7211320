/** Keys that several kinds of towers have in a recipe, with what the documentation says of each. */
import { z } from "zod";

import { activationNames, type Activation } from "../nn/activation.ts";
import { initializations } from "./big-vision-defaults.ts";

export const count = z.int().min(1);

export const imageSize = count.describe("side of the square input in pixels");
export const patchSize = count.describe("side of a patch in pixels; divides `imageSize`");

export const transformerSizes = {
  width: count.describe("numbers per token"),
  depth: count.describe("number of blocks"),
  heads: count.describe("attention heads; divides `width`"),
  mlpWidth: count.optional().describe("hidden width of the perceptron; 4 × `width` when absent"),
};

export const activation = z.enum(activationNames).describe("activation of the perceptrons");
export const normEpsilon = z.number().positive().describe("added to the variance in a layer norm");
export const projectionBias = z
  .boolean()
  .optional()
  .describe("whether the projection has a bias; false when absent");
export const initialization = z
  .enum(initializations)
  .optional()
  .describe("initial weights as openai/CLIP or as big_vision draws them; `clip` when absent");

const probability = z.number().min(0).lt(1);

export const dropConnect = probability.describe(
  "probability that a sample skips a block at the end of the tower; it rises linearly from 0",
);
export const patchDropout = probability
  .optional()
  .describe("share of the patches that is dropped in training (FLIP)");
export const stochasticDepth = probability
  .optional()
  .describe("probability that a sample skips a branch of the last block; it rises linearly from 0");

export const stageDepths = z
  .tuple([count, count, count, count])
  .readonly()
  .describe("number of bottlenecks in each of the four stages");

/** What the transformers of a pair have in common where a recipe writes no other. */
export interface TransformerDefaults {
  activation: Activation;
  normEpsilon: number;
}

/**
 * A transformer's keys with those that the recipe left out; absent optional ones stay absent.
 *
 * defaults  an object that may hold more; absent where the schema has defaults of its own
 */
export function completed(
  written: { width: number; mlpWidth?: number | undefined },
  defaults?: TransformerDefaults,
): object {
  const { activation: shared, normEpsilon: epsilon } = defaults ?? {};
  const common = given({ activation: shared, normEpsilon: epsilon });
  return { ...common, mlpWidth: 4 * written.width, ...given(written) };
}

/** The keys that have a value. */
export function given<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
