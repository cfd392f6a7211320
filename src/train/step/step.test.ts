import assert from "node:assert/strict";
import { test } from "node:test";

import { DualEncoder } from "../../pair/dual-encoder.ts";
import { assertClose } from "../../../test/support/close.ts";
import { fromData, manualSeed, memory, noGrad, randn, type Tensor } from "../../torch/index.ts";
import { modelConfig } from "../recipe/build-model.ts";
import { solo } from "../process-group.ts";
import { clipObjective } from "../../objectives/clip.ts";
import type { TrainingObjective } from "../../objectives/objective.ts";
import { accumulateGradient, type StepInput, type StepOptions } from "./step.ts";
import { LockableTower } from "./lockable-tower.ts";
import type { TowerState } from "./tower-states.ts";

const vocabulary = { vocabSize: 50, contextLength: 12, padId: 0, endId: 49 };

interface Randomness {
  patchDropout?: number;
  stochasticDepth?: number;
}

function tinyModel(randomness: Randomness = {}): DualEncoder {
  manualSeed(5);
  const config = modelConfig(
    {
      embedDim: 8,
      image: {
        kind: "vit",
        imageSize: 16,
        patchSize: 4,
        width: 16,
        depth: 3,
        heads: 2,
        ...randomness,
      },
      text: { kind: "transformer", width: 16, depth: 3, heads: 2 },
      imageProjection: true,
      textProjection: true,
      activation: "quickGelu",
      normEpsilon: 1e-5,
    },
    vocabulary,
    { scaleInit: 1 / 0.07, scaleMax: 100, scaleAs: "log", scaleLearned: true, bias: null },
  );
  return new DualEncoder(config);
}

/** Rows of random tokens with an end token, padded behind it. */
function input(count: number, length = 12): StepInput {
  const tokens = new Int32Array(count * length);
  for (let row = 0; row < count; row++) {
    const end = 3 + (row % 5);
    for (let t = 0; t < end; t++) tokens[row * length + t] = 1 + ((row * 7 + t * 3) % 40);
    tokens[row * length + end] = vocabulary.endId;
  }
  manualSeed(9);
  const pixels = noGrad(() => randn([count, 3, 16, 16]));
  return {
    image: { tensor: pixels, cached: false },
    text: { tensor: fromData(tokens, [count, length]).to("int64"), cached: false },
    about: {
      ids: Array.from({ length: count }, (_, i) => `pair-${i}`),
      step: 0,
      position: 0,
      epoch: 0,
    },
  };
}

const trained: TowerState = { locked: false, head: "random", learningRateFactor: 1 };

const softmax = (chunkSize?: number): TrainingObjective =>
  clipObjective.create(
    { kind: "softmax", chunkSize },
    {
      device: "cpu",
      embedDim: 8,
      batchSize: 8,
      steps: 1,
      hasLogitBias: false,
      logitScaleInit: 1 / 0.07,
      logitScaleLearned: true,
      scratchFolder: "none",
    },
  );
const objective = softmax();
const plain = { objective, precision: "float32", group: solo, seed: 0 } as const;

type Options = Omit<StepOptions, "towers">;

/** One step of a model whose towers are both trained. */
function accumulate(
  model: DualEncoder,
  batch: StepInput,
  options: Options,
): ReturnType<typeof accumulateGradient> {
  const towers = {
    image: new LockableTower(model.imageTower, trained),
    text: new LockableTower(model.textTower, trained),
  };
  return accumulateGradient(model, batch, { ...options, towers });
}

function gradients(model: DualEncoder): Map<string, Float64Array> {
  const found = new Map<string, Float64Array>();
  for (const [name, { tensor }] of model.namedParameters()) {
    found.set(name, (tensor.grad as Tensor).toFloat64Array());
    tensor.grad = null;
  }
  return found;
}

function assertSameGradients(
  actual: Map<string, Float64Array>,
  expected: Map<string, Float64Array>,
  tolerance = { rtol: 2e-4, atol: 2e-6 },
): void {
  for (const [name, values] of expected) {
    assertClose(actual.get(name) ?? [], values, tolerance, name);
  }
}

for (const microBatchSize of [1, 3, 4, 8]) {
  test(`the gradient of micro-batches of ${microBatchSize} is the whole batch's`, () => {
    const model = tinyModel();
    const batch = input(8);
    const whole = accumulate(model, batch, plain);
    const expected = gradients(model);
    const parts = accumulate(model, batch, { ...plain, microBatchSize });
    assertClose([parts.loss], [whole.loss], { rtol: 1e-6 });
    assert.equal(parts.contrastiveAccuracy, whole.contrastiveAccuracy);
    assertSameGradients(gradients(model), expected);
  });
}

test("the accuracy is left out where nobody asks for it, and nothing else changes", () => {
  const model = tinyModel();
  const batch = input(6);
  const { contrastiveAccuracy, ...measured } = accumulate(model, batch, plain);
  assert.ok(contrastiveAccuracy !== undefined);
  const expected = gradients(model);
  assert.deepEqual(accumulate(model, batch, { ...plain, measure: false }), measured);
  assertSameGradients(gradients(model), expected, { rtol: 0, atol: 0 });
});

test("random layers draw the same numbers in both passes over a micro-batch", () => {
  const model = tinyModel({ patchDropout: 0.5, stochasticDepth: 0.5 });
  const batch = input(6);
  // The second pass draws nothing of its own if the loss seen by the first pass falls along the
  // gradient that the second one gave: a step down it, with the same draws, must lower the loss.
  const loss = (): number => {
    manualSeed(77);
    const { loss: value } = accumulate(model, batch, { ...plain, microBatchSize: 4 });
    return value;
  };
  const before = loss();
  const gradient = model.parameters().map(({ tensor }) => [tensor, tensor.grad as Tensor] as const);
  const slope = gradient.reduce((sum, [, g]) => sum + g.mul(g).sum().item(), 0);
  const fall = 0.005;
  noGrad(() => gradient.forEach(([tensor, g]) => tensor.add_(g, -fall / slope)));
  model.zeroGrad();
  const after = loss();
  model.zeroGrad();
  assertClose([before - after], [fall], { rtol: 0.05 }, "fall of the loss");
});

test("activation checkpointing gives the same bits", () => {
  const batch = input(5);
  const model = tinyModel({ stochasticDepth: 0.3 });
  manualSeed(3);
  const direct = accumulate(model, batch, plain);
  const expected = gradients(model);
  model.imageTower.run.checkpointing = true;
  model.textTower.run.checkpointing = true;
  manualSeed(3);
  assert.deepEqual(accumulate(model, batch, plain), direct);
  assertSameGradients(gradients(model), expected, { rtol: 0, atol: 0 });
});

test("captions cut to the longest give the same loss and gradient", () => {
  const model = tinyModel();
  const batch = input(6);
  const whole = accumulate(model, batch, plain);
  const expected = gradients(model);
  const cut = { ...batch, text: { ...batch.text, tensor: batch.text.tensor.narrow(1, 0, 8) } };
  const trimmed = accumulate(model, cut, plain);
  assertClose([trimmed.loss], [whole.loss], { rtol: 1e-6 });
  assertSameGradients(gradients(model), expected);
});

test("the chunked objective trains as the whole one", () => {
  const model = tinyModel();
  const batch = input(7);
  accumulate(model, batch, plain);
  const expected = gradients(model);
  accumulate(model, batch, {
    ...plain,
    objective: softmax(3),
  });
  // Another order of sums in float32; the objective's own test compares the two in float64.
  assertSameGradients(gradients(model), expected, { rtol: 2e-4, atol: 1e-5 });
});

test("bfloat16 stays near float32 and leaves the weights float32", () => {
  const model = tinyModel();
  const batch = input(6);
  const exact = accumulate(model, batch, plain);
  gradients(model);
  const rounded = accumulate(model, batch, { ...plain, precision: "bfloat16" });
  assertClose([rounded.loss], [exact.loss], { rtol: 0.05 });
  for (const [name, { tensor }] of model.namedParameters()) {
    assert.equal(tensor.dtype, "float32", name);
    assert.equal(tensor.grad?.dtype, "float32", name);
  }
});

test("a step leaves no tensor behind", () => {
  const model = tinyModel();
  const batch = input(6);
  const chunked = softmax(2);
  for (const checkpointing of [false, true]) {
    model.imageTower.run.checkpointing = checkpointing;
    model.textTower.run.checkpointing = checkpointing;
    for (const microBatchSize of [6, 4]) {
      for (const given of [plain, { ...plain, objective: chunked }]) {
        accumulate(model, batch, { ...given, microBatchSize });
        model.zeroGrad();
        const before = memory();
        accumulate(model, batch, { ...given, microBatchSize });
        model.zeroGrad();
        assert.deepEqual(memory(), before);
      }
    }
  }
});
