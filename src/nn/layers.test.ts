/** Layers against torch.nn, forward and backward; test/goldens/generate/layers.py makes the file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { NativeError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { backward, fromData, manualSeed, ones, type Tensor } from "../torch/index.ts";
import { Conv2d, type Conv2dOptions, Embedding, LayerNorm, Linear } from "./layers.ts";
import type { Module } from "./module.ts";

interface Entry {
  shape: number[];
  values: number[];
}

interface Case {
  layer: "Linear" | "LayerNorm" | "Embedding" | "Conv2d";
  options: Partial<Options>;
  input: Entry;
  parameters: Record<string, Entry>;
  output: Entry;
  outputGradient: Entry;
  inputGradient: Entry | null;
  gradients: Record<string, Entry>;
}

const file = new URL("../../../test/goldens/layers.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as {
  rtol: number;
  atol: number;
  cases: Case[];
};

type Layer = Module & { forward(x: Tensor): Tensor };
interface Options extends Conv2dOptions {
  inputs?: number;
  outputs?: number;
  width?: number;
  count?: number;
  epsilon?: number;
}

const layers: Record<Case["layer"], (options: Options) => Layer> = {
  Linear: ({ inputs = 0, outputs = 0, ...rest }) => new Linear(inputs, outputs, rest),
  LayerNorm: ({ width = 0, epsilon }) => new LayerNorm(width, epsilon),
  Embedding: ({ count = 0, width = 0 }) => new Embedding(count, width),
  Conv2d: ({ inputs = 0, outputs = 0, ...rest }) => new Conv2d(inputs, outputs, rest),
};

const float = ({ shape, values }: Entry): Tensor => fromData(Float32Array.from(values), shape);

describe("layers equal torch.nn", () => {
  for (const [i, expected] of golden.cases.entries()) {
    it(`${expected.layer} ${JSON.stringify(expected.options)} (${i})`, () => {
      const layer = layers[expected.layer](expected.options as Options);
      const named = new Map(layer.namedParameters());
      assert.deepEqual([...named.keys()].sort(), Object.keys(expected.parameters).sort());
      for (const [name, parameter] of named) {
        parameter.assign(float(expected.parameters[name] as Entry));
      }
      const ids = expected.inputGradient === null;
      const input = ids
        ? fromData(BigInt64Array.from(expected.input.values, BigInt), expected.input.shape)
        : float(expected.input).setRequiresGrad(true);
      const output = layer.forward(input);
      assert.deepEqual(output.shape, expected.output.shape);
      assertClose(output.data() as Float32Array, expected.output.values, golden, "output");
      backward(output, float(expected.outputGradient));
      if (expected.inputGradient) {
        const { values } = expected.inputGradient;
        assertClose(input.grad?.toFloat32Array() ?? [], values, golden, "input gradient");
      }
      for (const [name, { tensor }] of named) {
        const { values } = expected.gradients[name] as Entry;
        assertClose(tensor.grad?.toFloat32Array() ?? [], values, golden, `gradient of ${name}`);
      }
    });
  }
});

describe("layers", () => {
  it("name operator and shapes when the input does not fit", () => {
    assert.throws(
      () => new Linear(3, 2).forward(ones([4, 5])),
      (error: Error) =>
        error instanceof NativeError &&
        /aten::linear failed on \(\[4, 5\] float32, \[2, 3\] float32/.test(error.message),
    );
  });
  it("begin within torch's bounds", () => {
    manualSeed(7);
    const bound = (values: Float32Array): number =>
      values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const linear = new Linear(100, 50);
    const conv = new Conv2d(4, 20, { kernel: 5 });
    for (const values of [linear.weight, linear.bias, conv.weight, conv.bias]) {
      const largest = bound(values?.tensor.toFloat32Array() ?? new Float32Array());
      assert.ok(largest <= 0.1 && largest > 0.08, `${largest}`);
    }
    const norm = new LayerNorm(3);
    assert.deepEqual(norm.weight.tensor.data(), Float32Array.of(1, 1, 1));
    assert.deepEqual(norm.bias.tensor.data(), Float32Array.of(0, 0, 0));
  });
  it("begin alike from the same seed", () => {
    const draw = (): unknown => {
      manualSeed(9);
      return new Embedding(5, 4, 0.02).weight.tensor.data();
    };
    assert.deepEqual(draw(), draw());
  });
});
