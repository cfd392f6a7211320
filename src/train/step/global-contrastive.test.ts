import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import type { Batch } from "../../data/sample.ts";
import { memory } from "../../torch/index.ts";
import { modelConfig } from "../recipe/build-model.ts";
import { resolveLogits } from "../recipe/logits.ts";
import { resolveRecipe } from "../recipe/resolve-recipe.ts";
import { Trainer } from "../step/trainer.ts";

const root = mkdtempSync(join(tmpdir(), "limn-global-"));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

const vocabulary = { vocabSize: 40, contextLength: 8, padId: 0, endId: 39 };

function trainer(objective: object, learned: boolean, set: string[] = []): Trainer {
  const recipe = resolveRecipe(
    {
      name: "t",
      model: {
        embedDim: 16,
        image: { imageSize: 16, patchSize: 8, width: 32, depth: 2, heads: 2 },
        text: { width: 32, depth: 2, heads: 2 },
      },
      data: {
        train: { kind: "webdataset", shards: "-" },
        tokenizer: { kind: "clip-bpe", merges: "-" },
      },
      logits: { scale: { learned } },
      objective,
      train: {
        batchSize: 8,
        steps: 60,
        device: "cpu",
        optimizer: { learningRate: 3e-3, weightDecay: 0 },
        schedule: { kind: "constant" },
      },
    },
    { set },
  );
  const logits = resolveLogits(recipe.logits, recipe.objective);
  const config = modelConfig(recipe.model ?? "", vocabulary, logits);
  const half: [number, number, number] = [0.5, 0.5, 0.5];
  const normalization = { mean: half, std: half };
  const scratchFolder = join(root, String(folders++));
  return new Trainer({ recipe, config, device: "cpu", normalization, scratchFolder });
}

/** Eight of 16 examples: of the even or the odd steps. */
function batch(step: number): Batch {
  const { contextLength, endId } = vocabulary;
  const size = 8;
  const numbers = Array.from({ length: size }, (_, i) => 2 * i + (step % 2));
  const tokens = new Int32Array(size * contextLength);
  for (const [row, n] of numbers.entries()) {
    tokens.set([1 + n, 20 + ((n * 7) % 16), endId], row * contextLength);
  }
  const keys = numbers.map((n) => `sample-${n}`);
  return {
    keys,
    ids: keys,
    imageIds: keys,
    captions: keys,
    pixels: Uint8Array.from({ length: size * 768 }, (_, i) => {
      const mixed = Math.imul(
        (numbers[Math.floor(i / 768)] as number) * 768 + (i % 768),
        0x9e3779b1,
      );
      return (mixed ^ (mixed >>> 13)) & 255;
    }),
    size,
    imageSize: 16,
    tokens,
    contextLength,
    lengths: new Int32Array(size).fill(3),
    owners: Int32Array.from(keys, (_, i) => i),
    skipped: 0,
    epoch: Math.floor(step / 2),
  };
}

const runs: [object, boolean][] = [
  [{ kind: "sogclr" }, false],
  [{ kind: "isogclr", temperatureInit: 0.07, chunkSize: 3 }, false],
  [{ kind: "fastclip", version: 0 }, true],
  [{ kind: "fastclip", version: 1, gammaDecayEpochs: 10 }, false],
  [{ kind: "fastclip", version: 2, temperatureInit: 0.07 }, false],
  [{ kind: "fastclip", version: 3 }, true],
  [{ kind: "neuclip", prototypes: 16, innerSteps: 3, restartSteps: 10 }, true],
];

function learns(objective: object, learned: boolean, set: string[] = []): void {
  const one = trainer(objective, learned, set);
  const first = one.trainStep(batch(0)).contrastiveAccuracy ?? NaN;
  for (let step = 1; step < 4; step++) one.trainStep(batch(step));
  const before = memory();
  let last = 0;
  for (let step = 4; step < 60; step++) {
    last = one.trainStep(batch(step)).contrastiveAccuracy ?? NaN;
  }
  assert.deepEqual(memory(), before);
  // Temperatures of an example's own fall to their least first, and learn more slowly.
  assert.ok(first < 0.3 && last > 0.5, `${first} to ${last}`);
  one.dispose();
}

for (const [objective, learned] of runs) {
  test(`a model learns to tell pairs apart: ${JSON.stringify(objective)}`, () => {
    learns(objective, learned);
  });
}

test("likewise in micro-batches, where each example's state moves once a step", () => {
  learns({ kind: "fastclip", version: 3 }, true, ["train.microBatchSize=3"]);
});
