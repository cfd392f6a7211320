/** What is wrong with a recipe's data and suites is found before the first step, and named by its path. */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { tinyData, tinyRecipe, type TinyData } from "../../test/support/tiny-run.ts";
import { pretrain } from "./tower/pretrain-tower.ts";
import { train } from "./train-pair.ts";

let data: TinyData;
const folder = mkdtempSync(join(tmpdir(), "limn-before-"));
const table = join(folder, "set.csv");

before(async () => {
  data = await tinyData(8);
  mkdirSync(join(folder, "pictures"));
  for (const name of ["a", "b", "c"]) {
    copyFileSync("test/goldens/pictures/wide.png", join(folder, "pictures", `${name}.png`));
  }
  writeFileSync(join(folder, "bad.png"), "no picture");
  writeFileSync(
    table,
    "image,caption,label,year\n" +
      "pictures/a.png,a red one,red,1\npictures/b.png,a blue one,blue,2\npictures/c.png,,pink,2\n",
  );
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

/** A suite on the table; of the samples of year 1 the label is among the classes. */
const suite = (changes: object = {}, task: object = {}): object => ({
  name: "set",
  source: { kind: "table", file: table },
  where: { year: "1" },
  tasks: [{ kind: "zeroShot", classes: ["red", "blue"], ...task }],
  ...changes,
});

interface Wanted {
  message: RegExp;
  path?: string;
}

/** Runs a recipe that cannot begin; nothing of it is trained or written. */
async function refused(name: string, recipe: object, wanted: Wanted): Promise<void> {
  const directory = join(folder, "runs", name);
  await assert.rejects(train({ recipe, directory }), wanted);
  assert.ok(!existsSync(join(directory, "metrics.jsonl")));
}

const withSuite = (one: object): object => ({
  ...tinyRecipe(data),
  evaluate: { suites: [tinyRecipe(data).evaluate?.suites?.[0], one] },
});

describe("a suite", () => {
  const place = String.raw`evaluate\.suites\.1`;
  const cases: [string, () => object, RegExp][] = [
    [
      "a source that is not there",
      () => suite({ source: { kind: "table", file: "none.csv" } }),
      new RegExp(`for ${place}\\.source\\.file but received no such file for none\\.csv; check`),
    ],
    [
      "a column that is not there",
      () => suite({ source: { kind: "table", file: table, label: "class" } }),
      new RegExp(`Expected a column "class" in .*name the column in ${place}\\.source\\.label`),
    ],
    [
      "pictures that are not there",
      () => suite({ source: { kind: "table", file: table, root: "nowhere" } }),
      new RegExp(`bad one: the file does not exist; repair or remove it \\(${place}\\.source\\)$`),
    ],
    [
      "a picture that is none",
      () =>
        suite({ source: { kind: "table", file: write("one.csv", "image,label\nbad.png,red\n") } }),
      new RegExp(`usable sample for \\S+bad\\.png .* \\(${place}\\.source\\)$`),
    ],
    [
      "no sample at all",
      () => suite({ source: { kind: "table", file: write("none.csv", "image,label\n") } }),
      new RegExp(
        `one usable sample for .*none\\.csv but received none; .* \\(${place}\\.source\\)$`,
      ),
    ],
    [
      "conditions that nothing fulfils",
      () => suite({ where: { year: 1, month: 2 } }),
      new RegExp(
        `Expected samples with {"year":1,"month":2} for ${place}\\.where but found none in .*set\\.csv.*` +
          ` \\(year is "1", "2"; none has month\\); check`,
      ),
    ],
    [
      "classes that cannot be read",
      () => suite({}, { classes: join(folder, "classes.json") }),
      new RegExp(`classes\\.json.*does not exist.*\\(${place}\\.tasks\\.0\\.classes\\)$`),
    ],
    [
      "labels that are none of the classes",
      () => suite({ where: { year: "2" } }),
      new RegExp(`received "pink": no class has this name; add .* \\(${place}\\.tasks\\.0\\)$`),
    ],
    [
      "an answer that no sample has",
      () => suite({}, { answer: "color" }),
      new RegExp(`for color of sample .* received nothing.* \\(${place}\\.tasks\\.0\\)$`),
    ],
    [
      "pictures without captions where these are asked for",
      () => suite({ where: undefined, tasks: [{ kind: "retrieval" }] }),
      new RegExp(
        `pictures/c\\.png .*: it has no caption, only a label: .*--classes <file>, or a task of kind ` +
          `zeroShot\\); repair .* \\(${place}\\.source\\)$`,
      ),
    ],
  ];
  for (const [what, make, message] of cases) {
    it(`with ${what} is refused`, async () => {
      await refused("suite", withSuite(make()), { message });
    });
  }

  it("that is whole is trained with, and leaves other samples' labels alone", async () => {
    const lines: string[] = [];
    const result = await train({
      recipe: withSuite(suite()),
      directory: join(folder, "runs", "whole"),
      progress: { write: (line) => lines.push(line) },
    });
    assert.deepEqual(
      result.suites.map(({ dataset }) => dataset.keys.length),
      [8, 1],
    );
    // What is trained, before anything else is said.
    assert.match(
      lines[0] ?? "",
      /^cpu, \d+ threads?; \d+ k parameters; 8 pictures; 4 steps of 8, 4 epochs\n$/,
    );
  });
});

describe("training data", () => {
  const withData = (changes: object): object => ({
    ...tinyRecipe(data),
    data: { ...tinyRecipe(data).data, ...changes },
  });
  it("that is not there, or of which nothing can be used, is refused", async () => {
    const none = { kind: "webdataset", shards: "none/*.tar" };
    await refused("none", withData({ train: none }), {
      message: /for data\.train\.shards|\(data\.train\)/,
    });
    const silent = write("silent.csv", "image,caption\npictures/a.png,\npictures/b.png,\n");
    await refused("silent", withData({ train: { kind: "table", file: silent } }), {
      message:
        /only bad ones \(2\), such as \S+a\.png: it has no caption; check the source \(data\.train\)$/,
    });
    const file = { train: { kind: "table", file: table, root: "nowhere" }, onError: "fail" };
    await refused("bad", withData(file), {
      message: /the file does not exist; repair or remove it \(data\.train\)\.?$/,
    });
  });
  it("is read with augmentations, tokenizers and towers that can be", async () => {
    await refused("augmented", withData({ augmentation: { flip: 2 } }), {
      message: /from 0 to 1 for data\.augmentation\.flip but received 2/,
    });
    const tokenizer = { kind: "tokenizer.json", file: "none.json" };
    await refused("words", withData({ tokenizer }), {
      message: /none\.json.* \(data\.tokenizer\)\.$/,
    });
    const { model } = tinyRecipe(data) as { model: { image: object } };
    const wrong = { ...model, image: { ...model.image, patchSize: 5 } };
    await refused(
      "model",
      { ...tinyRecipe(data), model: wrong },
      {
        path: "model",
        message: /patchSize to divide imageSize 32 .* \(model\)$/,
      },
    );
    await refused(
      "pretrained",
      { ...tinyRecipe(data), pretrained: "models/none" },
      {
        message: /a model at models\/none .* \(pretrained\)$/,
      },
    );
  });
});

describe("pretraining", () => {
  const recipe = (changes: object): object => ({
    kind: "classification",
    name: "tower",
    image: (tinyRecipe(data).model as { image: object }).image,
    data: { train: { kind: "table", file: table }, workers: 1 },
    labels: { classes: ["red", "blue", "pink"] },
    train: { batchSize: 2, steps: 1, device: "cpu", optimizer: { learningRate: 1e-3 } },
    ...changes,
  });
  const run = (changes: object, lines: string[] = []): Promise<unknown> =>
    pretrain({
      recipe: recipe(changes),
      directory: join(folder, "runs", "tower"),
      progress: { write: (line) => lines.push(line) },
    });
  it("is refused labels and held-out samples that do not fit, by path", async () => {
    await assert.rejects(run({ labels: { classes: ["red", "blue"] } }), {
      message: /sample pictures\/c\.png but received "pink": .* \(data\.train\)\.?$/,
    });
    const other = write("held.csv", "image,label\npictures/a.png,green\n");
    await assert.rejects(run({ evaluate: { source: { kind: "table", file: other } } }), {
      message: /but received "green": .* \(evaluate\.source\)\.?$/,
    });
    await assert.rejects(run({ evaluate: { source: { kind: "table", file: "no.csv" } } }), {
      message: /for evaluate\.source\.file but received no such file/,
    });
    const held = { source: { kind: "table", file: table } };
    const keep = { batchSize: 2, steps: 1, optimizer: { learningRate: 1 }, checkpoint: {} };
    await assert.rejects(
      run({ evaluate: held, train: { ...keep, checkpoint: { keepBest: "val/loss" } } }),
      { path: "train.checkpoint.keepBest", message: /known: val\/accuracy$|Did you mean/ },
    );
  });
  it("opens with what is trained", async () => {
    const lines: string[] = [];
    await run({}, lines);
    assert.match(lines[0] ?? "", /k parameters; 3 pictures; 1 step of 2, 0\.67 epochs\n$/);
  });
});
