import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { loadModel } from "../inference/load-model.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../test/support/tiny-run.ts";
import { readMetricsLog } from "./log/metrics-log.ts";
import { solo } from "./process-group.ts";
import { RunDirectory } from "./run/run-directory.ts";
import { train } from "./train-pair.ts";

let data: TinyData;
const folder = mkdtempSync(join(tmpdir(), "limn-train-"));

before(async () => {
  data = await tinyData();
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

const checkpoint = (run: string, step: number): string =>
  join(run, "checkpoints", `step-${String(step).padStart(8, "0")}`);

const files = [
  "model.safetensors",
  "training/optimizer.safetensors",
  "training/ema.safetensors",
  "training/random.safetensors",
  "training/state.json",
];

function assertSameCheckpoint(a: string, b: string): void {
  for (const file of files) {
    assert.deepEqual(readFileSync(join(a, file)), readFileSync(join(b, file)), file);
  }
}

test("a rank that is not the first trains and writes nothing", async () => {
  const { path: directory } = new RunDirectory(join(folder, "second"));
  const group = { ...solo, rank: 1, size: 2, isFirst: false };
  const recipe = tinyRecipe(data);
  const found = await train({ recipe, directory, group });
  assert.equal(found.step, 4);
  assert.deepEqual(found.values, {});
  assert.deepEqual(readdirSync(directory, { recursive: true }), ["checkpoints"]);
  await assert.rejects(train({ recipe, directory, group, set: ["train.batchSize=9"] }), {
    name: "RecipeError",
    message: /^Expected a multiple of the 2 processes for train\.batchSize but received 9; every/,
  });
});

test("bad input is refused before the first step", async () => {
  const recipe = tinyRecipe(data);
  const directory = join(folder, "refused");
  const run = (set: string[]): Promise<unknown> => train({ recipe, directory, set });
  await assert.rejects(run(["data.train.shards=/nowhere/*.tar"]), { name: "DataError" });
  await assert.rejects(run(["data.train.shard=x"]), /Did you mean "shards"/);
  await assert.rejects(run(["data.tokenizer.file=/nowhere.json"]), { name: "DataError" });
  await assert.rejects(run(["model.image.patchSize=5"]), /patchSize to divide imageSize 32/);
  await assert.rejects(run(["train.device=cuda:9"]), {
    name: "RecipeError",
    path: "train.device",
    message: /^Expected one of auto, cpu.* for train.device but received "cuda:9"; limn doctor/,
  });
  await assert.rejects(run(["data.augmentation.flop=1"]), { name: "RecipeError" });
  assert.deepEqual(readdirSync(join(directory, "checkpoints")), []);
});

test("2k steps are k steps, a stop, and k more, bit for bit", async () => {
  const recipe = tinyRecipe(data);
  const whole = join(folder, "whole");
  const first = await train({ recipe, directory: whole });
  assert.deepEqual([first.step, first.examplesSeen, first.skipped], [4, 32, 0]);
  assert.equal(first.suites.length, 1);

  const resumed = join(folder, "resumed");
  cpSync(whole, resumed, { recursive: true });
  rmSync(checkpoint(resumed, 4), { recursive: true });
  rmSync(join(resumed, "model"), { recursive: true });
  const second = await train({ recipe, directory: resumed });
  assertSameCheckpoint(checkpoint(resumed, 4), checkpoint(whole, 4));
  assert.deepEqual(
    second.suites[0]?.tasks.map(({ rows }) => rows),
    first.suites[0]?.tasks.map(({ rows }) => rows),
  );
  const values = (run: string): unknown =>
    readMetricsLog(join(run, "metrics.jsonl")).map(({ step, values: v }) => [
      step,
      v["train/loss"],
    ]);
  assert.deepEqual(values(resumed), values(whole));
});

test("a run that logs every second step logs the same numbers then", async () => {
  const directory = join(folder, "sparse");
  const set = ["train.logEverySteps=2", "train.checkpoint.keepLast=1"];
  await train({ recipe: tinyRecipe(data), directory, set });
  const timed = /examplesPerSecond|waitSeconds/;
  const values = (run: string): unknown =>
    readMetricsLog(join(run, "metrics.jsonl"))
      .filter(({ step }) => step % 2 === 0)
      .map(({ step, values: v }) => [step, Object.entries(v).filter(([key]) => !timed.test(key))]);
  assert.deepEqual(values(directory), values(join(folder, "whole")));
});

test("the finished model opens, and holds the averaged weights", async () => {
  const run = join(folder, "whole");
  const loaded = await loadModel(join(run, "model"));
  const texts = loaded.encodeTexts(["a small red square", "a large blue square"]);
  assert.deepEqual(texts.shape, [2, 16]);
  const last = readFileSync(join(checkpoint(run, 4), "model.safetensors"));
  assert.notDeepEqual(readFileSync(join(run, "model", "model.safetensors")), last);
  texts.dispose();
  loaded.dispose();
});

test("a run of another recipe is not touched without the user's word", async () => {
  const directory = join(folder, "whole");
  const recipe = tinyRecipe(data);
  const set = ["train.steps=6"];
  const before6 = readFileSync(join(directory, "recipe.json"), "utf8");
  await assert.rejects(train({ recipe, directory, set }), {
    name: "RecipeError",
    message: /differs at train\.steps; use another --workdir, or --allow-recipe-change/,
  });
  assert.equal(readFileSync(join(directory, "recipe.json"), "utf8"), before6);
  const longer = await train({ recipe, directory, set, allowRecipeChange: true });
  assert.equal(longer.step, 6);
  // keepLast 3: 2, 4 and 6 stay.
  assert.equal(readdirSync(join(directory, "checkpoints")).length, 3);
});

test("a checkpoint with a missing weight, or without its state, is refused by name", async () => {
  const recipe = tinyRecipe(data);
  const directory = join(folder, "broken");
  cpSync(join(folder, "resumed"), directory, { recursive: true });
  const state = join(checkpoint(directory, 4), "training", "state.json");
  writeFileSync(state, "{");
  await assert.rejects(train({ recipe, directory }), {
    name: "CheckpointError",
    message: /state\.json/,
  });
  cpSync(join(checkpoint(folder + "/resumed", 4), "training", "state.json"), state);
  const weights = join(checkpoint(directory, 4), "model.safetensors");
  writeFileSync(weights, readFileSync(weights).subarray(0, 500));
  await assert.rejects(train({ recipe, directory }), { name: "CheckpointError" });
  assert.ok(existsSync(checkpoint(directory, 2)));
});

test("the best checkpoint by a metric outlives newer ones", async () => {
  const recipe = tinyRecipe(data);
  const directory = join(folder, "best");
  const metric = "colors/zeroShot/top1";
  const set = [
    `train.checkpoint={"everySteps":1,"keepLast":1,"keepBest":"${metric}"}`,
    "evaluate.everySteps=1",
  ];
  await train({ recipe, directory, set });
  const state = JSON.parse(
    readFileSync(join(checkpoint(directory, 4), "training", "state.json"), "utf8"),
  ) as { best: { step: number; value: number } };
  const logged = readMetricsLog(join(directory, "metrics.jsonl")).flatMap(({ step, values }) =>
    metric in values ? [{ step, value: values[metric] ?? NaN }] : [],
  );
  const best = logged.reduce((a, b) => (b.value > a.value ? b : a));
  assert.deepEqual([state.best.step, state.best.value], [best.step, best.value]);
  const kept = readdirSync(join(directory, "checkpoints")).length;
  assert.equal(kept, best.step === 4 ? 1 : 2);
});
