import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";

import { describeModel } from "../checkpoints/describe-model.ts";
import { loadModel } from "../inference/load-model.ts";
import { saveCheckpoint } from "../checkpoints/checkpoint.ts";
import { tinyData, type TinyData } from "../../test/support/tiny-run.ts";
import {
  checkpointOf,
  lossesOf,
  plainRecipe,
  tensorsOf,
  tinyImageTowers,
  tinyTextTowers,
  weightsOf,
} from "../../test/support/tiny-towers.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { train, type TrainResult } from "./train-pair.ts";

let data: TinyData;
let picture: Uint8Array;
const folder = mkdtempSync(join(tmpdir(), "limn-pairs-"));

before(async () => {
  data = await tinyData(16);
  const background = { r: 200, g: 40, b: 90 };
  picture = await sharp({ create: { width: 40, height: 32, channels: 3, background } })
    .png()
    .toBuffer();
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

type Names = [image: keyof typeof tinyImageTowers, text: keyof typeof tinyTextTowers];
const pairs: Names[] = [
  ["vit", "transformer"],
  ["modifiedResNet", "transformer"],
  ["efficientNet", "bert"],
  ["map", "last"],
  ["mixer", "bert"],
  ["bitResNet", "transformer"],
];
const runOf = ([image, text]: Names): string => join(folder, `${image}-${text}`);

function recipeOf([image, text]: Names): Recipe {
  const recipe = plainRecipe(data, tinyImageTowers[image], tinyTextTowers[text]);
  const { ema: _, ...training } = recipe.train;
  const objective =
    image === "map" ? ({ kind: "sigmoid" } as const) : ({ kind: "softmax" } as const);
  const checkpoint = { everySteps: 1, keepLast: 9 };
  return { ...recipe, objective, train: { ...training, steps: 2, checkpoint } };
}

async function embeddings(model: string): Promise<{ images: number[]; texts: number[] }> {
  const loaded = await loadModel(model);
  const [images, texts] = [
    await loaded.encodeImages([picture]),
    loaded.encodeTexts(["a small red square", "blue"]),
  ];
  const found = { images: [...images.toFloat32Array()], texts: [...texts.toFloat32Array()] };
  for (const tensor of [images, texts]) tensor.dispose();
  loaded.dispose();
  return found;
}

describe("any image tower with any text tower", () => {
  for (const names of pairs) {
    test(`${names.join(" with ")} trains, is saved, opens and goes on exactly`, async () => {
      const [whole, resumed] = [runOf(names), `${runOf(names)}-resumed`];
      const recipe = recipeOf(names);
      await train({ recipe, directory: whole });
      const [first, second] = lossesOf(whole);
      assert.ok(Number.isFinite(first) && first !== second);

      const model = join(whole, "model");
      const { images, texts } = await embeddings(model);
      const norm = Math.hypot(...images);
      assert.ok(Math.abs(norm - 1) < 1e-5, `norm ${norm}`);
      assert.deepEqual([images.length, texts.length], [16, 32]);
      assert.deepEqual(await embeddings(checkpointOf(whole, 2)), { images, texts });

      cpSync(whole, resumed, { recursive: true });
      rmSync(checkpointOf(resumed, 2), { recursive: true });
      await train({ recipe, directory: resumed });
      const files = ["model.safetensors", "training/optimizer.safetensors"];
      for (const file of files) {
        const [a, b] = [resumed, whole].map((run) => tensorsOf(join(checkpointOf(run, 2), file)));
        assert.deepEqual(a, b);
      }
    });
    test(`${names.join(" with ")}: what is opened and saved again is the same file`, async () => {
      const loaded = await loadModel(join(runOf(names), "model"), { prepare: false });
      const again = join(folder, "again");
      await saveCheckpoint(again, {
        config: loaded.config,
        weights: loaded.pair.namedState(),
        evaluationTransform: loaded.evaluationTransform,
      });
      loaded.dispose();
      for (const file of ["model.safetensors", "config.json", "preprocessor_config.json"]) {
        const [a, b] = [again, join(runOf(names), "model")].map((at) =>
          readFileSync(join(at, file)),
        );
        assert.ok(a!.equals(b!), file);
      }
    });
    test(`${names.join(" with ")} is described`, async () => {
      const { architecture, family, parameters } = await describeModel(join(runOf(names), "model"));
      const clip = names[0] === "vit";
      assert.equal(family, clip ? "CLIP" : "dual encoder");
      const text = names[1] === "last" ? "transformer" : names[1];
      const image = names[0] === "map" ? "vit" : names[0];
      assert.equal(architecture, `${image} with ${text}`);
      const { total, imageTower, textTower } = parameters;
      assert.equal(total - imageTower - textTower, names[0] === "map" ? 2 : 1);
    });
  }
});

describe("a run from a finished pair", () => {
  /** One step at no rate: what is saved is what the run began with. */
  async function begin(
    names: Names,
    changes: Partial<Recipe>,
    set: string[] = [],
  ): Promise<TrainResult> {
    const recipe = recipeOf(names);
    const optimizer = { learningRate: 1e-12, weightDecay: 0 };
    const directory = join(folder, `begin-${begins++}`);
    const train1 = { ...recipe.train, steps: 1, seed: 9, optimizer };
    return train({ recipe: { ...recipe, train: train1, ...changes }, directory, set });
  }
  let begins = 0;

  test("has its weights, its scale and its bias", async () => {
    for (const names of [
      ["vit", "transformer"],
      ["map", "last"],
      ["mixer", "bert"],
    ] as Names[]) {
      const pretrained = join(runOf(names), "model");
      const { directory } = await begin(names, { pretrained });
      const first = await weightsOf(pretrained);
      const found = await weightsOf(join(directory, "model"));
      assert.deepEqual([...found.keys()], [...first.keys()]);
      for (const [name, values] of first) {
        if (name.includes("running") || name.includes("batches")) continue;
        found.get(name)!.forEach((value, i) => {
          assert.ok(Math.abs(value - values[i]!) < 1e-9, name);
        });
      }
      assert.ok(first.has("logitScaleLog") && first.has("logitBias") === (names[0] === "map"));
    }
  });
  test("has the scale and the bias that the recipe names, where it does", async () => {
    const names: Names = ["map", "last"];
    const pretrained = join(runOf(names), "model");
    const { logitScale, directory } = await begin(names, { pretrained }, [
      "logits.scale.init=33",
      "logits.bias=-3",
    ]);
    assert.ok(Math.abs(logitScale - 33) < 1e-4, String(logitScale));
    const found = await weightsOf(join(directory, "model"));
    assert.ok(Math.abs(found.get("logitBias")![0]! + 3) < 1e-6);
    // A temperature that divides takes the place of a scale's logarithm.
    const divides = ["logits.scale.init=20", "logits.scale.as=temperature"];
    assert.ok(Math.abs((await begin(names, { pretrained }, divides)).logitScale - 20) < 1e-4);
    await assert.rejects(begin(names, { pretrained }, ["logits.scale.as=temperature"]), {
      name: "CheckpointError",
      message: /temperature/,
    });
  });
  test("of other sizes is refused by every key", async () => {
    const names: Names = ["vit", "transformer"];
    const pretrained = join(runOf(names), "model");
    const set = ["model.image.width=8", "model.image.depth=1", "model.embedDim=8"];
    await assert.rejects(begin(names, { pretrained }, set), {
      name: "CheckpointError",
      message: /width 16 there, 8 here; depth 2 there, 1 here; mlpWidth 64 there, 32 here/,
    });
    await assert.rejects(begin(names, { pretrained }, ["model.embedDim=8"]), {
      name: "CheckpointError",
      message: /visual_projection/,
    });
    await assert.rejects(begin(["mixer", "transformer"], { pretrained }), {
      name: "CheckpointError",
      message: /kind "vit" there, "mixer" here/,
    });
  });
  test("locks its towers by letters, and not with u", async () => {
    const names: Names = ["mixer", "bert"];
    const pretrained = join(runOf(names), "model");
    const towers = { setting: "LU" };
    const set = ["train.optimizer.learningRate=1e-3"];
    const { directory } = await begin(names, { pretrained, towers }, set);
    const [first, found] = [await weightsOf(pretrained), await weightsOf(join(directory, "model"))];
    const changed = [...first].filter(([name, v]) => v.some((x, i) => x !== found.get(name)![i]));
    const names1 = new Set(changed.map(([name]) => name.split(".").slice(0, 2).join(".")));
    assert.ok(names1.has("imageTower.projection") && names1.has("textTower.blocks"));
    assert.ok(![...names1].some((name) => /^imageTower\.(?!projection)/.test(name)));
    await assert.rejects(begin(names, { pretrained, towers: { setting: "Lu" } }), {
      name: "RecipeError",
      path: "pretrained",
    });
  });
});

describe("distillation", () => {
  test("from a teacher of other towers and another width, to its last step and back", async () => {
    const teacher = join(runOf(["efficientNet", "bert"]), "model");
    const recipe = recipeOf(["vit", "transformer"]);
    const model = { ...(recipe.model as object), embedDim: 8 } as Recipe["model"];
    const objective = { kind: "distillation", teacher, contrastiveWeight: 0 } as const;
    const directory = join(folder, "student");
    const result = await train({
      recipe: { ...recipe, model, objective, train: { ...recipe.train, steps: 12 } },
      directory,
      set: ["train.optimizer.learningRate=5e-3"],
    });
    const losses = lossesOf(result.directory);
    assert.ok(losses.at(-1)! < losses[0]!, losses.join());
    const resumed = join(folder, "student-resumed");
    cpSync(directory, resumed, { recursive: true });
    for (let step = 6; step <= 12; step++) {
      rmSync(checkpointOf(resumed, step), { recursive: true, force: true });
    }
    await train({ recipe: result.recipe, directory: resumed });
    assert.deepEqual(lossesOf(resumed), losses);
  });
  test("a teacher that sees other pictures, is not there, or would see none is refused", async () => {
    const recipe = recipeOf(["vit", "transformer"]);
    const teacher = join(runOf(["vit", "transformer"]), "model");
    const objective = { kind: "distillation", teacher } as const;
    const run = (set: string[]): Promise<TrainResult> =>
      train({ recipe: { ...recipe, objective }, directory: join(folder, "refused"), set });
    await assert.rejects(run(["model.image.imageSize=16"]), {
      path: "objective.teacher",
      message: /imageSize 16 for objective\.teacher but received one with 32/,
    });
    await assert.rejects(run([`data.cache={"folder":"${folder}"}`]), {
      path: "objective.teacher",
      message: /remove data\.cache/,
    });
    await assert.rejects(run([`objective.teacher=${folder}/nobody`]), { name: "CheckpointError" });
  });
});
