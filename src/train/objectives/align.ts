/** ALIGN's objective in a recipe; the temperature is the inverse of the model's logit scale. */
import { z } from "zod";

import { alignContrastive } from "../../objectives/align-contrastive.ts";
import { checkBatch } from "./batch-of-pairs.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";

export const alignSchema = z.strictObject({
  kind: z.literal("align"),
  /** Share of the targets spread evenly over the batch. */
  labelSmoothing: z.number().min(0).lt(1).default(0.1),
  /** Whether the two directions are averaged, as transformers does, or summed, as in the paper. */
  reduction: z.enum(["mean", "sum"]).default("mean"),
  /** Rows of the logits held at a time; the whole matrix when absent. */
  chunkSize: z.int().min(1).optional(),
});

/** throws  RecipeError where the batch is one pair */
export function createAlign(
  { labelSmoothing, reduction, chunkSize }: z.output<typeof alignSchema>,
  context: ObjectiveContext,
): TrainingObjective {
  checkBatch("align", context);
  const options = { labelSmoothing, reduction, ...(chunkSize === undefined ? {} : { chunkSize }) };
  return {
    module: null,
    compute: ({ image, text, logitScale }) => ({
      loss: alignContrastive(image, text, { temperature: logitScale.pow(-1), ...options }),
    }),
    dispose: () => undefined,
  };
}
