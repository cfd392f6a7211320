import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DisposedError } from "../errors.ts";
import { backward, memory, ones, scope, tensor } from "../torch/index.ts";
import { LayerNorm, Linear } from "./layers.ts";
import { Buffer, Module, Parameter } from "./module.ts";

class Block extends Module {
  readonly norm = new LayerNorm(2);
  readonly linear: Linear;
  constructor(bias: boolean) {
    super();
    this.linear = new Linear(2, 2, { bias });
  }
}

class Tower extends Module {
  readonly classEmbedding = new Parameter(ones([2]));
  readonly blocks = [new Block(true), new Block(false)];
  readonly width = 2;
  readonly shapes = [[1, 2], "none"];
}

describe("Module", () => {
  it("fails clearly when used after it was disposed", () => {
    const layer = new Linear(2, 2);
    layer.dispose();
    layer.dispose();
    assert.throws(() => layer.forward(ones([1, 2])), DisposedError);
  });
  it("refuses an assignment of another shape", () => {
    const parameter = new Parameter(ones([2, 2]));
    assert.throws(() => parameter.assign(ones([3])), /aten::copy_ failed on \(\[2, 2\] float32/);
  });
  it("names its parameters by their path, in order of declaration", () => {
    const tower = new Tower();
    assert.deepEqual(
      [...tower.namedParameters()].map(([path]) => path),
      [
        "classEmbedding",
        "blocks.0.norm.weight",
        "blocks.0.norm.bias",
        "blocks.0.linear.weight",
        "blocks.0.linear.bias",
        "blocks.1.norm.weight",
        "blocks.1.norm.bias",
        "blocks.1.linear.weight",
      ],
    );
    assert.equal(tower.parameterCount(), 2 + 2 * 4 + 2 * 4 + 2);
    assert.equal([...tower.modules()].length, 1 + 2 * 3);
  });
  it("sets the mode of every module below it", () => {
    const tower = new Tower();
    assert.ok([...tower.modules()].every((module) => module.training));
    assert.equal(tower.train(false), tower);
    assert.ok([...tower.modules()].every((module) => !module.training));
  });
  it("keeps its parameters when the scope that made it ends, and frees them on dispose", () => {
    const before = memory().tensors;
    const tower = scope(() => ({ made: new Tower() })).made;
    assert.equal(memory().tensors, before + 8);
    assert.equal(tower.classEmbedding.tensor.data()[1], 1);
    tower.dispose();
    assert.equal(memory().tensors, before);
  });
  it("accumulates gradients and drops them", () => {
    const layer = new Linear(2, 1, { bias: false });
    for (let pass = 0; pass < 2; pass++) backward(layer.forward(tensor([3, 4])).sum());
    assert.deepEqual(layer.weight.tensor.grad?.data(), Float32Array.of(6, 8));
    layer.zeroGrad();
    assert.equal(layer.weight.tensor.grad, null);
  });
  it("copies into a parameter without recording it", () => {
    const parameter = new Parameter(ones([2]));
    parameter.assign(tensor([5, 6]));
    assert.deepEqual(parameter.tensor.data(), Float32Array.of(5, 6));
    assert.ok(parameter.tensor.isLeaf && parameter.tensor.requiresGrad);
  });
  it("keeps buffers apart from what is learned, and saves and frees both", () => {
    class Counter extends Module {
      readonly seen = new Buffer(tensor([3]));
      readonly linear = new Linear(2, 1, { bias: false });
    }
    class Outer extends Module {
      readonly counters = [new Counter(), new Counter()];
    }
    const before = memory().tensors;
    const outer = scope(() => ({ made: new Outer() })).made;
    assert.deepEqual(
      [...outer.namedState()].map(([path]) => path),
      ["counters.0.linear.weight", "counters.1.linear.weight"].concat([
        "counters.0.seen",
        "counters.1.seen",
      ]),
    );
    assert.deepEqual(
      [...outer.namedBuffers("model")].map(([path]) => path),
      ["model.counters.0.seen", "model.counters.1.seen"],
    );
    assert.equal(outer.parameters().length, 2);
    assert.equal(outer.parameterCount(), 4);
    const { seen } = outer.counters[0] as Counter;
    scope(() => seen.assign(tensor([5])));
    assert.equal(seen.tensor.item(), 5);
    assert.equal(seen.tensor.requiresGrad, false);
    assert.throws(() => scope(() => seen.assign(tensor([1, 2]))), /aten::copy_ failed/);
    outer.dispose();
    assert.equal(memory().tensors, before);
  });
});
