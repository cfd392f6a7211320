/** A saved pair that is trained on: in full, by low-rank changes, at other sizes, without its sizes said. */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { loadTokenizer } from "../text/index.ts";
import { loadAdapter } from "../checkpoints/adapters/load-adapter.ts";
import { loadModel } from "../inference/load-model.ts";
import { mergedState } from "../nn/low-rank.ts";
import { assertClose } from "../../test/support/close.ts";
import { transformAt } from "../../test/support/model-at.ts";
import { tinyData, type TinyData } from "../../test/support/tiny-run.ts";
import {
  assertSameCheckpoint,
  checkpointOf,
  lossesOf,
  plainRecipe,
  tensorsOf,
  tinyImageTowers,
  tinyTextTowers,
  weightsOf,
} from "../../test/support/tiny-towers.ts";
import { noGrad, scope } from "../torch/index.ts";
import {
  resizeImagePositionEmbedding,
  resizeTextPositionEmbedding,
} from "../towers/resize-position-embedding.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { train } from "./train-pair.ts";

const families = {
  clip: [tinyImageTowers.vit, tinyTextTowers.transformer],
  siglip: [tinyImageTowers.map, tinyTextTowers.last],
} as const;
type Family = keyof typeof families;

let data: TinyData;
const root = mkdtempSync(join(tmpdir(), "limn-fine-tuning-"));
const baseOf = (family: Family): string => join(root, "base", family, "model");

before(async () => {
  data = await tinyData(16);
  for (const family of Object.keys(families) as Family[]) {
    const [image, text] = families[family];
    const recipe = plainRecipe(data, image, text);
    const objective = { kind: family === "siglip" ? "sigmoid" : "softmax" } as const;
    const settings = { ...recipe.train, steps: 2 };
    const directory = join(root, "base", family);
    await train({ recipe: { ...recipe, objective, train: settings }, directory });
  }
});

after(() => {
  rmSync(root, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

let runs = 0;
/** Starts from a family's folder without its sizes, tokenizer or preprocessing. */
async function tune(
  family: Family,
  changes: Partial<Recipe>,
  set: string[] = [],
): Promise<{ directory: string; recipe: Recipe }> {
  const { model: _, ...plain } = plainRecipe(data);
  const { tokenizer: __, ...source } = plain.data;
  const objective = { kind: family === "siglip" ? "sigmoid" : "softmax" } as const;
  const recipe = { ...plain, objective, data: source, pretrained: baseOf(family), ...changes };
  const directory = join(root, `run-${runs++}`);
  await train({ recipe, directory, set });
  return { directory, recipe };
}

/** Takes the last steps of a run away and runs them again. */
async function resumed(directory: string, recipe: Recipe, set: string[] = []): Promise<string> {
  const copy = `${directory}-resumed`;
  cpSync(directory, copy, { recursive: true });
  rmSync(checkpointOf(copy, 4), { recursive: true });
  rmSync(join(copy, "model"), { recursive: true });
  await train({ recipe, directory: copy, set });
  return copy;
}

type Lora = NonNullable<NonNullable<NonNullable<Recipe["towers"]>["image"]>["lora"]>;
const lora: Lora = { rank: 2, alpha: 8, dropout: 0.1, targets: ["query", "value", "up"] };
const bytes = (values: Float32Array | undefined): Buffer => Buffer.from(values!.buffer);

describe("low-rank changes", () => {
  for (const family of ["clip", "siglip"] as const) {
    const set =
      family === "clip" ? ["train.microBatchSize=3"] : ["train.activationCheckpointing=true"];
    test(`${family}: they alone are trained, are merged and apart, and resume bit for bit`, async () => {
      const text = { lora: { ...lora, blocks: { last: 1 }, train: ["head" as const] } };
      const towers = { image: { lora }, text };
      const { directory, recipe } = await tune(family, { towers }, set);
      const whole = await resumed(directory, recipe, set);
      const [a, b] = [whole, directory].map((run) =>
        tensorsOf(join(checkpointOf(run, 4), "training", "unmerged.safetensors")),
      );
      assert.deepEqual(a, b);
      assertSameCheckpoint(checkpointOf(whole, 4), checkpointOf(directory, 4));
      assert.deepEqual(lossesOf(whole), lossesOf(directory));

      const base = await weightsOf(baseOf(family));
      const unmerged = tensorsOf(
        join(checkpointOf(directory, 4), "training", "unmerged.safetensors"),
      );
      const changed = new Set<string>();
      for (const [name, values] of await weightsOf(join(directory, "model"))) {
        if (!bytes(values).equals(bytes(base.get(name)))) changed.add(name);
      }
      const matrices = ["attention.input.weight", "mlp.up.weight"];
      const scalars = family === "siglip" ? ["logitScaleLog", "logitBias"] : ["logitScaleLog"];
      const heads = [
        "textTower.projection.weight",
        ...(family === "siglip" ? ["textTower.projection.bias"] : []),
      ];
      const places = ["imageTower.blocks.0", "imageTower.blocks.1", "textTower.blocks.1"];
      const wanted = places.flatMap((place) => matrices.map((name) => `${place}.${name}`));
      assert.deepEqual([...changed].sort(), [...wanted, ...heads, ...scalars].sort());
      for (const name of wanted) {
        assert.ok(bytes(unmerged.get(name) as Float32Array).equals(bytes(base.get(name))), name);
      }
      for (const name of unmerged.keys())
        if (name.endsWith(".b")) assert.ok(isMoved(unmerged.get(name)), name);
    });

    test(`${family}: the adapter, put on the original, gives the finished model`, async () => {
      const { directory } = await tune(family, { towers: { image: { lora }, text: { lora } } });
      const finished = await weightsOf(join(directory, "model"));
      const loaded = await loadModel(baseOf(family), { prepare: false });
      loadAdapter(join(directory, "adapter"), loaded.pair, { merge: false });
      scope(() => {
        for (const [name, tensor] of mergedState(loaded.pair)) {
          assertClose(
            tensor.toFloat32Array(),
            finished.get(name)!,
            { rtol: 1e-6, atol: 1e-7 },
            name,
          );
        }
      });
      loaded.dispose();
    });
  }

  const refused = async (
    changes: Partial<Recipe>,
    path: string,
    message: RegExp,
  ): Promise<void> => {
    await assert.rejects(tune("clip", changes), { name: "RecipeError", path, message });
  };
  test("what cannot be is refused before the first step", async () => {
    const image = (changes: object): Partial<Recipe> => ({
      towers: { image: { lora, ...changes } },
    });
    const targets = ["valeu" as "value"];
    await refused(
      image({ lora: { ...lora, targets } }),
      "towers.image.lora.targets.0",
      /Did you mean "value"\?/,
    );
    await refused(
      image({ lora: { ...lora, rank: 17 } }),
      "towers.image.lora",
      /from 1 to 16 for rank.*17/,
    );
    await refused(
      image({ lora: { ...lora, blocks: { last: 3 } } }),
      "towers.image.lora",
      /1 to 2, the tower's blocks/,
    );
    await refused(image({ locked: true }), "towers.image.lora", /a tower that is not locked/);
    await refused(
      { pretrained: undefined, model: "ViT-B/32", data: plainRecipe(data).data, ...image({}) },
      "towers.image.pretrained",
      /a model folder, as towers\.image\.lora is given,/,
    );
    await refused(
      { towers: { image: { locked: true, layerDecay: 0.5 } } },
      "towers.image.layerDecay",
      /a tower that is trained/,
    );
  });
});

function isMoved(values: unknown): boolean {
  return (values as Float32Array).some((value) => value !== 0);
}

test("layer-wise decay: each layer's first step is the rate times its factor", async () => {
  const towers = {
    image: { layerDecay: 0.5 },
    text: { layerDecay: 0.25, learningRateFactor: 0.1 },
  };
  const set = ["train.steps=1", "train.schedule.warmupSteps=0", "train.optimizer.weightDecay=0"];
  const { directory } = await tune("clip", { towers }, [
    ...set,
    'train.checkpoint={"everySteps":1}',
  ]);
  const base = await weightsOf(baseOf("clip"));
  const tuned = await weightsOf(checkpointOf(directory, 1));
  const step = (name: string): number =>
    Math.max(...tuned.get(name)!.map((value, i) => Math.abs(value - base.get(name)![i]!)));
  const near = (name: string, wanted: number): void =>
    assert.ok(Math.abs(step(name) / wanted - 1) < 0.05, `${name}: ${step(name)}, not ${wanted}`);
  // Adam's first step moves a weight by its rate; the run's is 1e-3.
  near("imageTower.projection.weight", 1e-3);
  near("imageTower.blocks.1.mlp.up.weight", 5e-4);
  near("imageTower.blocks.0.mlp.up.weight", 2.5e-4);
  near("imageTower.patchEmbedding.weight", 1.25e-4);
  near("textTower.projection.weight", 1e-4);
  near("textTower.blocks.1.attention.output.weight", 2.5e-5);
  near("textTower.positionEmbedding", 1.5625e-6);
});

describe("a folder stands for the model, its tokenizer and its preprocessing", () => {
  test("full fine-tuning resumes without the folder that it started from", async () => {
    const folder = join(root, "moved");
    cpSync(baseOf("clip"), folder, { recursive: true });
    const { directory, recipe } = await tune("clip", { pretrained: folder });
    rmSync(folder, { recursive: true });
    const whole = await resumed(directory, recipe);
    assertSameCheckpoint(checkpointOf(whole, 4), checkpointOf(directory, 4));
  });
  test("what is written out gives the same run", async () => {
    const short = await tune("clip", {});
    const { model, data: source } = plainRecipe(data);
    const long = await tune("clip", { model, data: source });
    assertSameCheckpoint(checkpointOf(short.directory, 4), checkpointOf(long.directory, 4));
    const config = (run: string): unknown =>
      JSON.parse(readFileSync(join(run, "model/config.json"), "utf8"));
    assert.deepEqual(config(short.directory), config(long.directory));
  });
  test("its preprocessing is kept, and one value of it may be replaced", async () => {
    const half = ["data.transform.mean=[0.5,0.5,0.5]", "train.steps=1"];
    const { directory } = await tune("clip", {}, half);
    const again = await tune("clip", { pretrained: join(directory, "model") }, ["train.steps=1"]);
    const { mean } = transformAt(join(again.directory, "model"));
    assert.deepEqual(mean, [0.5, 0.5, 0.5]);
  });
  test("a pair without bias begins with the objective's, and a sigmoid's pair keeps its own", async () => {
    const sigmoid = { objective: { kind: "sigmoid" } as const };
    const slow = ["train.steps=1", "train.optimizer.learningRate=1e-9"];
    const fromClip = await weightsOf(join((await tune("clip", sigmoid, slow)).directory, "model"));
    assertClose(fromClip.get("logitBias")!, [-10], { rtol: 1e-6 });
    const fromSiglip = await weightsOf(join((await tune("siglip", {}, slow)).directory, "model"));
    assertClose(
      fromSiglip.get("logitBias")!,
      (await weightsOf(baseOf("siglip"))).get("logitBias")!,
    );
  });
  test("nothing to start from, or two things, is refused", async () => {
    const refused = async (
      changes: Partial<Recipe>,
      path: string,
      message: RegExp,
    ): Promise<void> => {
      await assert.rejects(tune("clip", changes), { name: "RecipeError", path, message });
    };
    const { data: source, model } = plainRecipe(data);
    await refused(
      { pretrained: undefined },
      "model",
      /a model for model, or a model folder for pretrained/,
    );
    await refused(
      { pretrained: undefined, model },
      "data.tokenizer",
      /received none; name one, or give pretrained/,
    );
    await refused(
      { model, data: source, modelChanges: { imageSize: 64 } },
      "modelChanges",
      /write them into model/,
    );
    const changes = { modelChanges: { patchDropuot: 0.5 } as object };
    await refused(changes, "modelChanges.patchDropuot", /Did you mean "patchDropout"/);
    await assert.rejects(tune("clip", { pretrained: join(root, "nowhere") }), {
      name: "CheckpointError",
    });
  });
});

describe("another image size and context length", () => {
  for (const family of ["clip", "siglip"] as const) {
    test(`${family}: tables are resized as open_clip's, the run resumes, and its model opens`, async () => {
      const modelChanges = { imageSize: 64, contextLength: 12 };
      const slow = ["train.optimizer.learningRate=1e-12"];
      const { directory, recipe } = await tune(family, { modelChanges }, slow);
      if (family === "clip") {
        const whole = await resumed(directory, recipe, slow);
        assertSameCheckpoint(checkpointOf(whole, 4), checkpointOf(directory, 4));
      }
      const loaded = await loadModel(join(directory, "model"), { prepare: false });
      assert.equal(loaded.evaluationTransform.imageSize, 64);
      assert.equal(loaded.tokenizer.contextLength, 12);
      assert.equal((await loadTokenizer(join(directory, "model"))).contextLength, 12);
      const original = await loadModel(baseOf(family), { prepare: false });
      const leading = family === "clip" ? 1 : 0;
      scope(() =>
        noGrad(() => {
          const table = (from: typeof loaded, side: "imageTower" | "textTower") =>
            new Map(from.pair[side].namedState()).get("positionEmbedding")!;
          const [image, text] = [table(original, "imageTower"), table(original, "textTower")];
          const wanted = [
            resizeImagePositionEmbedding(image, 4, { leading }),
            resizeTextPositionEmbedding(text, 12),
          ];
          for (const [i, side] of (["imageTower", "textTower"] as const).entries()) {
            const found = table(loaded, side).toFloat32Array();
            assertClose(found, wanted[i]!.toFloat32Array(), { rtol: 1e-5, atol: 1e-7 }, side);
          }
        }),
      );
      assert.equal(loaded.encodeTexts(["a small red square"]).size(1), 16);
      loaded.dispose();
      original.dispose();
      assert.equal(existsSync(join(directory, "adapter")), false);
    });
  }
});

test("LiT from a saved pair: the image tower is locked, a new text tower learns", async () => {
  const { model, data: source } = plainRecipe(data, tinyImageTowers.vit, tinyTextTowers.bert);
  const image = { pretrained: baseOf("clip"), head: "pretrained" as const };
  const { directory } = await tune("clip", {
    pretrained: undefined,
    model,
    data: source,
    towers: { setting: "Lu", image },
  });
  const base = await weightsOf(baseOf("clip"));
  for (const [name, values] of await weightsOf(join(directory, "model"))) {
    if (name.startsWith("imageTower."))
      assert.ok(bytes(values).equals(bytes(base.get(name))), name);
  }
});
