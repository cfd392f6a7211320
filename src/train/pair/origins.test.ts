/** A run opens each model that it starts from once, and reads each of its files once. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";

import { countReads } from "../../../test/support/count-reads.ts";
import { endToEndPairs, endToEndPath } from "../../../test/support/end-to-end-goldens.ts";
import { tinyData, type TinyData } from "../../../test/support/tiny-run.ts";
import { plainRecipe } from "../../../test/support/tiny-towers.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { train } from "../train-pair.ts";

const root = mkdtempSync(join(tmpdir(), "limn-origins-"));
const pathOf = (name: string): string =>
  endToEndPath(endToEndPairs.find((pair) => pair.name === name)!);
let data: TinyData;

before(async () => {
  data = await tinyData(32);
});
after(() => {
  rmSync(root, { recursive: true });
  rmSync(data.folder, { recursive: true });
});

/** How often the files beside a model are opened while a run that starts from it trains. */
async function readsOf(folder: string, changes: Partial<Recipe>): Promise<Record<string, number>> {
  const { model: _, ...plain } = plainRecipe(data);
  const { tokenizer: __, ...source } = plain.data;
  const recipe = { ...plain, data: source, ...changes };
  const directory = mkdtempSync(join(root, "run-"));
  return countReads(folder, () => train({ recipe, directory, set: ["train.steps=2"] }));
}

test("fine-tuning from a folder reads its configuration, preprocessing and weights once", async () => {
  const folder = pathOf("clip");
  const counts = await readsOf(folder, { pretrained: folder });
  assert.equal(counts["config.json"], 1);
  assert.equal(counts["preprocessor_config.json"], 1);
  assert.equal(counts["model.safetensors"], 1);
});

test("towers from the folder of the pair do not open it again", async () => {
  const folder = pathOf("clip");
  const towers = { image: { pretrained: folder }, text: { pretrained: folder } };
  const counts = await readsOf(folder, { pretrained: folder, towers });
  assert.deepEqual([counts["config.json"], counts["model.safetensors"]], [1, 1]);
});

test("an open_clip file whose activation the recipe gives is opened once", async () => {
  const path = pathOf("open-clip-checkpoint");
  const told = { path, activation: "quickGelu", evaluationTransform: "clip:24" } as const;
  const counts = await readsOf(dirname(path), { pretrained: told });
  assert.equal(counts["epoch_3.pt"], 1);
  await assert.rejects(readsOf(dirname(path), { pretrained: path }), {
    name: "UnsettledError",
    message:
      /activation of .* in a recipe with \{ path, activation \} in place of the path \(pretrained\)$/,
  });
});

test("facts of the towers' models and of the teacher count as those of the pair", async () => {
  const path = pathOf("open-clip-checkpoint");
  const told = { path, activation: "quickGelu", evaluationTransform: "clip:24" } as const;
  const image = { pretrained: told, locked: true };
  const counts = await readsOf(dirname(path), { pretrained: told, towers: { image } });
  assert.equal(counts["epoch_3.pt"], 1);
  const objective = { kind: "distillation", teacher: told } as const;
  const taught = await readsOf(dirname(path), { pretrained: told, objective });
  // The teacher is a model of its own.
  assert.equal(taught["epoch_3.pt"], 2);
  const wrong = { ...told, evaluationTransform: "clip" };
  await assert.rejects(readsOf(dirname(path), { pretrained: wrong }), {
    name: "RecipeError",
    path: "pretrained.evaluationTransform",
    message: /a preset at a size for pretrained\.evaluationTransform but received "clip"/,
  });
});

test("fine-tuning from OpenAI's file opens it once", async () => {
  const file = pathOf("openai");
  const counts = await readsOf(dirname(file), { pretrained: file });
  assert.equal(counts["tiny.pt"], 1);
});
