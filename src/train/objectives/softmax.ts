/** CLIP's objective in a recipe. */
import { z } from "zod";

import { softmaxContrastive } from "../../objectives/softmax-contrastive.ts";
import type { TrainingObjective } from "./objective.ts";

export const softmaxSchema = z.strictObject({
  kind: z.literal("softmax"),
  /** Rows of the logits held at a time; the whole matrix when absent. */
  chunkSize: z.int().min(1).optional(),
});

export function createSoftmax({ chunkSize }: z.output<typeof softmaxSchema>): TrainingObjective {
  const options = chunkSize === undefined ? {} : { chunkSize };
  return {
    module: null,
    compute: ({ image, text, logitScale }) => ({
      loss: softmaxContrastive(image, text, { logitScale, ...options }),
    }),
    dispose: () => undefined,
  };
}
