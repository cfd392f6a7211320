/** The quick start's recipe: a small CLIP that learns icons in minutes on two cores. */
import { availablePrecisions, defineRecipe, type Precision, type Recipe } from "limn";
import { resolveDevice } from "limn/torch";

import type { IconSource, IconSuite, iconTokenizer } from "./suites.ts";

export interface IconRecipeOptions {
  train: IconSource;
  suites: IconSuite[];
  tokenizer: ReturnType<typeof iconTokenizer>;
  imageSize: number;
  seed: number;
  precision: "float32" | "bfloat16";
}

/**
 * bfloat16 where the device multiplies in it. A processor that has to emulate it is slower than in
 * float32, and in the same minutes takes fewer steps.
 *
 * precisions  of the device that a run takes by itself, when absent
 */
export function trainingPrecision(
  precisions: readonly Precision[] = availablePrecisions(resolveDevice("auto")),
): IconRecipeOptions["precision"] {
  return precisions.includes("bfloat16") ? "bfloat16" : "float32";
}

/** Settings are chosen on `validationSuites`, never on the test sets. */
export function iconRecipe({
  train,
  suites,
  tokenizer,
  imageSize,
  seed,
  precision,
}: IconRecipeOptions): Recipe {
  return defineRecipe({
    name: "icons",
    model: {
      embedDim: 192,
      image: { kind: "modifiedResNet", imageSize, width: 16, depths: [1, 1, 1, 1], heads: 8 },
      text: { width: 128, depth: 2, heads: 4 },
    },
    // Captions are bare names, so the question is one too.
    templates: "bare",
    data: {
      train,
      tokenizer,
      transform: { resizeMode: "squash", crop: "none" },
      augmentation: { randomResizedCrop: { scale: [0.75, 1], ratio: [0.85, 1.18] } },
    },
    train: {
      batchSize: 256,
      steps: 1200,
      seed,
      precision,
      minutes: 4,
      optimizer: { learningRate: 1e-3, weightDecay: 0.1, beta2: 0.98 },
      schedule: { kind: "cosine", warmupSteps: 30 },
      gradientClip: 1,
      ema: 0.985,
      checkpoint: { everySteps: 200, keepLast: 1 },
    },
    evaluate: { batchSize: 128, suites },
  });
}
