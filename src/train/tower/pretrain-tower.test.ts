import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";

import { writeShards } from "../../data/write-shards.ts";
import { loadModel } from "../../inference/load-model.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../../test/support/tiny-run.ts";
import {
  checkpointOf,
  lossesOf,
  plainRecipe,
  tensorsOf,
  tinyImageTowers,
  tinyTextTowers,
} from "../../../test/support/tiny-towers.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { train } from "../train-pair.ts";
import { pretrain, type PretrainResult } from "./pretrain-tower.ts";
import type { PretrainRecipe } from "../recipe/pretrain-recipe.ts";

type Classification = Extract<PretrainRecipe, { kind: "classification" }>;
type NextToken = Extract<PretrainRecipe, { kind: "nextToken" }>;

let data: TinyData;
/** Shards whose JSON names several classes, or none. */
let many: string[];
const folder = mkdtempSync(join(tmpdir(), "limn-pretrain-"));

before(async () => {
  data = await tinyData(16);
  const answers: unknown[] = ["red; round", ["round"], "blue", ["red", "blue"], "", "blue;round"];
  const samples = await Promise.all(
    answers.map(async (tags, i) => {
      const background = { r: i * 40, g: 20, b: 250 - i * 40 };
      const create = { width: 32, height: 32, channels: 3, background } as const;
      const image = await sharp({ create }).png().toBuffer();
      const meta = i === 4 ? { tags, kind: "odd" } : { tags, kind: i % 2 };
      return { key: `tag-${i}`, image, extension: "png" as const, captions: [`tag ${i}`], meta };
    }),
  );
  const directory = join(folder, "many");
  many = (await writeShards({ samples, directory, samplesPerShard: 8 })).shards;
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

function classify(changes: Partial<Classification> = {}): Classification {
  const { train: settings, data: loading } = tinyRecipe(data);
  const { tokenizer: _, captions: __, ...rest } = loading;
  const { microBatchSize: ___, trimCaptions: ____, ...shared } = settings;
  const image = tinyImageTowers.modifiedResNet;
  return { kind: "classification", name: "p", image, data: rest, train: shared, ...changes };
}

function predict(changes: Partial<NextToken> = {}): NextToken {
  const { train: settings, data: loading } = tinyRecipe(data);
  const { augmentation: _, transform: __, cache: ___, tokenizer, ...rest } = loading;
  assert.ok(tokenizer);
  const { microBatchSize: ____, ...shared } = settings;
  const text = tinyTextTowers.transformer;
  return {
    kind: "nextToken",
    name: "p",
    text,
    data: { ...rest, tokenizer },
    train: shared,
    ...changes,
  };
}

let runs = 0;
function run(recipe: PretrainRecipe, set: string[] = []): Promise<PretrainResult> {
  return pretrain({ recipe, directory: join(folder, `run-${runs++}`), set });
}

const tagged = (): Classification => ({
  ...classify(),
  data: { ...classify().data, train: { kind: "webdataset", shards: many } },
  labels: { answer: "tags", separator: ";" },
});

describe("bad recipes and labels end before a tower is trained", () => {
  const refused: [name: string, recipe: () => PretrainRecipe, error: object][] = [
    [
      "smoothing of several classes each",
      () => ({ ...tagged(), labels: { ...tagged().labels, smoothing: 0.1 } }),
      { path: "labels.smoothing", message: /no smoothing with labels\.separator .* received 0\.1/ },
    ],
    [
      "an answer that is not there",
      () => classify({ labels: { answer: "colour" } }),
      { name: "DataError", message: /"colour" in the JSON for sample square-\d+ but received/ },
    ],
    [
      "a list without a separator",
      () => ({ ...tagged(), labels: { answer: "tags" } }),
      {
        name: "DataError",
        message: /"tags" in the JSON for sample tag-1 but received \["round"\]/,
      },
    ],
    [
      "one class only",
      () => classify({ labels: { classes: ["red"] } }),
      { name: "RecipeError", path: "labels.classes" },
    ],
    [
      "a label that no class is",
      () => classify({ labels: { classes: ["reds", "green", "blue", "yellow"] } }),
      { name: "DataError", message: /one of the 4 classes .* "red": .*Did you mean "reds"\?/ },
    ],
    [
      "a tower that looks both ways",
      () => predict({ text: tinyTextTowers.bert }),
      { path: "text", message: /a causal transformer for text but received a bert/ },
    ],
    [
      "a transformer that looks both ways",
      () => predict({ text: tinyTextTowers.last }),
      { path: "text", message: /looks back only/ },
    ],
    [
      "sizes that cannot be",
      () => classify({ image: { ...tinyImageTowers.modifiedResNet, heads: 3 } }),
      { name: "RecipeError", path: "image" },
    ],
    [
      "a transform with an unknown crop",
      () => classify({ data: { ...classify().data, transform: { crop: "middle" as never } } }),
      {
        name: "RecipeError",
        path: "data.transform.crop",
        message: /^Expected "center" or "none" for data\.transform\.crop but received "middle"/,
      },
    ],
    [
      "micro-batches",
      () => ({ ...classify(), train: { ...classify().train, microBatchSize: 2 } }) as never,
      { path: "train.microBatchSize" },
    ],
  ];
  for (const [name, recipe, error] of refused) {
    test(name, async () => {
      await assert.rejects(run(recipe()), error);
    });
  }
});

describe("classification", () => {
  test("learns one class of each picture, found in the data", async () => {
    const evaluate = { source: classify().data.train };
    const set = ["train.steps=30", "train.optimizer.learningRate=0.01", "train.ema=0.5"];
    const result = await run(classify({ evaluate, image: tinyImageTowers.vit }), set);
    const losses = lossesOf(result.directory);
    assert.ok(losses.at(-1)! < losses[0]! / 2, `${losses[0]} ${losses.at(-1)}`);
    assert.ok((result.values["val/accuracy"] ?? 0) > 0.7, JSON.stringify(result.values));
    const classes = readFileSync(join(result.directory, "model", "classes.json"), "utf8");
    assert.deepEqual(JSON.parse(classes), ["blue", "green", "red", "yellow"]);
  });
  test("the first loss is that of guessing, smoothed or not", async () => {
    for (const labels of [{}, { smoothing: 0.1 }]) {
      const { directory } = await run(classify({ labels }), ["train.steps=1"]);
      assert.ok(Math.abs(lossesOf(directory)[0]! - Math.log(4)) < 0.7, lossesOf(directory).join());
    }
  });
  test("answers may be the numbers of the classes", async () => {
    const numbered = (classes: string | string[]): Classification => {
      const source = { kind: "webdataset", shards: many } as const;
      const labels = { answer: "kind", classes };
      return classify({ data: { ...classify().data, train: source }, labels });
    };
    const { directory } = await run(numbered(["even", "odd"]), ["train.steps=1"]);
    assert.ok(Math.abs(lossesOf(directory)[0]! - Math.LN2) < 0.5, lossesOf(directory).join());
    const classes = join(folder, "classnames.txt");
    writeFileSync(classes, "0: even\n1: odd\n");
    const fromFile = await run(numbered(classes), ["train.steps=1"]);
    assert.deepEqual(lossesOf(fromFile.directory), lossesOf(directory));
    writeFileSync(classes, "0: odd\n1: even\n");
    const { directory: same } = fromFile;
    await assert.rejects(
      pretrain({ recipe: numbered(classes), directory: same }),
      /labels\.classes/,
    );
    const written = join(fromFile.directory, "model", "classes.json");
    assert.deepEqual(JSON.parse(readFileSync(written, "utf8")), ["even", "odd"]);
    await assert.rejects(run(numbered(["1", "odd"]), ["train.steps=1"]), {
      name: "DataError",
      message: /"0": no class has this name, and classes that are named by numbers are not counted/,
    });
  });
  test("several classes each: split answers, lists and none at all", async () => {
    const result = await run(tagged());
    const classes = readFileSync(join(result.directory, "model", "classes.json"), "utf8");
    assert.deepEqual(JSON.parse(classes), ["blue", "red", "round"]);
    // three yes-or-no questions
    assert.ok(Math.abs(lossesOf(result.directory)[0]! - 3 * Math.LN2) < 1.2);
  });
  test("decoded pictures from a cache give the same bits", async () => {
    const { augmentation: _, ...plain } = classify().data;
    const expected = await run(classify({ data: plain }));
    const cache = { folder: join(folder, "cache") };
    const found = await run(classify({ data: { ...plain, cache } }));
    assert.deepEqual(lossesOf(found.directory), lossesOf(expected.directory));
  });
});

describe("next-token prediction", () => {
  test("learns captions", async () => {
    const evaluate = { source: classify().data.train };
    const set = ["train.steps=40", "train.optimizer.learningRate=0.01", "train.ema=0.5"];
    const { directory, values } = await run(predict({ evaluate }), set);
    const losses = lossesOf(directory);
    // ln 546: as good as guessing
    assert.ok(Math.abs(losses[0]! - Math.log(546)) < 0.5, String(losses[0]));
    assert.ok((values["val/loss"] ?? 9) < 3, JSON.stringify(values));
    assert.ok((values["val/accuracy"] ?? 0) > 0.2, JSON.stringify(values));
  });
});

test("2k steps are k steps, a stop, and k more, bit for bit", async () => {
  const stochastic = { ...tinyImageTowers.mixer, stochasticDepth: 0.5 };
  for (const recipe of [classify({ image: stochastic }), tagged(), predict()]) {
    const whole = (await run(recipe)).directory;
    const resumed = `${whole}-resumed`;
    cpSync(whole, resumed, { recursive: true });
    rmSync(checkpointOf(resumed, 4), { recursive: true });
    await pretrain({ recipe, directory: resumed });
    assert.deepEqual(lossesOf(resumed), lossesOf(whole));
    for (const file of ["model", "training/optimizer", "training/ema", "training/random"]) {
      const [a, b] = [resumed, whole].map((at) =>
        tensorsOf(join(checkpointOf(at, 4), `${file}.safetensors`)),
      );
      assert.deepEqual(a, b, file);
    }
  }
});

describe("a pretrained tower in a pair", () => {
  const pair = (towers: Recipe["towers"], set: string[] = []): Promise<unknown> => {
    const recipe = plainRecipe(data, tinyImageTowers.modifiedResNet);
    const short = { ...recipe, towers, train: { ...recipe.train, steps: 1 } };
    return train({ recipe: short, directory: join(folder, `pair-${runs++}`), set });
  };
  test("is what the pair begins with, locked or not; by another's side or size it is refused", async () => {
    const image = join((await run(classify())).directory, "model");
    const text = join((await run(predict())).directory, "model");
    const towers = { setting: "LL", image: { pretrained: image }, text: { pretrained: text } };
    const { directory } = (await pair(towers)) as PretrainResult;
    const weights = tensorsOf(join(directory, "model", "model.safetensors"));
    for (const pretrained of [image, text]) {
      for (const [name, values] of tensorsOf(join(pretrained, "model.safetensors"))) {
        if (name.startsWith("head.")) continue;
        assert.deepEqual(weights.get(name), values, name);
      }
    }
    await assert.rejects(loadModel(image), {
      name: "CheckpointError",
      message: /a pair in \S+ but received its image tower alone; name it in .*image\.pretrained/,
    });
    const refused = (wrong: Recipe["towers"], message: RegExp, set: string[] = []): Promise<void> =>
      assert.rejects(pair(wrong, set), { name: "CheckpointError", message });
    await refused(
      { image: { pretrained: text } },
      /the image tower's weights .* of a tower for text/,
    );
    await refused(
      { text: { pretrained: image } },
      /the text tower's weights .* of a tower for image/,
    );
    await refused(
      { text: { pretrained: text } },
      /mlpWidth 64 there, 32 here; width 16 there, 8 here; depth 2 there, 1 here; give the recipe's/,
      ["model.text.width=8", "model.text.depth=1"],
    );
    await refused(
      { image: { pretrained: image, head: "pretrained" } },
      /a head beside the image tower .* let towers\.image\.head be random/,
    );
  });
});
