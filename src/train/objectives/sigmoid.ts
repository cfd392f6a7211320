/** SigLIP's objective in a recipe. */
import { z } from "zod";

import { RecipeError } from "../../errors.ts";
import { sigmoidContrastive } from "../../objectives/sigmoid-contrastive.ts";
import { checkBatch } from "./batch-of-pairs.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";

export const sigmoidSchema = z.strictObject({
  kind: z.literal("sigmoid"),
  /** Whether the model's learned bias is added to the logits; false, with `logits.bias` null, is an ablation. */
  bias: z.boolean().default(true),
  /** Rows of the logits held at a time; the whole matrix when absent. */
  chunkSize: z.int().min(1).optional(),
});

/** throws  RecipeError where `bias` and the model's contradict each other, or the batch is one pair */
export function createSigmoid(
  { bias, chunkSize }: z.output<typeof sigmoidSchema>,
  context: ObjectiveContext,
): TrainingObjective {
  checkBatch("sigmoid", context);
  checkBias(bias, context.hasLogitBias);
  const options = chunkSize === undefined ? {} : { chunkSize };
  return {
    module: null,
    compute: ({ image, text, logitScale, logitBias }) => ({
      loss: sigmoidContrastive(image, text, { logitScale, logitBias, ...options }),
    }),
    dispose: () => undefined,
  };
}

function checkBias(bias: boolean, hasLogitBias: boolean): void {
  if (bias === hasLogitBias) return;
  throw new RecipeError(
    "objective.bias",
    bias
      ? "Expected a model with a learned bias for objective.bias true but received one without; " +
          "give logits.bias a number (SigLIP starts it at -10), or set objective.bias to false"
      : "Expected a model without a learned bias for objective.bias false but received one with; " +
          "set logits.bias to null, or remove objective.bias",
  );
}
