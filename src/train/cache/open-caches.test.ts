import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../../test/support/tiny-run.ts";
import {
  assertSameCheckpoint,
  checkpointOf,
  lossesOf,
  plainRecipe,
  tinyImageTowers,
  tinyTextTowers,
} from "../../../test/support/tiny-towers.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { train } from "../train-pair.ts";

let data: TinyData;
let pretrained: string;
let plain: Recipe;
const folder = mkdtempSync(join(tmpdir(), "limn-open-caches-"));
const root = join(folder, "cache");
const image = tinyImageTowers.modifiedResNet;

before(async () => {
  data = await tinyData(16);
  plain = plainRecipe(data, image, tinyTextTowers.bert);
  const directory = join(folder, "pretrained");
  await train({ recipe: { ...plain, train: { ...plain.train, steps: 2 } }, directory });
  pretrained = join(directory, "model");
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

let runs = 0;
async function run(recipe: Recipe, set: string[] = []): Promise<string> {
  const directory = join(folder, `run-${runs++}`);
  await train({ recipe, directory, set });
  return directory;
}

/** Every file of the cache with the time of its last change. */
function cacheFiles(): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".rows"))
    .map((name) => `${name} ${statSync(join(root, name)).mtimeMs}`)
    .sort();
}

const cache = { precision: "float32", folder: root } as const;

describe("caches that a recipe cannot have", () => {
  const locked = (): Recipe["towers"] => ({
    setting: "LL",
    image: { pretrained },
    text: { pretrained },
  });
  const refused: [name: string, recipe: () => Recipe, path: string, message: RegExp][] = [
    [
      "two caches of the pictures",
      () => ({
        ...plain,
        data: { ...plain.data, cache: { folder: root } },
        towers: { image: { pretrained, locked: true, cache } },
      }),
      "data.cache",
      /one cache of the pictures .* keep towers\.image\.cache/,
    ],
    [
      "views that are all alike",
      () => ({ ...plain, data: { ...plain.data, cache: { folder: root, views: 2 } } }),
      "data.cache.views",
      /1 for data\.cache\.views without data\.augmentation but received 2/,
    ],
    [
      "views of features that are all alike",
      () => ({
        ...plain,
        towers: { image: { pretrained, locked: true, cache: { ...cache, views: 3 } } },
      }),
      "towers.image.cache.views",
      /1 for towers\.image\.cache\.views without data\.augmentation but received 3/,
    ],
    [
      "views of captions",
      () => ({
        ...plain,
        towers: { text: { pretrained, locked: true, cache: { ...cache, views: 2 } } },
      }),
      "towers.text.cache.views",
      /received 2; captions have no augmented versions/,
    ],
    [
      "micro-batches that save nothing",
      () => ({
        ...plain,
        train: { ...plain.train, microBatchSize: 4 },
        towers: {
          ...locked(),
          image: { pretrained, cache },
          text: { pretrained, cache },
        },
      }),
      "train.microBatchSize",
      /no train\.microBatchSize with two cached towers but received 4/,
    ],
  ];
  test("data of one pair, with and without a cache", async () => {
    const single = await tinyData(1);
    const train = { kind: "webdataset", shards: single.shards } as const;
    const one = { ...plain, data: { ...plain.data, train } };
    const received = /at least two different pairs in a batch but received 8 times square-0;/;
    await assert.rejects(run(one), { name: "DataError", message: received });
    const cached = { ...one, towers: { image: { pretrained, locked: true, cache } } };
    const message =
      /at least two pictures that can be read for towers\.image\.cache but received 1,/;
    await assert.rejects(run(cached), { name: "DataError", message });
    const pixels = { ...one, data: { ...one.data, cache: { folder: root } } };
    await assert.rejects(run(pixels), { name: "DataError", message: /for data\.cache/ });
    rmSync(single.folder, { recursive: true, force: true });
  });
  for (const [name, recipe, path, message] of refused) {
    test(name, async () => {
      await assert.rejects(run(recipe()), { name: "RecipeError", path, message });
    });
  }
});

describe("a run from a cache is the run without", () => {
  const towers = (sides: { image?: object; text?: object }): Recipe["towers"] => ({
    image: { pretrained, locked: true, ...sides.image },
    text: { pretrained, locked: true, ...sides.text },
  });
  test("with features of either tower, and of both, losses agree to 1e-6", async () => {
    const expected = lossesOf(await run({ ...plain, towers: towers({}) }));
    assert.equal(expected.length, 4);
    for (const sides of [
      { image: { cache } },
      { text: { cache } },
      { image: { cache }, text: { cache } },
    ]) {
      const found = lossesOf(await run({ ...plain, towers: towers(sides) }));
      assertClose(found, expected, { rtol: 0, atol: 1e-6 }, JSON.stringify(Object.keys(sides)));
    }
  });
  test("float16 is close, and a file of its own", async () => {
    const expected = lossesOf(await run({ ...plain, towers: towers({}) }));
    const half = { precision: "float16", folder: root } as const;
    const found = lossesOf(await run({ ...plain, towers: towers({ image: { cache: half } }) }));
    assertClose(found, expected, { rtol: 0, atol: 5e-3 });
    assert.notDeepEqual(found, expected);
  });
  test("one tower trained beside a cached one, in micro-batches", async () => {
    const image = { pretrained, locked: true };
    const micro = ["train.microBatchSize=3"];
    const expected = lossesOf(await run({ ...plain, towers: { image } }, micro));
    const cached = { ...plain, towers: { image: { ...image, cache } } };
    assertClose(lossesOf(await run(cached, micro)), expected, { rtol: 0, atol: 1e-6 });
  });
  test("decoded pictures give the same bits", async () => {
    const expected = await run(plain);
    const found = await run({ ...plain, data: { ...plain.data, cache: { folder: root } } });
    assert.deepEqual(lossesOf(found), lossesOf(expected));
    assertSameCheckpoint(checkpointOf(found, 4), checkpointOf(expected, 4));
  });
  test("a cache that is there is read and not made again, one that is cut is made again", async () => {
    const cached = { ...plain, towers: towers({ image: { cache } }) };
    const expected = lossesOf(await run(cached));
    const files = cacheFiles();
    assert.deepEqual(lossesOf(await run(cached)), expected);
    assert.deepEqual(cacheFiles(), files);
    for (const line of files) {
      const file = join(root, line.split(" ")[0] as string);
      writeFileSync(file, "cut");
    }
    assert.deepEqual(lossesOf(await run(cached)), expected);
  });
});

describe("caches of augmented views", () => {
  /** All 16 pairs in every step, and weights that stay: losses differ by the pictures alone. */
  const augmented = (further: object, towers: Recipe["towers"] = {}): Recipe => {
    const { data: withAugmentation } = tinyRecipe(data);
    const optimizer = { learningRate: 1e-12 };
    return {
      ...plain,
      data: { ...withAugmentation, captions: "first", ...further },
      towers,
      train: { ...plain.train, batchSize: 16, optimizer },
    };
  };
  test("each epoch reads a view of its own, in turn", async () => {
    const views = { cache: { folder: root, views: 2 } };
    const [first, second, third, fourth] = lossesOf(await run(augmented(views)));
    // The same pictures in another order, whose sums round otherwise.
    assertClose([third!, fourth!], [first!, second!], { rtol: 1e-5, atol: 0 });
    assert.ok(Math.abs(first! - second!) > 1e-2, `${first} ${second}`);
  });
  test("features of views are those of the views' pictures", async () => {
    const image = { pretrained, locked: true };
    const pictures = augmented({ cache: { folder: root, views: 2 } }, { image });
    const features = augmented({}, { image: { ...image, cache: { ...cache, views: 2 } } });
    const expected = lossesOf(await run(pictures));
    assertClose(lossesOf(await run(features)), expected, { rtol: 0, atol: 1e-6 });
  });
});

test("a run with caches resumes exactly", async () => {
  const image = { pretrained, locked: true, cache };
  const text = { pretrained, locked: true, cache };
  const recipe = { ...plain, towers: { image, text } };
  const whole = await run(recipe);
  const resumed = join(folder, "resumed");
  cpSync(whole, resumed, { recursive: true });
  rmSync(checkpointOf(resumed, 4), { recursive: true });
  await train({ recipe, directory: resumed });
  assertSameCheckpoint(checkpointOf(resumed, 4), checkpointOf(whole, 4));
  assert.deepEqual(lossesOf(resumed), lossesOf(whole));
});
