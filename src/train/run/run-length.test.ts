/** Runs that are bounded by minutes, on a clock that each step moves on by three seconds. */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { tinyData, tinyRecipe, type TinyData } from "../../../test/support/tiny-run.ts";
import { readMetricsLog } from "../log/metrics-log.ts";
import { solo } from "../process-group.ts";
import { pretrain } from "../tower/pretrain-tower.ts";
import { train, type TrainResult } from "../train-pair.ts";
import { RunDirectory } from "./run-directory.ts";
import { RunLength } from "./run-length.ts";

let data: TinyData;
const folder = mkdtempSync(join(tmpdir(), "limn-length-"));

before(async () => {
  data = await tinyData();
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

/** Each reading is `seconds` after the one before: so long is a step, and so long what lies between. */
function clock(seconds = 3): () => number {
  let time = 50;
  return () => (time += seconds);
}

/** Of 100 steps, the half minute leaves time for ten. */
const bounded = ["train.steps=100", "train.minutes=0.5", "train.schedule.warmupSteps=20"];

/** `lines`: are given the run's progress. */
function run(name: string, set: string[], lines: string[] = []): Promise<TrainResult> {
  const progress = { write: (text: string) => void lines.push(text) };
  const directory = join(folder, name);
  return train({ recipe: tinyRecipe(data), directory, set, now: clock(), progress });
}

const ratesOf = (name: string): number[] =>
  readMetricsLog(join(folder, name, "metrics.jsonl")).flatMap(({ values }) =>
    "train/learningRate" in values ? [values["train/learningRate"]] : [],
  );

const checkpoint = (name: string, step: number): string =>
  join(folder, name, "checkpoints", `step-${String(step).padStart(8, "0")}`);

/** The learning rate at a share of a cosine run whose first fifth is warm-up. */
function cosine(share: number): number {
  if (share < 0.2) return (1e-3 * (100 * share + 1)) / 20;
  return (1e-3 * (1 + Math.cos((Math.PI * (share - 0.2)) / 0.8))) / 2;
}

describe("RunLength", () => {
  it("is the step itself without minutes, and keeps no time", async () => {
    const length = new RunLength({ steps: 7 }, { now: clock(1e9) });
    await length.timed(() => Promise.resolve());
    assert.deepEqual(
      [0, 3, 7].map((step) => length.position(step)),
      [0, 3, 7],
    );
    assert.deepEqual([length.spent, length.left], [undefined, undefined]);
  });
  it("is the share of the minutes where that is more, at the limit exactly all", async () => {
    const length = new RunLength({ steps: 7, minutes: 0.1 }, { spent: 0.5, now: clock(2.75) });
    assert.equal(length.position(0), 7 * (0.5 / 6));
    await length.timed(() => Promise.resolve());
    assert.deepEqual([length.position(1), length.position(5)], [7 * (3.25 / 6), 5]);
    assert.equal(length.left, 2.75);
    // A step that fails took time too.
    await assert.rejects(
      length.timed(() => Promise.reject(new Error("no"))),
      /no/,
    );
    assert.deepEqual([length.position(2), length.spent, length.left], [7, 6, 0]);
  });
});

describe("a run bounded by minutes", () => {
  it("refuses minutes that are none, and the key that it had before", async () => {
    await assert.rejects(run("refused", ["train.minutes=0"]), {
      path: "train.minutes",
      message: /above 0 for train\.minutes but received 0/,
    });
    await assert.rejects(run("refused", ["train.timeLimitMinutes=4"]), /known here: .*minutes/);
  });

  it("ends with the rate of the schedule's end, evaluated and saved", async () => {
    const result = await run("timed", [...bounded, "train.checkpoint.keepLast=9"]);
    assert.deepEqual([result.step, result.stopped, result.suites.length], [10, "minutes", 1]);
    assert.ok(existsSync(join(folder, "timed", "model", "model.safetensors")));
    assertClose(
      ratesOf("timed"),
      Array.from({ length: 10 }, (_, step) => cosine(step / 10)),
      { rtol: 1e-12 },
    );
    const state = JSON.parse(
      readFileSync(join(checkpoint("timed", 6), "training", "state.json"), "utf8"),
    ) as { trainingSeconds: number };
    assert.equal(state.trainingSeconds, 18);
  });

  it("follows time in every kind of schedule, micro-batches or not", async () => {
    const at = Array.from({ length: 10 }, (_, step) => step / 10);
    const schedules: [object, (share: number) => number][] = [
      [{ kind: "linear", endFactor: 0.1 }, (share) => 1 - 0.9 * share],
      [{ kind: "constant", cooldownSteps: 50 }, (share) => Math.min(1, 2 * (1 - share))],
      [{ kind: "rsqrt", timescale: 10 }, (share) => 1 / Math.sqrt(1 + 10 * share)],
    ];
    for (const [i, [schedule, expected]] of schedules.entries()) {
      const set = [...bounded.slice(0, 2), `train.schedule=${JSON.stringify(schedule)}`];
      await run(`schedule-${i}`, [...set, "train.microBatchSize=4", "evaluate.suites=[]"]);
      assertClose(
        ratesOf(`schedule-${i}`),
        at.map((share) => 1e-3 * expected(share)),
        {
          rtol: 1e-12,
        },
      );
    }
  });

  it("goes on after a stop with the time that it had spent, to the same bits", async () => {
    cpSync(join(folder, "timed"), join(folder, "resumed"), { recursive: true });
    for (const step of [8, 10]) rmSync(checkpoint("resumed", step), { recursive: true });
    rmSync(join(folder, "resumed", "model"), { recursive: true });
    const lines: string[] = [];
    const result = await run("resumed", [...bounded, "train.checkpoint.keepLast=9"], lines);
    assert.deepEqual([result.step, result.stopped], [10, "minutes"]);
    assert.match(lines[1] ?? "", /^Resuming at step 6 from .*, after 18 s of 30 s\n$/);
    assert.match(lines.at(-1) ?? "", /^100 % {2}step 10\/100 .*evaluating/);
    assert.deepEqual(ratesOf("resumed"), ratesOf("timed"));
    for (const file of ["model.safetensors", "training/state.json", "training/ema.safetensors"]) {
      const [a, b] = ["resumed", "timed"].map((name) =>
        readFileSync(join(checkpoint(name, 10), file)),
      );
      assert.deepEqual(a, b, file);
    }
  });

  it("does nothing more when its minutes are over", async () => {
    const before = readdirSync(join(folder, "timed", "checkpoints"));
    const lines: string[] = [];
    const again = await run("timed", [...bounded, "train.checkpoint.keepLast=9"], lines);
    assert.match(lines[2] ?? "", /^100 % {2}step 10\/100 {2}evaluating/);
    assert.deepEqual([again.step, again.stopped], [10, "minutes"]);
    assert.deepEqual(readdirSync(join(folder, "timed", "checkpoints")), before);
  });

  it("is the run by steps, to the bit, where these are over first", async () => {
    await run("steps", []);
    const result = await run("both", ["train.minutes=1"]);
    assert.equal(result.stopped, undefined);
    for (const file of ["model.safetensors", "training/optimizer.safetensors"]) {
      const [a, b] = ["steps", "both"].map((name) => readFileSync(join(checkpoint(name, 4), file)));
      assert.deepEqual(a, b, file);
    }
  });

  it("evaluates once where the last minute ends at a step that is evaluated", async () => {
    await run("evaluated", [...bounded, "evaluate.everySteps=5"]);
    const measured = readMetricsLog(join(folder, "evaluated", "metrics.jsonl")).flatMap(
      ({ step, values }) => ("colors/zeroShot/top1" in values ? [step] : []),
    );
    assert.deepEqual(measured, [5, 10]);
  });

  it("goes by the clock of the first of several processes", async () => {
    const group = {
      ...solo,
      rank: 1,
      size: 2,
      isFirst: false,
      // The first one's clock stands: it is where the steps are.
      gatherValues: <T>(value: T): T[] => {
        const isPlace = typeof value === "object" && value !== null && "position" in value;
        return [isPlace ? { ...value, position: steps++ } : value, value];
      },
    };
    let steps = 0;
    const set = ["train.minutes=0.01", "evaluate.suites=[]"];
    const { path: directory } = new RunDirectory(join(folder, "second"));
    const result = await train({ recipe: tinyRecipe(data), directory, set, group, now: clock() });
    assert.deepEqual([result.step, result.stopped], [4, undefined]);
  });
});

describe("pretraining bounded by minutes", () => {
  it("ends and goes on as a pair's run does", async () => {
    const { image } = tinyRecipe(data).model as { image: object };
    const recipe = {
      kind: "classification",
      name: "tower",
      image,
      data: { train: { kind: "webdataset", shards: data.shards }, workers: 1 },
      train: {
        batchSize: 8,
        steps: 100,
        minutes: 0.2,
        device: "cpu",
        optimizer: { learningRate: 1e-3 },
      },
    };
    const directory = join(folder, "tower");
    const result = await pretrain({ recipe, directory, now: clock() });
    assert.deepEqual([result.step, result.stopped], [4, "minutes"]);
    const expected = [0, 1, 2, 3].map((step) => (1e-3 * (1 + Math.cos((Math.PI * step) / 4))) / 2);
    assertClose(ratesOf("tower"), expected, { rtol: 1e-12 });
  });
});
