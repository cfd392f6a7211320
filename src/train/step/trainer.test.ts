import assert from "node:assert/strict";
import { test } from "node:test";

import type { Batch } from "../../data/sample.ts";
import type { Linear } from "../../nn/index.ts";
import { memory, scope } from "../../torch/index.ts";
import { modelConfig } from "../recipe/build-model.ts";
import { DivergedError } from "./updater.ts";
import { resolveLogits } from "../recipe/logits.ts";
import { resolveRecipe } from "../recipe/resolve-recipe.ts";
import { Trainer } from "./trainer.ts";

const contextLength = 10;
const vocabulary = { vocabSize: 40, contextLength, padId: 0, endId: 39 };

function trainer(set: string[] = []): Trainer {
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
      train: {
        batchSize: 8,
        steps: 60,
        device: "cpu",
        optimizer: { learningRate: 3e-3, weightDecay: 0.01 },
        schedule: { kind: "constant" },
      },
    },
    { set },
  );
  const logits = resolveLogits(recipe.logits, recipe.objective);
  const config = modelConfig(recipe.model ?? "", vocabulary, logits);
  const half: [number, number, number] = [0.5, 0.5, 0.5];
  const normalization = { mean: half, std: half };
  return new Trainer({ recipe, config, device: "cpu", normalization, scratchFolder: "-" });
}

function headOf({ projection }: { projection: Linear | null }): Linear {
  assert.ok(projection);
  return projection;
}

function batch(): Batch {
  const size = 8;
  const pixels = Uint8Array.from({ length: size * 3 * 256 }, (_, i) => (i * 7919 + (i >> 5)) % 256);
  const tokens = new Int32Array(size * contextLength);
  const lengths = new Int32Array(size).fill(5);
  for (let row = 0; row < size; row++) {
    for (let t = 0; t < 4; t++) tokens[row * contextLength + t] = 1 + ((row * 5 + t) % 38);
    tokens[row * contextLength + 4] = vocabulary.endId;
  }
  const keys = Array.from({ length: size }, (_, i) => `sample-${i}`);
  const owners = Int32Array.from(keys, (_, i) => i);
  return {
    keys,
    ids: keys,
    imageIds: keys,
    pixels,
    size,
    imageSize: 16,
    tokens,
    contextLength,
    lengths,
    captions: keys,
    owners,
    skipped: 0,
    epoch: 0,
  };
}

test("a loss that leaves the numbers stops with step and samples, the weights as they were", () => {
  const one = trainer();
  one.trainStep(batch());
  scope(() => headOf(one.model.imageTower).weight.tensor.detach().fill_(NaN));
  const before = headOf(one.model.textTower).weight.tensor.data();
  assert.throws(
    () => one.trainStep(batch()),
    (error: unknown) => {
      assert.ok(error instanceof DivergedError);
      assert.equal(error.code, "LIMN_DIVERGED");
      assert.equal(error.step, 2);
      assert.deepEqual(error.keys, batch().keys);
      assert.match(
        error.message,
        /finite loss at step 2 .* Samples of the batch: sample-0, sample-1/,
      );
      return true;
    },
  );
  assert.deepEqual(headOf(one.model.textTower).weight.tensor.data(), before);
  assert.equal(one.step, 1);
  one.dispose();
});

test("the loss on one repeated batch goes to near zero, in whole and in micro-batches", () => {
  for (const set of [[], ["train.microBatchSize=3"]]) {
    const one = trainer(set);
    const reports = Array.from({ length: 60 }, () => one.trainStep(batch()));
    assert.ok((reports[0]?.loss ?? 0) > 1.5, `first loss ${reports[0]?.loss}`);
    assert.ok((reports.at(-1)?.loss ?? 9) < 0.05, `last loss ${reports.at(-1)?.loss}`);
    assert.equal(reports.at(-1)?.contrastiveAccuracy, 1);
    one.dispose();
  }
});

test("the same seed gives the same weights, another seed others", () => {
  const weights = (set: string[]): Float32Array => {
    const one = trainer(set);
    for (let i = 0; i < 3; i++) one.trainStep(batch());
    const found = headOf(one.model.imageTower).weight.tensor.toFloat32Array();
    one.dispose();
    return found;
  };
  assert.deepEqual(weights([]), weights([]));
  assert.notDeepEqual(weights([]), weights(["train.seed=1"]));
});

test("the logit scale is kept within [1, 100]", () => {
  const one = trainer(["train.optimizer.learningRate=50"]);
  for (let i = 0; i < 3; i++) {
    const { logitScale } = one.trainStep(batch());
    assert.ok(logitScale >= 1 && logitScale <= 100.001, String(logitScale));
  }
  one.dispose();
});

test("the number of live tensors does not grow with steps", () => {
  const one = trainer(["train.ema=0.9", "train.gradientClip=1"]);
  one.trainStep(batch());
  const before = memory();
  for (let i = 0; i < 5; i++) one.trainStep(batch());
  assert.deepEqual(memory(), before);
  one.dispose();
});
