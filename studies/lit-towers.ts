/**
 * The image tower that LiT's studies lock: trained on the training pictures to tell the emoji apart,
 * without any text. It has seen no picture of the vendor that is tested.
 */
import path from "node:path";
import { definePretraining, pretrain } from "limn";
import type { StudyContext } from "limn/study";

import { emojiAugmentation, type EmojiStudyData } from "./emoji.ts";

/** ViT of 32 pixels, as the base recipe's. */
export const litImageTower = {
  ...{ imageSize: 32, patchSize: 16, width: 96, depth: 2, heads: 3 },
  pooling: "mean",
} as const;

/** Where the features of locked towers are kept. */
export function litCacheFolder(context: StudyContext): string {
  return path.resolve(context.sharedFolder, "lit-cache");
}

/** Trains the tower once for the study, or finds it; returns what `pretrained` takes. */
export async function pretrainedImageTower(
  context: StudyContext,
  data: EmojiStudyData,
  steps = 1200,
): Promise<string> {
  const recipe = definePretraining({
    kind: "classification",
    name: "image-tower",
    image: litImageTower,
    data: {
      train: data.source(),
      transform: { resizeMode: "squash", crop: "none" },
      augmentation: emojiAugmentation,
      cache: { views: 8, folder: litCacheFolder(context) },
    },
    labels: { answer: "label", smoothing: 0.1 },
    train: {
      batchSize: 128,
      steps,
      seed: 9,
      optimizer: { learningRate: 2e-3, weightDecay: 0.1, beta2: 0.98 },
      schedule: { kind: "cosine", warmupSteps: Math.ceil(steps / 10) },
      gradientClip: 1,
      checkpoint: { keepLast: 1 },
    },
  });
  const folder = await context.artifact(
    "image-tower",
    async (directory) => {
      await pretrain({ recipe, directory, smoke: context.smoke });
    },
    { of: { ...recipe, data: data.built.dataset.stamp, folder: undefined } },
  );
  return path.join(folder, "model");
}
