import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { tinyData, type TinyData } from "../../test/support/tiny-run.ts";
import {
  assertSameCheckpoint,
  checkpointOf,
  lossesOf,
  plainRecipe,
  tinyImageTowers,
  weightsOf,
} from "../../test/support/tiny-towers.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { train } from "./train-pair.ts";

let data: TinyData;
const folder = mkdtempSync(join(tmpdir(), "limn-locking-"));
const images = {
  vit: { ...tinyImageTowers.vit, patchDropout: 0.5, stochasticDepth: 0.5 },
  modifiedResNet: tinyImageTowers.modifiedResNet,
};
type Kind = keyof typeof images;
const kinds = Object.keys(images) as Kind[];
const pretrained = (kind: Kind): string => join(folder, "pretrained", kind, "model");

before(async () => {
  data = await tinyData(16);
  for (const kind of kinds) {
    const recipe = plainRecipe(data, images[kind]);
    const directory = join(folder, "pretrained", kind);
    await train({ recipe: { ...recipe, train: { ...recipe.train, steps: 2 } }, directory });
  }
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

let runs = 0;
/** Trains the tiny recipe with these tower states in a folder of its own. */
async function run(kind: Kind, towers: Recipe["towers"], set: string[] = []): Promise<string> {
  const directory = join(folder, `run-${runs++}`);
  const recipe = plainRecipe(data, images[kind]);
  await train({
    recipe: { ...recipe, towers, train: { ...recipe.train, seed: 5 } },
    directory,
    set,
  });
  return directory;
}

interface Sides {
  imageTower: boolean;
  imageHead: boolean;
  textTower: boolean;
  textHead: boolean;
}

/** Which parts of a folder's weights are those of the pretrained pair, every one bit for bit. */
async function equalParts(model: string, kind: Kind): Promise<Sides> {
  const [found, first] = [await weightsOf(model), await weightsOf(pretrained(kind))];
  const same = (wanted: (name: string) => boolean): boolean =>
    [...first]
      .filter(([name]) => wanted(name))
      .every(([name, values]) => Buffer.from(found.get(name)!.buffer).equals(bytes(values)));
  const side = (tower: string): [boolean, boolean] => [
    same((name) => name.startsWith(`${tower}.`) && !name.startsWith(`${tower}.projection.`)),
    same((name) => name.startsWith(`${tower}.projection.`)),
  ];
  const [[imageTower, imageHead], [textTower, textHead]] = [side("imageTower"), side("textTower")];
  return { imageTower, imageHead, textTower, textHead };
}

function bytes({ buffer }: Float32Array): Buffer {
  return Buffer.from(buffer);
}

const nothing = { imageTower: false, imageHead: false, textTower: false, textHead: false };

describe("a locked tower's weights, buffers included, are unchanged bit for bit", () => {
  for (const kind of kinds) {
    test(`${kind}: Lu with a random head, which is trained`, async () => {
      const directory = await run(kind, { setting: "Lu", image: { pretrained: pretrained(kind) } });
      const expected = { ...nothing, imageTower: true };
      for (const model of [join(directory, "model"), checkpointOf(directory, 4)]) {
        assert.deepEqual(await equalParts(model, kind), expected);
      }
    });
    test(`${kind}: in micro-batches, with its own head`, async () => {
      const towers = {
        setting: "Lu",
        image: { pretrained: pretrained(kind), head: "pretrained" as const },
      };
      const directory = await run(kind, towers, ["train.microBatchSize=3"]);
      const parts = await equalParts(join(directory, "model"), kind);
      assert.deepEqual(parts, { ...nothing, imageTower: true, imageHead: true });
    });
  }
  test("both towers, each under a head that is trained", async () => {
    const side = { pretrained: pretrained("modifiedResNet") };
    const directory = await run("modifiedResNet", { setting: "LL", image: side, text: side });
    const parts = await equalParts(join(directory, "model"), "modifiedResNet");
    assert.deepEqual(parts, { ...nothing, imageTower: true, textTower: true });
  });
  test("a tower that is only pretrained is trained", async () => {
    const side = { pretrained: pretrained("modifiedResNet") };
    const directory = await run("modifiedResNet", { setting: "Uu", image: side });
    const parts = await equalParts(join(directory, "model"), "modifiedResNet");
    assert.deepEqual(parts, nothing);
  });
});

test("a locked tower runs as in evaluation: nothing is dropped at random", async () => {
  const losses = async (setting: string, chances: string[]): Promise<number[]> =>
    lossesOf(await run("vit", { setting, image: { pretrained: pretrained("vit") } }, chances));
  const none = ["model.image.patchDropout=0", "model.image.stochasticDepth=0"];
  assert.deepEqual(await losses("Lu", []), await losses("Lu", none));
  assert.notDeepEqual(await losses("Uu", []), await losses("Uu", none));
});

test("a tower that is unlocked later stays until then, moves from then on, and resumes", async () => {
  for (const kind of ["vit", "modifiedResNet"] as const) {
    const image = { pretrained: pretrained(kind), locked: true, unlockAtStep: 3 };
    const every = ['train.checkpoint={"everySteps":1,"keepLast":9}'];
    const whole = await run(kind, { image }, every);
    const locked: boolean[] = [];
    for (const step of [1, 2, 3, 4]) {
      locked.push((await equalParts(checkpointOf(whole, step), kind)).imageTower);
    }
    assert.deepEqual(locked, [true, true, true, false]);
    for (const step of [2, 3]) {
      const resumed = join(folder, `${kind}-resumed-at-${step}`);
      cpSync(whole, resumed, { recursive: true });
      for (let later = step + 1; later <= 4; later++) {
        rmSync(checkpointOf(resumed, later), { recursive: true });
      }
      const recipe = plainRecipe(data, images[kind]);
      const seeded = { ...recipe, towers: { image }, train: { ...recipe.train, seed: 5 } };
      await train({ recipe: seeded, directory: resumed, set: every });
      assertSameCheckpoint(checkpointOf(resumed, 4), checkpointOf(whole, 4));
    }
  }
});

test("a learning-rate factor scales a tower's steps, and its weight decay is its own", async () => {
  const largest = async (image: object): Promise<Record<"image" | "text", number>> => {
    const rates = ['train.checkpoint={"everySteps":1}', "train.optimizer.weightDecay=0"];
    const steps = ["train.steps=1", "train.schedule.warmupSteps=0"];
    const side = { pretrained: pretrained("modifiedResNet"), head: "pretrained" as const };
    const towers = { image: { ...side, ...image }, text: side };
    const directory = await run("modifiedResNet", towers, [...rates, ...steps]);
    const first = await weightsOf(pretrained("modifiedResNet"));
    const most = { image: 0, text: 0 };
    for (const [name, values] of await weightsOf(checkpointOf(directory, 1))) {
      if (name.includes("running") || !name.includes("Tower.")) continue;
      const which = name.startsWith("image") ? "image" : "text";
      const moved = values.map((value, i) => Math.abs(value - first.get(name)![i]!));
      most[which] = Math.max(most[which], ...moved);
    }
    return most;
  };
  // Adam's first step moves a weight by the learning rate, 1e-3.
  const near = (value: number, wanted: number): void =>
    assert.ok(Math.abs(value / wanted - 1) < 0.05, `${value}, not ${wanted}`);
  const plain = await largest({});
  near(plain.image, 1e-3);
  const slow = await largest({ learningRateFactor: 0.1 });
  near(slow.image, 1e-4);
  near(slow.text, 1e-3);
  const decaying = await largest({ weightDecay: 10 });
  assert.ok(decaying.image > 1.5e-3);
  near(decaying.text, 1e-3);
});

test("two towers with nothing to train are refused", async () => {
  const side = { pretrained: pretrained("vit"), locked: true };
  const refused = { name: "RecipeError", path: "towers", message: /something to train for towers/ };
  const own = { ...side, head: "pretrained" as const };
  await assert.rejects(run("vit", { image: own, text: own }), refused);
  const headless = ["model.imageProjection=false", "model.textProjection=false"];
  await assert.rejects(run("vit", { image: side, text: side }, headless), refused);
});

test("a tower that knows pictures of another mean and deviation is refused until the recipe says", async () => {
  const half = ["data.transform.mean=[0.5,0.5,0.5]", "data.transform.std=[0.5,0.5,0.5]"];
  const directory = await run("modifiedResNet", {}, ["train.steps=1", ...half]);
  const towers = { setting: "Lu", image: { pretrained: join(directory, "model") } };
  await assert.rejects(run("modifiedResNet", towers), {
    name: "RecipeError",
    path: "data.transform",
    message:
      /mean and std; write mean: \[0\.5, 0\.5, 0\.5\], std: \[0\.5, 0\.5, 0\.5\], or others$/,
  });
  await run("modifiedResNet", towers, ["train.steps=1", ...half]);
});

test("a value that is written out is the value that is left out", async () => {
  const image = { pretrained: pretrained("vit"), locked: true };
  const text = { pretrained: pretrained("vit"), locked: true };
  const written = ["model.image.classToken=true", "model.text.attention=causal"];
  await run("vit", { image, text }, ["train.steps=1", ...written]);
  await assert.rejects(run("vit", { image, text }, ["model.text.attention=bidirectional"]), {
    name: "CheckpointError",
    message: /attention "causal" there, "bidirectional" here/,
  });
});

test("weights that are not there, or of another tower, are refused before the first step", async () => {
  const refused = async (towers: Recipe["towers"], message: RegExp): Promise<void> => {
    await assert.rejects(run("vit", towers), { name: "CheckpointError", message });
  };
  await refused({ setting: "Lu", image: { pretrained: join(folder, "nowhere") } }, /nowhere/);
  const other = pretrained("modifiedResNet");
  await refused({ image: { pretrained: other } }, /kind "modifiedResNet" there, "vit" here/);
});
