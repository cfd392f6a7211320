import assert from "node:assert/strict";
import { test } from "node:test";

import { Clip } from "../models/clip.ts";
import { assertClose } from "../testing/close.ts";
import { fromData, manualSeed, memory, noGrad, randn, type Tensor } from "../torch/index.ts";
import { accumulateGradient, type StepInput, type StepOptions } from "./step.ts";
import { modelConfig } from "./build-model.ts";

const vocabulary = { vocabSize: 50, contextLength: 12, padId: 0, endId: 49 };

interface Randomness {
  patchDropout?: number;
  stochasticDepth?: number;
}

function tinyModel(randomness: Randomness = {}): Clip {
  manualSeed(5);
  const config = modelConfig(
    {
      embedDim: 8,
      image: { imageSize: 16, patchSize: 4, width: 16, depth: 3, heads: 2, ...randomness },
      text: { width: 16, depth: 3, heads: 2 },
      activation: "quickGelu",
      normEpsilon: 1e-5,
    },
    vocabulary,
  );
  return new Clip(config);
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
  return { pixels, tokens: fromData(tokens, [count, length]).to("int64") };
}

const options: StepOptions = { objective: { kind: "softmax" }, precision: "float32" };

function gradients(model: Clip): Map<string, Float64Array> {
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
    const whole = accumulateGradient(model, batch, options);
    const expected = gradients(model);
    const parts = accumulateGradient(model, batch, { ...options, microBatchSize });
    assertClose([parts.loss], [whole.loss], { rtol: 1e-6 });
    assert.equal(parts.contrastiveAccuracy, whole.contrastiveAccuracy);
    assertSameGradients(gradients(model), expected);
  });
}

test("random layers draw the same numbers in both passes over a micro-batch", () => {
  const model = tinyModel({ patchDropout: 0.5, stochasticDepth: 0.5 });
  const batch = input(6);
  // The second pass draws nothing of its own if the loss seen by the first pass falls along the
  // gradient that the second one gave: a step down it, with the same draws, must lower the loss.
  const loss = (): number => {
    manualSeed(77);
    const { loss: value } = accumulateGradient(model, batch, { ...options, microBatchSize: 4 });
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
  const plain = accumulateGradient(model, batch, options);
  const expected = gradients(model);
  model.imageTower.run.checkpointing = true;
  model.textTower.run.checkpointing = true;
  manualSeed(3);
  assert.deepEqual(accumulateGradient(model, batch, options), plain);
  assertSameGradients(gradients(model), expected, { rtol: 0, atol: 0 });
});

test("captions cut to the longest give the same loss and gradient", () => {
  const model = tinyModel();
  const batch = input(6);
  const whole = accumulateGradient(model, batch, options);
  const expected = gradients(model);
  const cut = { pixels: batch.pixels, tokens: batch.tokens.narrow(1, 0, 8) };
  const trimmed = accumulateGradient(model, cut, options);
  assertClose([trimmed.loss], [whole.loss], { rtol: 1e-6 });
  assertSameGradients(gradients(model), expected);
});

test("the chunked objective trains as the whole one", () => {
  const model = tinyModel();
  const batch = input(7);
  accumulateGradient(model, batch, options);
  const expected = gradients(model);
  accumulateGradient(model, batch, { ...options, objective: { kind: "softmax", chunkSize: 3 } });
  assertSameGradients(gradients(model), expected);
});

test("bfloat16 stays near float32 and leaves the weights float32", () => {
  const model = tinyModel();
  const batch = input(6);
  const exact = accumulateGradient(model, batch, options);
  gradients(model);
  const rounded = accumulateGradient(model, batch, { ...options, precision: "bfloat16" });
  assertClose([rounded.loss], [exact.loss], { rtol: 0.05 });
  for (const [name, { tensor }] of model.namedParameters()) {
    assert.equal(tensor.dtype, "float32", name);
    assert.equal(tensor.grad?.dtype, "float32", name);
  }
});

test("a step leaves no tensor behind", () => {
  const model = tinyModel();
  const batch = input(6);
  const objective = { kind: "softmax", chunkSize: 2 } as const;
  for (const checkpointing of [false, true]) {
    model.imageTower.run.checkpointing = checkpointing;
    model.textTower.run.checkpointing = checkpointing;
    for (const microBatchSize of [6, 4]) {
      for (const given of [options, { ...options, objective }]) {
        accumulateGradient(model, batch, { ...given, microBatchSize });
        model.zeroGrad();
        const before = memory();
        accumulateGradient(model, batch, { ...given, microBatchSize });
        model.zeroGrad();
        assert.deepEqual(memory(), before);
      }
    }
  }
});
