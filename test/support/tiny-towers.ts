/** The smallest towers of every family, and what tests of runs ask of folders. For tests. */
import assert from "node:assert/strict";
import { join } from "node:path";

import { readSafetensors } from "../../src/checkpoints/weights/safetensors.ts";
import { loadModel } from "../../src/inference/load-model.ts";
import { readMetricsLog } from "../../src/train/log/metrics-log.ts";
import type { Recipe } from "../../src/train/recipe/recipe.ts";
import { scope } from "../../src/torch/index.ts";
import { tinyRecipe, type TinyData } from "./tiny-run.ts";

type Pair = Exclude<Recipe["model"], string | undefined>;

const layers = { width: 16, depth: 2, heads: 2 };
const vit = { kind: "vit", imageSize: 32, patchSize: 16, ...layers } as const;
const big = { initialization: "bigVision", projectionBias: true } as const;

/** Image towers of 32 pixels. */
export const tinyImageTowers = {
  vit,
  map: { ...vit, ...big, classToken: false, pooling: "map", normBefore: false, patchBias: true },
  naflex: { kind: "naflex", imageSize: 32, patchSize: 16, ...layers, projectionBias: true },
  modifiedResNet: {
    kind: "modifiedResNet",
    imageSize: 32,
    width: 4,
    depths: [1, 1, 1, 1],
    heads: 4,
  },
  efficientNet: {
    kind: "efficientNet",
    imageSize: 32,
    stemWidth: 8,
    stages: [
      { kernel: 3, width: 8, stride: 1, depth: 1, expansion: 1 },
      { kernel: 5, width: 12, stride: 2, depth: 2, expansion: 2 },
    ],
    dropConnect: 0.2,
  },
  mixer: {
    kind: "mixer",
    imageSize: 32,
    patchSize: 16,
    width: 16,
    depth: 2,
    tokenMlpWidth: 8,
    channelMlpWidth: 32,
    stochasticDepth: 0.1,
  },
  bitResNet: { kind: "bitResNet", imageSize: 32, width: 4, depths: [1, 1, 1, 1], groups: 2 },
} as const satisfies Record<string, Pair["image"]>;

export const tinyTextTowers = {
  transformer: { kind: "transformer", ...layers },
  last: { kind: "transformer", ...layers, ...big, attention: "bidirectional", pooling: "last" },
  bert: { kind: "bert", ...layers },
} as const satisfies Record<string, Pair["text"]>;

/** The tiny recipe with these towers, no augmentation, nothing measured, a checkpoint every 2 steps. */
export function plainRecipe(
  data: TinyData,
  image: Pair["image"] = vit,
  text: Pair["text"] = tinyTextTowers.transformer,
): Recipe & { model: Pair } {
  const recipe = tinyRecipe(data);
  const { augmentation: _, ...plain } = recipe.data;
  return { ...recipe, model: { embedDim: 16, image, text }, data: plain, evaluate: {} };
}

/** Every weight of a model folder by limn's name. */
export async function weightsOf(folder: string): Promise<Map<string, Float32Array>> {
  const loaded = await loadModel(folder, { prepare: false });
  try {
    return scope(
      () =>
        new Map(
          [...loaded.pair.namedState()].map(([name, value]) => [name, value.toFloat32Array()]),
        ),
    );
  } finally {
    loaded.dispose();
  }
}

/** Every tensor of a safetensors file. */
export function tensorsOf(file: string): Map<string, unknown> {
  const opened = readSafetensors(file);
  try {
    return scope(() => new Map(opened.names.map((name) => [name, opened.tensor(name).data()])));
  } finally {
    opened.close();
  }
}

export function checkpointOf(run: string, step: number): string {
  return join(run, "checkpoints", `step-${String(step).padStart(8, "0")}`);
}

const trainingFiles = ["optimizer", "ema", "random", "objective"];

/** Asserts that two checkpoints of a run hold the same, bit for bit. */
export function assertSameCheckpoint(a: string, b: string): void {
  const files = trainingFiles.map((name) => join("training", `${name}.safetensors`));
  for (const file of ["model.safetensors", ...files]) {
    assert.deepEqual(tensorsOf(join(a, file)), tensorsOf(join(b, file)), file);
  }
}

/** The loss of every step of a run. */
export function lossesOf(run: string): number[] {
  return readMetricsLog(join(run, "metrics.jsonl")).flatMap(({ values }) =>
    "train/loss" in values ? [values["train/loss"] ?? Number.NaN] : [],
  );
}
