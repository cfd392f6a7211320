import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { alignContrastive } from "./align.ts";
import { cyclip } from "./cyclip.ts";
import { distillation } from "./distillation.ts";
import { sigmoidContrastive } from "./siglip.ts";
import { assertClose } from "../../test/support/close.ts";
import { unitRows } from "../../test/support/objective-check.ts";
import { grad, scope, tensor, type Tensor } from "../torch/index.ts";
import { createObjective, logitDefaults, objectives, objectiveSchema } from "./index.ts";
import type { ObjectiveRecipe } from "./index.ts";
import type { ObjectiveContext, ObjectiveInput } from "./objective.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-objectives-"));
after(() => rmSync(folder, { recursive: true }));

const context: ObjectiveContext = {
  device: "cpu",
  embedDim: 4,
  batchSize: 6,
  steps: 10,
  hasLogitBias: false,
  logitScaleInit: 10,
  logitScaleLearned: true,
  scratchFolder: folder,
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
    position: 0,
    epoch: 0,
    teacher: { image: matrix(7, 5), text: matrix(7, 6), logitScale: tensor(20) },
  };
}

/** What recipes must say of an objective that cannot be made of its defaults alone. */
const required: Record<string, object[]> = {
  distillation: [{ teacher: "folder" }],
  lixp: [{ base: "softmax" }, { base: "sigmoid" }],
};
/** Of all objectives, these want the model's scale constant by their defaults. */
const constantScale = new Set(["sogclr", "isogclr"]);
const optionalInputs = ["ids", "rawImage", "rawText", "logitBias", "teacher"];

test("every objective has a kind of its own, and describes itself and each of its keys", () => {
  const kinds = objectives.map(({ schema }) => schema.shape.kind.value);
  assert.equal(new Set(kinds).size, kinds.length);
  for (const { schema } of objectives) {
    const kind = schema.shape.kind.value;
    assert.ok(schema.description, kind);
    for (const [key, child] of Object.entries(schema.shape)) {
      assert.ok(key === "kind" || child.description, `${kind}.${key}`);
    }
  }
});

test("every objective works with its defaults, and reads what it declares and nothing else", () => {
  for (const { schema, reads } of objectives) {
    const kind = schema.shape.kind.value;
    const seen = new Set<string>();
    for (const options of required[kind] ?? [{}]) {
      const recipe = parse({ kind, ...options });
      const { bias, scaleInit, scaleMax } = logitDefaults(recipe);
      assert.ok(scaleInit > 0 && scaleInit <= (scaleMax ?? Infinity), kind);
      const objective = createObjective(recipe, {
        ...context,
        hasLogitBias: bias !== null,
        logitScaleInit: scaleInit,
        logitScaleLearned: !constantScale.has(kind),
      });
      scope(() => {
        const input = inputOf(bias === null ? null : tensor(bias).setRequiresGrad(true));
        const { loss } = objective.compute(recordingReads(input, seen));
        assert.ok(Number.isFinite(loss.item()), kind);
        for (const side of grad(loss, [input.image, input.text])) {
          const slopes = side?.toFloat64Array() ?? [];
          assert.ok(slopes.length === 24 && slopes.every(Number.isFinite), kind);
          assert.ok(
            slopes.some((slope) => slope !== 0),
            kind,
          );
        }
      });
      objective.dispose();
    }
    assert.deepEqual([...seen].sort(), [...reads].sort(), kind);
  }
});

function recordingReads(input: ObjectiveInput, seen: Set<string>): ObjectiveInput {
  return new Proxy(input, {
    get: (target, key) => {
      if (optionalInputs.includes(String(key))) seen.add(String(key));
      return target[key as keyof ObjectiveInput];
    },
  });
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
