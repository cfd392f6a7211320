/** The quick start's recipe: a small CLIP that learns emoji in minutes on two cores. */
import { defineRecipe, type Recipe } from "limn";

import type { EmojiSuite, SuiteSource } from "./suites.ts";

export interface EmojiRecipeOptions {
  train: SuiteSource;
  suites: EmojiSuite[];
  /** A `tokenizer.json` trained on the captions. */
  tokenizer: string;
  contextLength: number;
  seed: number;
}

/** ViT-S-like towers shrunk until a step of 256 pairs takes a quarter of a second. */
export function emojiRecipe(options: EmojiRecipeOptions): Recipe {
  const { train, suites, tokenizer, contextLength, seed } = options;
  return defineRecipe({
    name: "emoji",
    model: {
      embedDim: 128,
      image: { imageSize: 48, patchSize: 12, width: 128, depth: 4, heads: 4 },
      text: { width: 128, depth: 2, heads: 4 },
    },
    data: {
      train,
      tokenizer: { kind: "tokenizer.json", file: tokenizer, contextLength },
      transform: { resizeMode: "squash", crop: "none" },
      augmentation: {
        randomResizedCrop: { scale: [0.6, 1], ratio: [0.8, 1.25] },
        colorJitter: {
          probability: 0.8,
          brightness: 0.3,
          contrast: 0.3,
          saturation: 0.5,
          hue: 0.1,
        },
        greyscale: 0.2,
      },
    },
    train: {
      batchSize: 256,
      steps: 600,
      seed,
      timeLimitMinutes: 4,
      optimizer: { learningRate: 2e-3, weightDecay: 0.2, beta2: 0.98 },
      schedule: { kind: "cosine", warmupSteps: 50 },
      gradientClip: 1,
      ema: 0.99,
      checkpoint: { everySteps: 200, keepLast: 1 },
    },
    evaluate: { batchSize: 128, suites },
  });
}
