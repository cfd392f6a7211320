/** Distillation from a teacher pair in a recipe; the trainer embeds each batch by the teacher too. */
import { z } from "zod";

import { RecipeError } from "../../errors.ts";
import { distillation } from "../../objectives/distillation.ts";
import { pretrainedSchema } from "../recipe/pretrained.ts";
import { checkBatch } from "./batch-of-pairs.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";

export const distillationSchema = z.strictObject({
  kind: z.literal("distillation"),
  teacher: pretrainedSchema.describe(
    "a model, named as `pretrained` is; its towers and embedding width need not be the student's",
  ),
  /** Weight of the student's distance from the teacher's distribution over the batch. */
  distillationWeight: z.number().min(0).default(1),
  /** Weight of the student's own contrastive loss. */
  contrastiveWeight: z.number().min(0).default(1),
  /** Rows of the logits held at a time; the whole matrices when absent. */
  chunkSize: z.int().min(1).optional(),
});

/** throws  RecipeError where nothing is learned from the teacher, or the batch is one pair */
export function createDistillation(
  { distillationWeight, contrastiveWeight, chunkSize }: z.output<typeof distillationSchema>,
  context: ObjectiveContext,
): TrainingObjective {
  checkBatch("distillation", context);
  if (distillationWeight === 0) {
    throw new RecipeError(
      "objective.distillationWeight",
      "Expected a weight above 0 for objective.distillationWeight but received 0; " +
        'name the objective "softmax" to train without a teacher',
    );
  }
  const weights = { distillationWeight, contrastiveWeight };
  const options = chunkSize === undefined ? weights : { ...weights, chunkSize };
  return {
    module: null,
    compute: ({ image, text, logitScale, teacher }) => {
      if (!teacher) {
        throw new TypeError("internal: objective distillation received no teacher's embeddings");
      }
      return { loss: distillation(image, text, { logitScale, teacher, ...options }) };
    },
    dispose: () => undefined,
  };
}
