import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import { AppendFile } from "./append-file.ts";
import { readMetricsLog, type StepValues } from "./metrics-log.ts";
import { RunLog } from "./run-log.ts";

let path: string;
let metricsFile: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "limn-log-"));
  metricsFile = join(path, "metrics.jsonl");
});
afterEach(() => rmSync(path, { recursive: true }));

const values: StepValues = {
  "train/loss": 2,
  "train/contrastiveAccuracy": 0.5,
  "train/logitScale": 14,
  "train/learningRate": 1e-3,
  "train/gradNorm": 1,
  "train/examplesPerSecond": 80,
  "data/waitSeconds": 0.1,
};

function log(from: number, to: number, resumeStep?: number, every = 1): string[] {
  const written: string[] = [];
  const progress = { write: (text: string): unknown => written.push(text) };
  const run = new RunLog({ path, metricsFile }, { totalSteps: 10, resumeStep, progress });
  for (let step = from; step <= to; step++) {
    run.step({ step, position: step, examplesSeen: 8 * step, every, values });
  }
  run.evaluation(to, 8 * to, { "val/top1": 0.25 });
  run.message("a line for the reader");
  run.sync();
  run.close();
  return written;
}

const stepsOf = (): number[] => readMetricsLog(metricsFile).map(({ step }) => step);

describe("RunLog", () => {
  it("names the file that cannot be written, and leaves none open", () => {
    writeFileSync(join(path, "tensorboard"), "");
    assert.throws(() => log(1, 1), /tensorboard/);
    const taken = join(path, "tensorboard", "metrics.jsonl");
    assert.throws(() => new AppendFile(taken, "a"), {
      name: "StorageError",
      message:
        /^Expected folders only on the path for writing .*metrics\.jsonl but received ENOTDIR/,
    });
  });
  it("names the file on a full disk", { skip: !existsSync("/dev/full") }, () => {
    const file = new AppendFile("/dev/full", "a");
    assert.throws(() => file.append(Buffer.from("x")), {
      name: "StorageError",
      message: /^Expected free disk space for writing \/dev\/full but received ENOSPC; free some/,
    });
    file.close();
  });
  it("writes steps and evaluations to JSON lines and events, messages to the reader", () => {
    const written = log(1, 4, undefined, 2);
    assert.deepEqual(stepsOf(), [2, 4, 4]);
    assert.deepEqual(readMetricsLog(metricsFile)[1]?.values, values);
    assert.deepEqual(readMetricsLog(metricsFile)[2]?.values, { "val/top1": 0.25 });
    assert.equal(readdirSync(join(path, "tensorboard")).length, 1);
    assert.ok(written.some((text) => text.includes("a line for the reader")));
  });
  it("writes and shows nothing where another rank writes", () => {
    const written: string[] = [];
    const progress = { write: (text: string): unknown => written.push(text) };
    const run = new RunLog({ path, metricsFile }, { totalSteps: 10, progress, writes: false });
    run.step({ step: 1, position: 1, examplesSeen: 8, every: 1, values });
    run.evaluation(1, 8, {});
    run.message("a line for the reader");
    run.note("evaluating", { step: 1, position: 1 });
    run.sync();
    run.close();
    assert.deepEqual(written, []);
    assert.deepEqual(readdirSync(path), []);
  });
  it("shows the last accuracy that was measured where a step has none", () => {
    const written: string[] = [];
    const progress = { isTTY: true, columns: 120, write: (text: string) => written.push(text) };
    const run = new RunLog({ path, metricsFile }, { totalSteps: 2, progress });
    const { "train/contrastiveAccuracy": _, ...unmeasured } = values;
    run.step({ step: 1, position: 1, examplesSeen: 8, every: 2, values });
    run.step({ step: 2, position: 2, examplesSeen: 16, every: 2, values: unmeasured });
    run.close();
    assert.match(written.at(-2) ?? "", /step 2\/2 .*acc 50 %/);
    assert.equal(
      "train/contrastiveAccuracy" in (readMetricsLog(metricsFile)[0]?.values ?? {}),
      false,
    );
  });
  it("holds an evaluation once that is made again after the last step, in both logs", () => {
    log(1, 3);
    log(4, 3, 3);
    const entries = readMetricsLog(metricsFile);
    assert.deepEqual(
      entries.map(({ step, values: found }) => [step, "val/top1" in found]),
      [
        [1, false],
        [2, false],
        [3, false],
        [3, true],
      ],
    );
    const run = new RunLog({ path, metricsFile }, { totalSteps: 3, resumeStep: 3 });
    run.evaluation(3, 24, { "val/other": 1 });
    run.close();
    assert.deepEqual(stepsOf(), [1, 2, 3, 3, 3], "another evaluation is another entry");
    // Each file of events hides the steps from the one that it begins with, and holds that one again.
    const folder = join(path, "tensorboard");
    const times = readdirSync(folder).map(
      (name) => readFileSync(join(folder, name)).toString("latin1").split("val/top1").length - 1,
    );
    assert.deepEqual(times, [1, 1, 1]);
  });
  it("drops what a resumed run takes again, and all of a run that starts anew", () => {
    log(1, 4);
    log(3, 5, 2);
    assert.deepEqual(stepsOf(), [1, 2, 3, 4, 5, 5]);
    log(1, 1);
    assert.deepEqual(stepsOf(), [1, 1]);
  });
});
