import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { DualEncoder } from "../../pair/dual-encoder.ts";
import { assertClose } from "../../../test/support/close.ts";
import { logitScaleOf, resolveLogits, ScaleRate, type Logits } from "./logits.ts";
import { objectiveSchema } from "../../objectives/index.ts";
import { logitsSchema } from "./recipe-model.ts";

const resolve = (logits: unknown, objective: unknown = { kind: "softmax" }): Logits =>
  resolveLogits(logitsSchema.parse(logits), objectiveSchema.parse(objective));

const refused: [
  name: string,
  logits: unknown,
  path: string,
  message: RegExp,
  objective?: unknown,
][] = [
  [
    "a scale above its limit",
    { scale: { init: 101 } },
    "logits.scale.init",
    /a scale from 1 to logits\.scale\.max 100 for logits\.scale\.init but received 101;/,
  ],
  ["a scale below 1", { scale: { init: 0.5 } }, "logits.scale.init", /from 1 to .* received 0\.5/],
  [
    "a scale above a limit of its own",
    { scale: { max: 10 } },
    "logits.scale.init",
    /logits\.scale\.max 10 .* received 14\.28/,
  ],
  [
    "a rate for a scale that is not learned",
    { scale: { learned: false, learningRate: 1e-4 } },
    "logits.scale.learningRate",
    /not learned but received 0\.0001; remove one of the two/,
  ],
  [
    "slowing a rate that is not there",
    { scale: { slowBelowTemperature: 0.03 } },
    "logits.scale.slowBelowTemperature",
    /a logits\.scale\.learningRate for .* but received none/,
  ],
  ...[
    { kind: "softmax" },
    { kind: "align" },
    { kind: "cyclip" },
    { kind: "distillation", teacher: "folder" },
    { kind: "lixp", base: "softmax" },
    { kind: "sogclr" },
    { kind: "neuclip" },
  ].map((objective): [string, unknown, string, RegExp, unknown] => [
    `a bias for ${objective.kind}`,
    { bias: -10 },
    "logits.bias",
    /a model without a learned bias for objective .*, which would not train it/,
    objective,
  ]),
];

describe("logits that cannot be", () => {
  for (const [name, logits, path, message, objective] of refused) {
    test(name, () => {
      assert.throws(() => resolve(logits, objective), { name: "RecipeError", path, message });
    });
  }
  test("values out of range and unknown keys", () => {
    for (const logits of [
      { scale: { init: 0 } },
      { scale: { init: -1 } },
      { scale: { max: 0.5 } },
      { scale: { as: "exp" } },
      { scale: { learningRate: 0 } },
      { temperature: 0.07 },
      { scale: { initial: 10 } },
      { bias: "none" },
    ]) {
      assert.throws(() => logitsSchema.parse(logits), JSON.stringify(logits));
    }
  });
});

describe("logits", () => {
  const own: [objective: unknown, expected: Partial<Logits>][] = [
    [{ kind: "softmax" }, { scaleInit: 1 / 0.07, scaleMax: 100, scaleAs: "log", bias: null }],
    [{ kind: "sigmoid" }, { scaleInit: 10, scaleMax: null, scaleAs: "log", bias: -10 }],
    [
      { kind: "lixp", base: "sigmoid" },
      { scaleInit: 10, bias: -10 },
    ],
    [
      { kind: "lixp", base: "softmax" },
      { scaleInit: 1 / 0.07, bias: null },
    ],
    [{ kind: "align" }, { scaleInit: 1, scaleMax: null, scaleAs: "temperature", bias: null }],
  ];
  for (const [objective, expected] of own) {
    test(`of ${JSON.stringify(objective)} are its own`, () => {
      assert.deepEqual({ ...resolve({}, objective), ...expected }, resolve({}, objective));
    });
  }
  test("are what the recipe says, where it does", () => {
    const scale = { init: 200, max: null, learned: false, as: "temperature" };
    assert.deepEqual(resolve({ scale, bias: null }, { kind: "sigmoid", bias: false }), {
      scaleInit: 200,
      scaleMax: null,
      scaleLearned: false,
      scaleAs: "temperature",
      bias: null,
    });
    assert.equal(resolve({ scale: { init: 200, learned: false } }).scaleInit, 200);
    assert.equal(resolve({ bias: -2.71 }, { kind: "sigmoid" }).bias, -2.71);
  });
});

function pair(logitScale: number, logitScaleAs: "log" | "temperature"): DualEncoder {
  const layers = { width: 8, depth: 1, heads: 1, mlpWidth: 8, activation: "gelu" as const };
  const shared = { ...layers, normEpsilon: 1e-5 };
  return new DualEncoder({
    embedDim: 4,
    image: { kind: "vit", imageSize: 8, patchSize: 8, ...shared },
    text: {
      kind: "transformer",
      contextLength: 4,
      vocabSize: 8,
      eotTokenId: 7,
      padTokenId: 0,
      ...shared,
    },
    logitScaleLogInit: Math.log(logitScale),
    logitScaleAs,
  });
}

describe("a scale with a rate of its own", () => {
  for (const as of ["log", "temperature"] as const) {
    test(`learns at it whatever the run's is, and slower once cold (${as})`, () => {
      for (const [scale, rate] of [
        [20, 1e-3],
        [40, 1e-3 / 3],
      ] as const) {
        const model = pair(scale, as);
        assertClose([logitScaleOf(model), model.logitScale().item()], [scale, scale]);
        const own = new ScaleRate(model, 1e-3, 0.03);
        assert.deepEqual([...own.group.parameters.values()], [model.scaleParameter]);
        assert.equal(own.group.weightDecay, 0);
        for (const learningRate of [1, 3e-4]) {
          own.prepare(learningRate);
          assertClose([(own.group.learningRateFactor ?? 1) * learningRate], [rate]);
        }
        own.prepare(0);
        assert.equal(own.group.learningRateFactor, 0);
        model.dispose();
      }
    });
    test(`stays from 1 to its limit (${as})`, () => {
      for (const [scale, expected] of [
        [0.5, 1],
        [30, 30],
        [300, 100],
      ] as const) {
        const model = pair(scale, as);
        model.clampLogitScale(100);
        assertClose([logitScaleOf(model)], [expected]);
        model.dispose();
      }
    });
  }
});
