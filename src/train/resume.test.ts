import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { tinyData, tinyRecipe, type TinyData } from "../../test/support/tiny-run.ts";
import {
  assertSameCheckpoint,
  checkpointOf,
  lossesOf,
  plainRecipe,
} from "../../test/support/tiny-towers.ts";
import { objectiveSchema } from "../objectives/index.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { train } from "./train-pair.ts";

let data: TinyData;
const folder = mkdtempSync(join(tmpdir(), "limn-resume-"));

before(async () => {
  data = await tinyData(16);
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(data.folder, { recursive: true, force: true });
});

type Objective = NonNullable<Recipe["objective"]>;
type Case = Pick<Recipe, "logits"> & { objective: Objective };

const constant = { logits: { scale: { learned: false } } };
const cases: Case[] = [
  { objective: { kind: "softmax" } },
  { objective: { kind: "sigmoid" } },
  { objective: { kind: "align" } },
  { objective: { kind: "cyclip" } },
  { objective: { kind: "distillation", teacher: "" } },
  { objective: { kind: "lixp", base: "softmax" } },
  { objective: { kind: "lixp", base: "sigmoid", alpha: 0.5 } },
  { objective: { kind: "amorlip" }, logits: { scale: { learningRate: 1e-4 } } },
  {
    objective: {
      kind: "amorlip",
      amortization: "js",
      stage2: "emaNetwork",
      reinitializeEveryEpochs: 2,
      targetInterval: 1,
    },
  },
  { objective: { kind: "sogclr" }, ...constant },
  { objective: { kind: "isogclr" }, ...constant },
  { objective: { kind: "fastclip", version: 0 } },
  { objective: { kind: "fastclip", version: 1 }, ...constant },
  { objective: { kind: "fastclip", version: 2 }, ...constant },
  { objective: { kind: "fastclip", version: 3 } },
  { objective: { kind: "neuclip", prototypes: 4, innerSteps: 2, restartSteps: 2 } },
];

/** The tiny recipe, augmented and with random depths, over two epochs of two steps. */
function recipeOf({ objective, logits }: Case): Recipe {
  const { evaluate: _, ...recipe } = tinyRecipe(data);
  return { ...recipe, objective, ...(logits === undefined ? {} : { logits }) };
}

/** k steps, a stop, and k more, in a copy of the run's folder. */
async function resume(whole: string, recipe: Recipe, set: string[]): Promise<string> {
  const resumed = `${whole}-resumed`;
  cpSync(whole, resumed, { recursive: true });
  rmSync(checkpointOf(resumed, 4), { recursive: true });
  rmSync(join(resumed, "model"), { recursive: true });
  rmSync(join(resumed, "scratch"), { recursive: true, force: true });
  await train({ recipe, directory: resumed, set });
  return resumed;
}

function stateOf(checkpoint: string): unknown {
  return JSON.parse(readFileSync(join(checkpoint, "training", "state.json"), "utf8"));
}

async function teacher(): Promise<string> {
  const directory = join(folder, "teacher");
  const recipe = plainRecipe(data);
  await train({ recipe: { ...recipe, train: { ...recipe.train, steps: 1 } }, directory });
  return join(directory, "model");
}

const name = ({ objective }: Case): string =>
  JSON.stringify(objective).replaceAll(/[{}"]/g, "").replaceAll(/[:,]/g, "-");

describe("2k steps are k steps, a stop, and k more, bit for bit", () => {
  for (const [i, one] of cases.entries()) {
    // Stateful in memory, in tensors and by sample: also in micro-batches.
    const set = i % 3 === 0 ? ["train.microBatchSize=3"] : [];
    test(`${name(one)} ${set.join()}`, async () => {
      const { objective } = one;
      const given = objective.kind === "distillation" ? { teacher: await teacher() } : {};
      const recipe = recipeOf({ ...one, objective: { ...objective, ...given } });
      const whole = join(folder, `case-${i}`);
      await train({ recipe, directory: whole, set });
      const resumed = await resume(whole, recipe, set);
      assertSameCheckpoint(checkpointOf(resumed, 4), checkpointOf(whole, 4));
      assert.deepEqual(stateOf(checkpointOf(resumed, 4)), stateOf(checkpointOf(whole, 4)));
      assert.deepEqual(lossesOf(resumed), lossesOf(whole));
      assert.ok(lossesOf(whole).every(Number.isFinite));
    });
  }
  test("every objective is among them", () => {
    const kinds = objectiveSchema.options.map(({ shape }) => shape.kind.value);
    assert.deepEqual([...new Set(cases.map(({ objective }) => objective.kind))], kinds);
  });
});

test("a checkpoint of another objective is refused with one clear error", async () => {
  const refused: [from: Objective["kind"], to: Case][] = [
    ["softmax", { objective: { kind: "amorlip" } }],
    ["softmax", { objective: { kind: "sogclr" }, ...constant }],
    ["softmax", { objective: { kind: "lixp", base: "softmax" } }],
    ["amorlip", { objective: { kind: "softmax" } }],
    ["sogclr", { objective: { kind: "isogclr" }, ...constant }],
    ["neuclip", { objective: { kind: "cyclip" } }],
    ["lixp", { objective: { kind: "softmax" } }],
    ["cyclip", { objective: { kind: "softmax" } }],
  ];
  for (const [from, to] of refused) {
    const directory = join(folder, `case-${cases.findIndex((one) => one.objective.kind === from)}`);
    const options = { recipe: recipeOf(to), directory, allowRecipeChange: true };
    await assert.rejects(train({ ...options, set: ["train.steps=6"] }), {
      name: "CheckpointError",
      message: new RegExp(
        `^Expected a checkpoint of objective ${to.objective.kind} in \\S+ but received one of ` +
          `objective ${from}; go on with ${from}, or start another run whose pretrained is `,
      ),
    });
  }
});
