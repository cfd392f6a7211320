/** CyCLIP's objective in a recipe. */
import { z } from "zod";

import { cyclip } from "../../objectives/cyclip.ts";
import { checkBatch } from "./batch-of-pairs.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";

export const cyclipSchema = z.strictObject({
  kind: z.literal("cyclip"),
  /** Weight of the likeness between images and between their texts. */
  inModalWeight: z.number().min(0).default(0.25),
  /** Weight of the symmetry between image i with text j and image j with text i. */
  crossModalWeight: z.number().min(0).default(0.25),
  /** Rows of the logits held at a time; the whole matrices when absent. */
  chunkSize: z.int().min(1).optional(),
});

/** throws  RecipeError where the batch is one pair */
export function createCyclip(
  { inModalWeight, crossModalWeight, chunkSize }: z.output<typeof cyclipSchema>,
  context: ObjectiveContext,
): TrainingObjective {
  checkBatch("cyclip", context);
  const weights = { inModalWeight, crossModalWeight };
  const options = chunkSize === undefined ? weights : { ...weights, chunkSize };
  return {
    module: null,
    compute: ({ image, text, logitScale }) => ({
      loss: cyclip(image, text, { logitScale, ...options }),
    }),
    dispose: () => undefined,
  };
}
