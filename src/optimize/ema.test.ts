import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CheckpointError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { backward, full, memory, noGrad, scope, tensor } from "../torch/index.ts";
import { Ema } from "./ema.ts";
import { Linear } from "../nn/layers.ts";
import { Buffer, Module } from "../nn/module.ts";
import { AdamW } from "./adamw.ts";
import { parameterGroups } from "./groups.ts";

function layer(value: number): Linear {
  const made = new Linear(2, 2);
  fill(made, value);
  return made;
}

const fill = (module: Linear, value: number): void => {
  for (const parameter of module.parameters()) {
    parameter.assign(scope(() => full(parameter.tensor.shape, value)));
  }
};
const weight = (module: Linear): number => module.weight.tensor.select(0, 0).select(0, 0).item();
const average = (ema: Ema): number => ema.stateDict().get("weight")?.data()[0] as number;

describe("Ema", () => {
  it("refuses a decay outside [0, 1) and a state that does not fit", () => {
    assert.throws(() => new Ema(layer(0), { decay: 1 }), /less than 1 for decay but received 1/);
    const ema = new Ema(layer(3), { decay: 0.5 });
    const state = new Map([
      ["weight", tensor([1])],
      ["extra", tensor([1])],
    ]);
    assert.throws(
      () => ema.load(state, "run/ema.safetensors"),
      (error: Error) =>
        error instanceof CheckpointError &&
        /weight is \[1\] float32, not \[2, 2\] float32; missing bias/.test(error.message) &&
        /missing updates; unexpected extra/.test(error.message),
    );
    assert.equal(average(ema), 3);
    const wide = new Linear(2, 2, { bias: false });
    assert.throws(() => new Ema(wide, { decay: 0 }).copyTo(layer(0)), /received bias/);
  });
  it("follows the weights by its equation", () => {
    const module = layer(1);
    const ema = new Ema(module, { decay: 0.75 });
    let expected = 1;
    for (const value of [2, 5, -3]) {
      fill(module, value);
      ema.update();
      expected = 0.75 * expected + 0.25 * value;
      assertClose([average(ema)], [expected], { rtol: 1e-6 });
    }
    assert.equal(ema.bytes, 6 * 4);
  });
  it("warms up with a shorter memory", () => {
    const module = layer(0);
    const ema = new Ema(module, { decay: 0.15, warmUp: true });
    fill(module, 1);
    let expected = 0;
    for (const decay of [1 / 10, 0.15, 0.15]) {
      ema.update();
      expected = decay * expected + (1 - decay);
      assertClose([average(ema)], [expected], { rtol: 1e-6 });
    }
  });
  it("swaps without copying and back, and copies into another module", () => {
    const module = layer(1);
    const ema = new Ema(module, { decay: 0.5 });
    fill(module, 3);
    const before = memory();
    const inside = ema.use(() => {
      assert.equal(memory().tensors, before.tensors);
      return weight(module);
    });
    assert.equal(inside, 1);
    assert.equal(weight(module), 3);
    assert.throws(() => ema.use(() => assert.fail("stop")), /stop/);
    assert.equal(weight(module), 3);
    const other = layer(9);
    ema.copyTo(other);
    assert.equal(weight(other), 1);
  });
  it("leaves training as it was: gradients and the optimizer go on after a swap", () => {
    const train = (withSwap: boolean): Float32Array => {
      const module = layer(1);
      const ema = new Ema(module, { decay: 0.9 });
      const optimizer = new AdamW(parameterGroups(module, { weightDecay: 0.1 }));
      for (let step = 0; step < 3; step++) {
        scope(() =>
          backward(
            module
              .forward(tensor([1, step]))
              .pow(2)
              .sum(),
          ),
        );
        optimizer.step(0.1);
        optimizer.zeroGrad();
        ema.update();
        if (withSwap) ema.use(() => noGrad(() => scope(() => void module.forward(tensor([1, 1])))));
      }
      return module.weight.tensor.toFloat32Array();
    };
    assert.deepEqual(train(true), train(false));
  });
  it("saves and restores exactly", () => {
    const module = layer(1);
    const ema = new Ema(module, { decay: 0.9, warmUp: true });
    fill(module, 1 / 3);
    ema.update();
    ema.update();
    const copy = new Ema(layer(0), { decay: 0.9, warmUp: true });
    scope(() => copy.load(ema.stateDict()));
    assert.equal(copy.updates, 2);
    assert.equal(average(copy), average(ema));
    ema.dispose();
    assert.ok(average(copy) < 1);
  });
  it("averages buffers too, and copies those of whole numbers", () => {
    class Statistics extends Module {
      readonly mean = new Buffer(tensor([0]));
      readonly count = new Buffer(tensor([1], { dtype: "int64" }));
    }
    const module = new Statistics();
    const ema = new Ema(module, { decay: 0.75 });
    module.mean.assign(tensor([8]));
    module.count.assign(tensor([9]));
    ema.update();
    const inside = ema.use(() => [module.mean.tensor.item(), module.count.tensor.item()]);
    assert.deepEqual(inside, [2, 9]);
    assert.deepEqual([module.mean.tensor.item(), module.count.tensor.item()], [8, 9]);
    assert.deepEqual([...ema.stateDict().keys()], ["mean", "count", "updates"]);
    const other = new Statistics();
    ema.copyTo(other);
    assert.equal(other.mean.tensor.item(), 2);
  });
});
