import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { unitRows } from "../../../test/support/objective-check.ts";
import { grad, memory, scope, tensor, type Tensor } from "../../torch/index.ts";
import { neuclipObjective } from "./training.ts";
import type { ObjectiveContext, ObjectiveInput, TrainingObjective } from "../objective.ts";

const [count, dim] = [4, 3];

function create(recipe: object = {}, changes: Partial<ObjectiveContext> = {}): TrainingObjective {
  return neuclipObjective.create(neuclipObjective.schema.parse({ kind: "neuclip", ...recipe }), {
    device: "cpu",
    embedDim: dim,
    batchSize: count,
    steps: 8,
    hasLogitBias: false,
    logitScaleInit: 10,
    logitScaleLearned: false,
    scratchFolder: "none",
    ...changes,
  });
}

const rowsOf = (seed: number): Tensor =>
  tensor(unitRows(count, dim, seed).flat()).reshape(count, dim);

function inputOf(step: number, scale = 10): ObjectiveInput {
  const [image, text] = [rowsOf(7 + step), rowsOf(70 + step)];
  return {
    image: image.setRequiresGrad(true),
    text: text.setRequiresGrad(true),
    rawImage: image,
    rawText: text,
    logitScale: tensor(scale).setRequiresGrad(true),
    logitBias: null,
    ids: ["a", "b", "c", "d"],
    step,
    position: step,
    epoch: 0,
  };
}

const stateOf = (objective: TrainingObjective): Map<string, Tensor> =>
  new Map(objective.kept?.state().tensors);

test("refuses a batch of one pair, no prototypes and a checkpoint with others", () => {
  assert.throws(() => create({}, { batchSize: 1 }), { path: "train.batchSize" });
  assert.throws(() => create({ prototypes: 0 }), /prototypes/);
  scope(() => {
    const [six, five] = [create({ prototypes: 6 }), create({ prototypes: 5 })];
    const { json } = six.kept?.state() ?? {};
    assert.throws(() => five.kept?.restore(stateOf(six), json, "a file"), {
      name: "CheckpointError",
      message: /with 5 prototypes in a file/,
    });
    six.dispose();
    five.dispose();
  });
});

test("prototypes start as the other side's embeddings, again once there are enough, then as often as told", () => {
  scope(() => {
    // Steps too small to move a prototype: what is seen is what they were restarted from.
    const options = { prototypes: 6, innerSteps: 1, restartSteps: 3, prototypeLearningRate: 1e-12 };
    const objective = create(options);
    const texts = (step: number): number[][] => unitRows(count, dim, 70 + step);
    const held = (): number[] => [
      ...(stateOf(objective).get("image.prototypes") as Tensor).toFloat64Array(),
    ];
    const tolerance = { atol: 1e-6 };
    objective.compute(inputOf(0));
    assertClose(held(), [...texts(0), ...texts(0).slice(0, 2)].flat(), tolerance);
    objective.compute(inputOf(1));
    // 8 embeddings seen: the ring of 6 holds the last two of the second batch in front.
    const second = [...texts(1).slice(2), ...texts(0).slice(2), ...texts(1).slice(0, 2)].flat();
    assertClose(held(), second, tolerance);
    for (const step of [2, 3]) objective.compute(inputOf(step));
    assertClose(held(), second, tolerance);
    objective.compute(inputOf(4));
    const ring = [...texts(4).slice(-2), ...texts(3).slice(-2), ...texts(4).slice(0, 2)].flat();
    assertClose(held(), ring, tolerance);
    objective.dispose();
  });
});

test("inner steps bring the networks nearer to the batch's normalisers", () => {
  const errorAfter = (innerSteps: number): number => {
    const objective = create({ prototypes: 8, innerSteps, prototypeLearningRate: 0.05 });
    const error = scope(() => {
      for (let k = 0; k < 3; k++) objective.compute(inputOf(0));
      return objective.compute(inputOf(0)).metrics?.["normalizerError"] ?? NaN;
    });
    objective.dispose();
    return error;
  };
  const [few, many] = [errorAfter(1), errorAfter(60)];
  assert.ok(many < 0.5 * few, `${many} after 60 steps, ${few} after one`);
});

test("the temperature is learned as in FastCLIP v3, by a in place of log u", () => {
  scope(() => {
    const options = { prototypes: 4, innerSteps: 2, rho: 2 };
    const [constant, learned] = [create(options), create(options, { logitScaleLearned: true })];
    const [one, two] = [inputOf(0), inputOf(0)];
    const a = constant.compute(one);
    const b = learned.compute(two);
    const mean = a.metrics?.["meanLogNormalizer"] ?? NaN;
    assertClose([b.loss.item()], [0.1 * a.loss.item() + 0.1 * (2 + mean)], { rtol: 1e-5 });
    const [slopeOfSurrogate] = grad(a.loss, [one.logitScale]);
    const [slope] = grad(b.loss, [two.logitScale]);
    const expected = 0.1 * (slopeOfSurrogate?.item() ?? NaN) - (2 + mean) / 100;
    assertClose([slope?.item() ?? NaN], [expected], { rtol: 1e-4, atol: 1e-6 });
    constant.dispose();
    learned.dispose();
  });
});

test("a logit scale of 100 stays finite, and a step leaves nothing behind", () => {
  const objective = create({ prototypes: 5 });
  const step = (k: number): void =>
    scope(() => {
      const input = inputOf(k, 100);
      const { loss } = objective.compute(input);
      const [slope] = grad(loss, [input.image]);
      assert.ok(Number.isFinite(loss.item()) && slope?.isFinite().all().item());
    });
  for (let k = 0; k < 4; k++) step(k);
  const before = memory();
  step(4);
  assert.deepEqual(memory(), before);
  objective.dispose();
});
