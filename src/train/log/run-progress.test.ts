import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatDuration, formatProgress, ProgressLine, StepRate } from "./run-progress.ts";

const state = {
  step: 380,
  totalSteps: 1000,
  stepsPerSecond: 5,
  examplesPerSecond: 212.4,
  loss: 2.10449,
  contrastiveAccuracy: 0.412,
};

class FakeStream {
  written: string[] = [];
  isTTY: boolean;
  columns: number;
  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY;
    this.columns = columns;
  }
  write(text: string): void {
    this.written.push(text);
  }
}

describe("formatProgress", () => {
  it("has no bar and no limit without a terminal", () => {
    assert.equal(
      formatProgress(state),
      "38 %  step 380/1000  loss 2.104  ETA 2 min 4 s  acc 41 %  212 examples/s",
    );
  });

  it("never exceeds the width, and drops the least important first", () => {
    for (let columns = 1; columns <= 200; columns++) {
      const line = formatProgress({ ...state, note: "saving" }, columns);
      assert.ok(line.length < columns, `${columns}: ${line}`);
      assert.doesNotMatch(line, /[\r\n]/);
    }
    assert.equal(
      formatProgress(state, 60),
      " 38 %  step 380/1000  loss 2.104  ETA 2 min 4 s  acc 41 %",
    );
    assert.equal(formatProgress(state, 30), " 38 %  step 380/1000");
    assert.match(formatProgress(state, 120), /^\[=========> {14}\] {3}38 %/);
  });

  it("goes by the minutes where these are over before the steps", () => {
    const late = { ...state, position: 750.4, secondsLeft: 30.2 };
    assert.match(formatProgress(late), /^75 % {2}step 380\/1000 .* ETA 30 s /);
    assert.match(
      formatProgress({ ...state, position: 380, secondsLeft: 300 }),
      /^38 % .* ETA 2 min 4 s/,
    );
    // The steps may be over long before.
    assert.doesNotMatch(formatProgress({ step: 1, totalSteps: 10, secondsLeft: 90 }), /ETA/);
    assert.match(formatProgress({ ...late, position: 1000, secondsLeft: 0 }), /^100 % .* ETA 0 s/);
  });

  it("shows the ends, no steps at all, and numbers that are not finite", () => {
    assert.match(
      formatProgress({ step: 10, totalSteps: 10 }, 80),
      /^\[={24}\] {2}100 % {2}step 10/,
    );
    assert.match(formatProgress({ step: 0, totalSteps: 10 }, 80), /^\[> {23}\] {4}0 %/);
    assert.equal(formatProgress({ step: 0, totalSteps: 0 }), "0 %  step 0/0");
    assert.match(formatProgress({ step: 1, totalSteps: 2, loss: NaN }), /loss NaN/);
  });
});

describe("formatDuration", () => {
  it("uses at most two units", () => {
    const cases: [number, string][] = [
      [0, "0 s"],
      [0.4, "0 s"],
      [9, "9 s"],
      [60, "1 min"],
      [123, "2 min 3 s"],
      [3600, "1 h"],
      [3900.2, "1 h 5 min"],
      [86_400 * 3 + 3600 * 4 + 59, "3 d 4 h"],
      [-5, "0 s"],
      [Infinity, "unknown"],
    ];
    for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
  });
});

describe("StepRate", () => {
  it("counts only this process's steps and forgets slow first ones", () => {
    const rate = new StepRate(10);
    assert.equal(rate.mark(500, 0), undefined);
    assert.equal(rate.mark(501, 5), 0.2);
    let latest: number | undefined;
    for (let step = 502; step <= 700; step++) latest = rate.mark(step, 5 + (step - 501) * 0.5);
    assert.ok(latest !== undefined && Math.abs(latest - 2) < 1e-9, String(latest));
  });
});

describe("ProgressLine", () => {
  const run = (stream: FakeStream, steps: number, secondsPerStep: number): ProgressLine => {
    let time = 0;
    const line = new ProgressLine(stream, { totalSteps: 100, interval: 10, now: () => time });
    for (let step = 1; step <= steps; step++) {
      time += secondsPerStep;
      line.update({ step, loss: 2 });
    }
    return line;
  };

  it("redraws one line on a terminal, at most ten times a second", () => {
    const stream = new FakeStream(true, 60);
    run(stream, 50, 0.01).finish();
    assert.ok(stream.written.length <= 8, String(stream.written.length));
    const lines = stream.written.slice(0, -1);
    for (const text of lines) assert.ok(text.startsWith("\r\u001b[K") && text.length < 64);
    assert.match(lines.at(-1) ?? "", /step 50\/100/);
    assert.equal(stream.written.at(-1), "\n");
  });

  it("writes plain lines at intervals elsewhere: the first, the last, and few between", () => {
    const stream = new FakeStream(false);
    run(stream, 100, 0.5).finish();
    const steps = stream.written.map((text) => /step (\d+)/.exec(text)?.[1]);
    assert.deepEqual(steps, ["1", "21", "41", "61", "81", "100"]);
    for (const text of stream.written) assert.ok(!/\r/.test(text) && text.endsWith("\n"), text);
  });

  it("puts messages above the line", () => {
    const stream = new FakeStream(true);
    const line = run(stream, 1, 1);
    line.message("val/loss 2");
    assert.deepEqual(stream.written.slice(1, 3), ["\r\u001b[K", "val/loss 2\n"]);
    assert.match(stream.written[3] ?? "", /^\r/);
    const plain = new FakeStream(false);
    new ProgressLine(plain, { totalSteps: 5 }).message("hello");
    assert.deepEqual(plain.written, ["hello\n"]);
  });

  it("ends silently when nothing happened", () => {
    const stream = new FakeStream(true);
    new ProgressLine(stream, { totalSteps: 5 }).finish();
    assert.deepEqual(stream.written, []);
  });
});
