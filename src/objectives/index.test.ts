import assert from "node:assert/strict";
import { test } from "node:test";

import { alignContrastive } from "./align.ts";
import { cyclip } from "./cyclip.ts";
import { distillation } from "./distillation.ts";
import { sigmoidContrastive } from "./siglip.ts";
import { assertClose } from "../../test/support/close.ts";
import { unitRows } from "../../test/support/objective-check.ts";
import { grad, scope, tensor, type Tensor } from "../torch/index.ts";
import { createObjective, objectiveSchema, type ObjectiveRecipe } from "./index.ts";
import type { ObjectiveContext, ObjectiveInput } from "./objective.ts";

const context: ObjectiveContext = {
  device: "cpu",
  embedDim: 4,
  batchSize: 6,
  steps: 10,
  hasLogitBias: false,
  logitScaleInit: 10,
  logitScaleLearned: true,
  scratchFolder: "none",
};

const parse = (recipe: unknown): ObjectiveRecipe => objectiveSchema.parse(recipe);
const create = (recipe: unknown, changes: Partial<ObjectiveContext> = {}): void =>
  void createObjective(parse(recipe), { ...context, ...changes });

const matrix = (dim: number, seed: number): Tensor =>
  tensor(unitRows(6, dim, seed).flat()).reshape(6, dim);

function inputOf(logitBias: Tensor | null): ObjectiveInput {
  const [image, text] = [matrix(4, 3).setRequiresGrad(true), matrix(4, 8).setRequiresGrad(true)];
  return {
    image,
    text,
    rawImage: image,
    rawText: text,
    logitScale: tensor(10).setRequiresGrad(true),
    logitBias,
    ids: ["a", "b", "c", "d", "e", "f"],
    step: 0,
    epoch: 0,
    teacher: { image: matrix(7, 5), text: matrix(7, 6), logitScale: tensor(20) },
  };
}

test("a bias must be where the objective wants one, and nowhere else", () => {
  const path = "objective.bias";
  assert.throws(() => create({ kind: "sigmoid" }), {
    name: "RecipeError",
    path,
    message: /Expected a model with a learned bias.*give logits.bias a number/,
  });
  assert.throws(() => create({ kind: "sigmoid", bias: false }, { hasLogitBias: true }), {
    name: "RecipeError",
    path,
    message: /Expected a model without a learned bias.*set logits.bias to null/,
  });
  create({ kind: "sigmoid", bias: false });
  create({ kind: "sigmoid" }, { hasLogitBias: true });
});

test("a batch of one pair and a teacher that teaches nothing are refused", () => {
  for (const kind of ["sigmoid", "align", "cyclip", "distillation"]) {
    const recipe = kind === "distillation" ? { kind, teacher: "folder" } : { kind };
    assert.throws(() => create(recipe, { batchSize: 1, hasLogitBias: kind === "sigmoid" }), {
      name: "RecipeError",
      path: "train.batchSize",
      message: new RegExp(`with objective ${kind} but received 1`),
    });
  }
  const recipe = { kind: "distillation", teacher: "folder", distillationWeight: 0 };
  assert.throws(() => create(recipe), {
    name: "RecipeError",
    path: "objective.distillationWeight",
    message: /"softmax" to train without a teacher/,
  });
});

test("the schemas refuse unknown keys and values out of range", () => {
  for (const recipe of [
    { kind: "sigmoid", chunksize: 4 },
    { kind: "sigmoid", chunkSize: 0 },
    { kind: "align", labelSmoothing: 1 },
    { kind: "align", reduction: "none" },
    { kind: "cyclip", inModalWeight: -1 },
    { kind: "distillation" },
    { kind: "distillation", teacher: "" },
  ]) {
    assert.throws(() => parse(recipe), JSON.stringify(recipe));
  }
});

test("each face gives the value of its pure function, whole and in chunks", () => {
  const bias = tensor(-10).setRequiresGrad(true);
  const input = inputOf(bias);
  const { image, text, logitScale, teacher } = input;
  assert.ok(teacher);
  const cases: [unknown, Tensor][] = [
    [{ kind: "sigmoid" }, sigmoidContrastive(image, text, { logitScale, logitBias: bias })],
    [
      { kind: "align", reduction: "sum", labelSmoothing: 0.2 },
      alignContrastive(image, text, {
        temperature: tensor(0.1),
        reduction: "sum",
        labelSmoothing: 0.2,
      }),
    ],
    [
      { kind: "cyclip", inModalWeight: 1, crossModalWeight: 2 },
      cyclip(image, text, { logitScale, inModalWeight: 1, crossModalWeight: 2 }),
    ],
    [
      { kind: "distillation", teacher: "folder", contrastiveWeight: 0.5 },
      distillation(image, text, { logitScale, teacher, contrastiveWeight: 0.5 }),
    ],
  ];
  for (const [recipe, expected] of cases) {
    for (const chunks of [{}, { chunkSize: 4 }]) {
      const parsed = parse({ ...(recipe as object), ...chunks });
      const objective = createObjective(parsed, { ...context, hasLogitBias: true });
      scope(() => {
        const { loss } = objective.compute(input);
        assertClose([loss.item()], [expected.item()], { rtol: 1e-5 }, parsed.kind);
        const [slope] = grad(loss, [logitScale]);
        assert.ok(Math.abs(slope?.item() ?? 0) > 0, `${parsed.kind}: no gradient`);
      });
      objective.dispose();
    }
  }
});
