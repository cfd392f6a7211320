import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MetricsLog, readMetricsLog } from "./metrics-log.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "limn-metrics-"));
  path = join(directory, "run", "metrics.jsonl");
});
afterEach(() => rmSync(directory, { recursive: true }));

function writeSteps(...steps: number[]): void {
  const log = new MetricsLog(path);
  for (const step of steps) {
    log.append({ step, examplesSeen: step * 8, wallTime: 100 + step, values: { loss: 1 / step } });
  }
  log.close();
}

const stepsOf = (): number[] => readMetricsLog(path).map(({ step }) => step);

describe("MetricsLog", () => {
  it("names the file where its folder cannot be made", () => {
    const inside = join(directory, "taken", "metrics.jsonl");
    writeFileSync(join(directory, "taken"), "");
    assert.throws(() => new MetricsLog(inside), { name: "StorageError", file: inside });
  });

  it("refuses bad steps and writing after close", () => {
    const log = new MetricsLog(path);
    assert.throws(() => log.append({ step: -1, examplesSeen: 0, values: {} }), RangeError);
    assert.throws(() => log.append({ step: NaN, examplesSeen: 0, values: {} }), RangeError);
    log.close();
    log.close();
    assert.throws(() => log.append({ step: 1, examplesSeen: 0, values: {} }), /was closed/);
  });

  it("names a broken line in the middle and leaves the file alone", () => {
    writeSteps(1, 2);
    appendFileSync(path, 'not json\n{"step":3,"examplesSeen":24}\n');
    const before = readFileSync(path);
    for (const open of [() => readMetricsLog(path), () => new MetricsLog(path)]) {
      assert.throws(open, { name: "DataError", message: /on line 3 of .*metrics\.jsonl/ });
    }
    assert.deepEqual(readFileSync(path), before);
  });

  it("writes one JSON object per line and reads it back", () => {
    writeSteps(1, 2);
    assert.equal(
      readFileSync(path, "utf8"),
      '{"step":1,"examplesSeen":8,"wallTime":101,"loss":1}\n' +
        '{"step":2,"examplesSeen":16,"wallTime":102,"loss":0.5}\n',
    );
    assert.deepEqual(readMetricsLog(path)[1], {
      step: 2,
      examplesSeen: 16,
      wallTime: 102,
      values: { loss: 0.5 },
    });
  });

  it("keeps NaN and infinities, which JSON lacks", () => {
    const log = new MetricsLog(path);
    const values = { a: NaN, b: Infinity, c: -Infinity, d: 1e-300 };
    log.append({ step: 1, examplesSeen: 8, values });
    log.close();
    assert.deepEqual(readMetricsLog(path)[0]?.values, values);
  });

  it("appends to what is there", () => {
    writeSteps(1, 2);
    writeSteps(3);
    assert.deepEqual(stepsOf(), [1, 2, 3]);
  });

  it("drops an incomplete last line, wherever it was cut", () => {
    writeSteps(1, 2, 3);
    const whole = readFileSync(path);
    const second = whole.indexOf("\n", whole.indexOf("\n") + 1) + 1;
    for (let cut = second; cut < whole.length; cut++) {
      writeFileSync(path, whole.subarray(0, cut));
      assert.deepEqual(stepsOf(), [1, 2]);
      new MetricsLog(path).close();
      assert.deepEqual(readFileSync(path), whole.subarray(0, second));
      writeSteps(3);
      assert.deepEqual(readFileSync(path), whole);
    }
  });

  it("drops the zeros that a crash of the machine may leave", () => {
    writeSteps(1, 2);
    appendFileSync(path, `${"\0".repeat(500)}":3}\n`);
    writeSteps(3);
    assert.deepEqual(stepsOf(), [1, 2, 3]);
  });

  it("reads the end of a long log alone, as much as it needs", () => {
    const line = (step: number): string =>
      `${JSON.stringify({ step, examplesSeen: 8 * step, wallTime: 1, note: "x".repeat(150) })}\n`;
    const lines = Array.from({ length: 2000 }, (_, i) => line(i + 1));
    new MetricsLog(path).close();
    // What is no log at the start is not looked at where the end says enough.
    const begin = `${"no log ".repeat(9)}\n`;
    for (const resumeStep of [2000, 1999, 1700, 1200]) {
      writeFileSync(path, begin + lines.join(""));
      new MetricsLog(path, { resumeStep }).close();
      assert.equal(readFileSync(path, "utf8"), begin + lines.slice(0, resumeStep).join(""));
    }
    writeFileSync(path, lines.join(""));
    new MetricsLog(path, { resumeStep: 3 }).close();
    assert.deepEqual(stepsOf(), [1, 2, 3]);
    writeFileSync(path, lines.join("") + "not json\n" + line(2001));
    assert.throws(() => new MetricsLog(path), /examplesSeen at byte \d+ of .*metrics\.jsonl/);
    writeFileSync(path, lines.join("") + line(2001).slice(0, -5));
    new MetricsLog(path).close();
    assert.equal(readFileSync(path, "utf8"), lines.join(""));
  });

  it("removes what came after the step that is resumed from, and continues", () => {
    writeSteps(10, 20, 20, 30, 40);
    const log = new MetricsLog(path, { resumeStep: 20 });
    log.append({ step: 30, examplesSeen: 240, values: {} });
    log.sync();
    log.close();
    assert.deepEqual(stepsOf(), [10, 20, 20, 30]);
    new MetricsLog(path, { resumeStep: 0 }).close();
    assert.equal(readFileSync(path, "utf8"), "");
  });
});
