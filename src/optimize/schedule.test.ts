/** Against open_clip_train.scheduler; test/goldens/generate/optimizer.py makes the file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { RecipeError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { createSchedule, type ScheduleDescription } from "./schedule.ts";

interface Golden {
  schedules: { description: ScheduleDescription; rates: number[] }[];
}

const file = new URL("../../../test/goldens/optimizer.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
const ratesOf = (description: ScheduleDescription): number[] => {
  const schedule = createSchedule(description);
  return Array.from({ length: description.steps }, (_, step) => schedule(step));
};

describe("createSchedule", () => {
  it("refuses what it does not know and what is out of range, by path", () => {
    const cases: [object, string, RegExp][] = [
      [{ kind: "cosin" }, "kind", /one of cosine, linear, constant, rsqrt .* received cosin/],
      [{ warmUpStep: 1 }, "warmUpStep", /"warmUpStep"\. Did you mean "warmupSteps"/],
      [{ steps: 0 }, "steps", /whole number above 0/],
      [{ warmupSteps: 1.5 }, "warmupSteps", /whole number of at least 0 .* received 1.5/],
      [{ warmupSteps: 11 }, "warmupSteps", /fit into 10 steps .* received 11 and 0/],
      [{ kind: "constant", warmupSteps: 6, cooldownSteps: 5 }, "warmupSteps", /6 and 5/],
      [{ cooldownSteps: 3 }, "cooldownSteps", /since cosine falls all the way/],
      [{ endFactor: 1.1 }, "endFactor", /share in \[0, 1\]/],
      [{ learningRate: NaN }, "learningRate", /finite number above 0 .* received NaN/],
      [{ kind: "rsqrt", timescale: 0 }, "timescale", /above 0/],
    ];
    for (const [changes, key, message] of cases) {
      assert.throws(
        () => createSchedule({ kind: "cosine", steps: 10, ...changes }),
        (error: Error) =>
          error instanceof RecipeError &&
          error.path === `train.schedule.${key}` &&
          message.test(error.message),
        JSON.stringify(changes),
      );
    }
  });
  for (const { description, rates } of golden.schedules) {
    it(`equals open_clip: ${JSON.stringify(description)}`, () => {
      assertClose(ratesOf(description), rates, { rtol: 1e-14, atol: 1e-18 });
    });
  }
  it("falls linearly to the end factor", () => {
    const description = { kind: "linear", steps: 6, warmupSteps: 2, endFactor: 0.2 } as const;
    assertClose(ratesOf(description), [0.5, 1, 1, 0.8, 0.6, 0.4], { rtol: 1e-14 });
    assertClose([createSchedule(description)(6), createSchedule(description)(99)], [0.2, 0.2]);
  });
  it("falls as the reciprocal square root, then to zero in the cooldown", () => {
    const rates = ratesOf({ kind: "rsqrt", steps: 10, timescale: 2, cooldownSteps: 4 });
    const free = Array.from({ length: 10 }, (_, s) => 1 / Math.sqrt(1 + s / 2));
    const left = [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25];
    assertClose(
      rates,
      free.map((rate, s) => rate * (left[s] ?? 0)),
      { rtol: 1e-14 },
    );
  });
  it("warms up to the full rate and may be all warm-up", () => {
    const rates = ratesOf({ kind: "cosine", steps: 4, warmupSteps: 4, learningRate: 2 });
    assert.deepEqual(rates, [0.5, 1, 1.5, 2]);
  });
});
