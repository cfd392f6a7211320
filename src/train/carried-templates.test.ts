/** The templates of a recipe: evaluated with, kept with the model, and kept by what is trained on from it. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { describeModel } from "../checkpoints/describe-model.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../test/support/tiny-run.ts";
import { checkpointOf } from "../../test/support/tiny-towers.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { train, type TrainResult } from "./train-pair.ts";

const root = mkdtempSync(join(tmpdir(), "limn-carried-"));
let data: TinyData;
before(async () => {
  data = await tinyData(8);
});
after(() => {
  rmSync(root, { recursive: true });
  rmSync(data.folder, { recursive: true });
});

const colors = ["red", "green", "blue", "yellow"];

/** A run of two steps whose task says nothing of templates. */
function recipeOf(changes: Partial<Recipe>): Recipe {
  const { model, train: settings, ...recipe } = tinyRecipe(data);
  const suites = [
    {
      name: "colors",
      source: recipe.data.train,
      tasks: [{ kind: "zeroShot" as const, classes: colors }],
    },
  ];
  return {
    ...recipe,
    ...("pretrained" in changes ? {} : { model }),
    train: { ...settings, steps: 2 },
    evaluate: { suites },
    ...changes,
  };
}

const run = (name: string, changes: Partial<Recipe>): Promise<TrainResult> =>
  train({ recipe: recipeOf(changes), directory: join(root, name) });

const carried = async (folder: string): Promise<unknown> => (await describeModel(folder)).templates;

const facts = ({ suites }: TrainResult): unknown => {
  const { templates, templatesFrom } = suites[0]?.tasks[0]?.facts ?? {};
  return [templates, templatesFrom];
};

test("templates that are none are found before the first step", async () => {
  for (const templates of ["square", ["{}", "a square"], join(root, "none.txt")]) {
    const directory = join(root, "never");
    await assert.rejects(train({ recipe: recipeOf({ templates }), directory }), {
      name: "RecipeError",
      path: "templates",
      message: /a text with \{\}, or a file for templates but received/,
    });
    assert.equal(existsSync(join(directory, "metrics.jsonl")), false);
  }
  await assert.rejects(train({ recipe: recipeOf({ templates: [] }), directory: root }), {
    path: "templates",
  });
});

test("a run evaluates with them, and its model and checkpoints keep them", async () => {
  const file = join(root, "templates.txt");
  writeFileSync(file, "a {c} square\n");
  const result = await run("first", { templates: [file, "bare"] });
  const templates = ["a {} square", "{}"];
  assert.deepEqual(facts(result), [templates, "model"]);
  assert.deepEqual(await carried(join(root, "first", "model")), templates);
  assert.deepEqual(await carried(checkpointOf(join(root, "first"), 2)), templates);
  const metrics = readFileSync(join(root, "first", "metrics.jsonl"), "utf8");
  // Trained on from its model: the recipe says nothing, or others.
  const pretrained = join(root, "first", "model");
  const kept = await run("kept", { pretrained });
  assert.deepEqual(facts(kept), [templates, "model"]);
  assert.deepEqual(await carried(join(root, "kept", "model")), templates);
  await run("others", { pretrained, templates: "photo" });
  assert.deepEqual(await carried(join(root, "others", "model")), ["a photo of a {}."]);
  // Evaluated again in the end, from the last checkpoint.
  rmSync(pretrained, { recursive: true });
  const again = await run("first", { templates: [file, "bare"] });
  assert.deepEqual(facts(again), [templates, "model"]);
  assert.deepEqual(await carried(pretrained), templates);
  assert.ok(readFileSync(join(root, "first", "metrics.jsonl"), "utf8").startsWith(metrics));
});

test("a run without any keeps none, and is evaluated with photo", async () => {
  const result = await run("plain", {});
  assert.deepEqual(facts(result), [["a photo of a {}."], "default"]);
  assert.equal(await carried(join(root, "plain", "model")), null);
});
