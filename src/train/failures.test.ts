/** Runs that cannot go on: what they say, and that no step already taken is lost. */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, test } from "node:test";

import { writeShards } from "../data/write-shards.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../test/support/tiny-run.ts";
import { memory } from "../torch/index.ts";
import { readMetricsLog } from "./log/metrics-log.ts";
import { train, type TrainResult } from "./train-pair.ts";

let data: TinyData;
const folder = mkdtempSync(join(tmpdir(), "limn-failures-"));

before(async () => {
  data = await tinyData();
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

const checkpoint = (run: string, step: number): string =>
  join(run, "checkpoints", `step-${String(step).padStart(8, "0")}`);
const weights = (run: string, step: number): Buffer =>
  readFileSync(join(checkpoint(run, step), "model.safetensors"));
const stepsOf = (run: string): number[] =>
  readMetricsLog(join(run, "metrics.jsonl")).flatMap(({ step, values }) =>
    "train/loss" in values ? [step] : [],
  );

interface Run {
  directory: string;
  set?: string[];
  allowRecipeChange?: boolean;
}
const run = (options: Run): Promise<TrainResult> => train({ recipe: tinyRecipe(data), ...options });

test("a folder that cannot be made is named", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  await assert.rejects(run({ directory: join(file, "run") }), {
    name: "StorageError",
    message: /^Expected folders only on the path for writing .*file.run but received ENOTDIR/,
  });
});

test("an empty source leaves no checkpoint behind", async () => {
  const directory = join(folder, "nothing");
  const bad = await shardsWith("bad", []);
  const set = [`data.train.shards=${JSON.stringify(bad)}`];
  await assert.rejects(run({ directory, set }), {
    name: "DataError",
    message: /at least one usable sample .* only bad ones \(1\)/,
  });
  assert.ok(!existsSync(checkpoint(directory, 0)));
});

test("an evaluation that fails after the last step loses no step", async () => {
  const directory = join(folder, "evaluation");
  const tasks = [{ kind: "zeroShot", classes: join(folder, "classes.json") }];
  const suites = [{ name: "colors", source: { kind: "webdataset", shards: data.shards }, tasks }];
  const set = ["train.checkpoint={}", `evaluate.suites=${JSON.stringify(suites)}`];
  await assert.rejects(run({ directory, set }), { name: "DataError", message: /classes\.json/ });
  writeFileSync(join(folder, "classes.json"), JSON.stringify(["red", "green", "blue", "yellow"]));
  const result = await run({ directory, set });
  assert.deepEqual([result.step, result.suites.length], [4, 1]);
  assert.deepEqual(stepsOf(directory), [1, 2, 3, 4]);
});

test("a finished run that is run again is evaluated again and keeps its weights", async () => {
  const directory = join(folder, "evaluation");
  const before4 = weights(directory, 4);
  const log = readFileSync(join(directory, "metrics.jsonl"), "utf8");
  const tasks = [{ kind: "zeroShot", classes: join(folder, "classes.json") }];
  const suites = [{ name: "colors", source: { kind: "webdataset", shards: data.shards }, tasks }];
  const same = ["train.checkpoint={}", `evaluate.suites=${JSON.stringify(suites)}`];
  assert.equal((await run({ directory, set: same })).suites.length, 1);
  assert.equal(readFileSync(join(directory, "metrics.jsonl"), "utf8"), log, "logged once");
  const set = ["train.checkpoint={}", "evaluate.suites=[]"];
  const again = await run({ directory, set, allowRecipeChange: true });
  assert.equal(again.step, 4);
  assert.deepEqual(weights(directory, 4), before4);
  assert.deepEqual(stepsOf(directory), [1, 2, 3, 4]);
});

async function shardsWith(name: string, good: readonly string[]): Promise<string[]> {
  const captions = ["a picture that is none"];
  const image = Buffer.from("not a picture");
  const { shards } = await writeShards({
    samples: [{ key: "broken", image, extension: "png", captions }],
    directory: join(folder, name),
    samplesPerShard: 8,
  });
  return [...good, ...shards];
}

test("a sample that ends a run loses no step, and the run goes on where it is skipped", async () => {
  const shards = await shardsWith("mixed", data.shards);
  const common = [
    `data.train.shards=${JSON.stringify(shards)}`,
    'train.checkpoint={"keepLast":9}',
    "train.seed=1",
    "evaluate.suites=[]",
  ];
  const whole = join(folder, "skipping");
  const { skipped } = await run({ directory: whole, set: common });

  const directory = join(folder, "failing");
  await assert.rejects(run({ directory, set: [...common, "data.onError=fail"] }), {
    name: "DataError",
    message: /broken/,
  });
  const steps = stepsOf(directory);
  assert.ok(steps.length > 0 && steps.length < 4, `failed after steps ${steps.join()}`);
  assert.ok(existsSync(checkpoint(directory, steps.length)));
  const result = await run({ directory, set: common, allowRecipeChange: true });
  assert.equal(result.skipped, skipped);
  assert.deepEqual(stepsOf(directory), [1, 2, 3, 4]);
  assert.deepEqual(weights(directory, 4), weights(whole, 4));
});

test("a run that cannot resume frees its memory and leaves its folder as it was", async () => {
  const directory = join(folder, "evaluation");
  const recipe = readFileSync(join(directory, "recipe.json"), "utf8");
  const live = memory();
  const wider = { directory, set: ["model.embedDim=24"], allowRecipeChange: true };
  await assert.rejects(run(wider), {
    name: "CheckpointError",
    message:
      /Where that checkpoint is damaged, remove .*step-00000004 to go on from the one before$/,
  });
  const elsewhere = { directory, set: ["data.train.shards=/none.tar"], allowRecipeChange: true };
  await assert.rejects(run(elsewhere), { name: "DataError" });
  assert.deepEqual(memory(), live);
  assert.equal(readFileSync(join(directory, "recipe.json"), "utf8"), recipe);
});

test("a checkpoint that was being replaced when the power failed is found", async () => {
  const directory = join(folder, "previous");
  cpSync(join(folder, "evaluation"), directory, { recursive: true });
  const hidden = join(directory, "checkpoints", ".step-00000004.limn-previous");
  renameSync(checkpoint(directory, 4), hidden);
  const result = await run({ directory, set: ["train.checkpoint={}", "evaluate.suites=[]"] });
  assert.equal(result.step, 4);
});

test("data that changed between stop and resume is refused, until it is allowed", async () => {
  const directory = join(folder, "changed");
  const moved = join(folder, "moved");
  cpSync(dirname(data.shards[0]!), moved, { recursive: true });
  const shards = data.shards.map((file) => join(moved, basename(file)));
  const common = ["evaluate.suites=[]", `data.train.shards=${JSON.stringify(shards)}`];
  await run({ directory, set: [...common, "train.steps=2"] });
  const more = { directory, set: [...common, "train.steps=3"] };
  // Another number of steps is another recipe; a copy of the data is the same.
  writeFileSync(
    join(directory, "recipe.json"),
    readFileSync(join(directory, "recipe.json"), "utf8").replace('"steps": 2', '"steps": 3'),
  );
  const bytes = readFileSync(shards[1]!);
  bytes[600] = bytes[600]! ^ 1;
  writeFileSync(shards[1]!, bytes);
  await assert.rejects(run(more), {
    name: "DataError",
    message:
      /^Expected the data that .*step-00000002 was trained on, 3 files of \d+ bytes, for data\.train but received the same number and sizes with other contents; put it back, .* --allow-recipe-change$/,
  });
  assert.equal(existsSync(checkpoint(directory, 3)), false);
  assert.equal((await run({ ...more, allowRecipeChange: true })).step, 3);
  const state = join(checkpoint(directory, 3), "training", "state.json");
  const { data: _, ...older } = JSON.parse(readFileSync(state, "utf8")) as Record<string, unknown>;
  writeFileSync(state, JSON.stringify(older));
  bytes[600] = bytes[600] ^ 1;
  writeFileSync(shards[1]!, bytes);
  assert.equal((await run(more)).step, 3, "a checkpoint of an earlier version says nothing");
});

test("a batch may be larger than the data set", async () => {
  const directory = join(folder, "large");
  const set = ["train.batchSize=40", "train.steps=2", "evaluate.suites=[]"];
  const result = await run({ directory, set });
  assert.deepEqual([result.step, result.examplesSeen], [2, 80]);
});

test("of ranks, the smallest is the best", async () => {
  const directory = join(folder, "rank");
  const metric = "colors/retrieval/imageToText/medianRank";
  const set = [
    `train.checkpoint={"everySteps":1,"keepLast":1,"keepBest":"${metric}"}`,
    "evaluate.everySteps=1",
    "train.optimizer.learningRate=0.01",
  ];
  await run({ directory, set });
  const file = join(checkpoint(directory, 4), "training", "state.json");
  const { best } = JSON.parse(readFileSync(file, "utf8")) as { best: { value: number } };
  const logged = readMetricsLog(join(directory, "metrics.jsonl")).flatMap(({ values }) =>
    metric in values ? [values[metric] ?? NaN] : [],
  );
  assert.ok(new Set(logged).size > 1, `the ranks never changed: ${logged.join()}`);
  assert.equal(best.value, Math.min(...logged));
});
