import assert from "node:assert/strict";
import { test } from "node:test";

import { scope, setThreadCount, threadCount, zeros } from "../../torch/index.ts";
import { openingLine } from "./opening-line.ts";

test("a run's opening line has device, threads, parameters, pictures, steps and epochs", () => {
  const threads = threadCount();
  try {
    scope(() => {
      const line = (
        shapes: number[][],
        train: { steps: number; batchSize: number; minutes?: number },
        samples?: number,
      ): string => {
        const parameters = shapes.map((shape, i) => ({
          tensor: zeros(shape).setRequiresGrad(i > 0 || shapes.length === 1),
        }));
        return openingLine({ device: "cpu", parameters, samples, noun: "picture", train });
      };
      setThreadCount(2);
      assert.equal(
        line([[1900, 1000]], { steps: 640, batchSize: 256 }, 22_166),
        "cpu, 2 threads; 1.9 M parameters; 22,166 pictures; 640 steps of 256, 7.4 epochs",
      );
      setThreadCount(1);
      assert.equal(
        line([[999_700], [12, 1000]], { steps: 1, batchSize: 4, minutes: 1.5 }, 1),
        "cpu, 1 thread; 1 M parameters, 12 k of them trained; 1 picture; 1 step of 4, 4 epochs; " +
          "at most 1 min 30 s",
      );
      assert.equal(
        line([[7]], { steps: 20_000, batchSize: 512 }),
        "cpu, 1 thread; 7 parameters; 20,000 steps of 512",
      );
      const epochs = (steps: number, samples: number): string =>
        line([[7]], { steps, batchSize: 1 }, samples)
          .split(", ")
          .at(-1) ?? "";
      assert.deepEqual(
        [epochs(1, 1), epochs(12_345, 100), epochs(23_456, 100), epochs(1, 3000)],
        ["1 epoch", "123 epochs", "235 epochs", "0.00033 epochs"],
      );
    });
  } finally {
    setThreadCount(threads);
  }
});
