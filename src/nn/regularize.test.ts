import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  arange,
  backward,
  manualSeed,
  memory,
  ones,
  randn,
  randomState,
  scope,
  setRandomState,
  type Tensor,
} from "../torch/index.ts";
import { depthProbabilities, dropout, patchDropout, stochasticDepth } from "./regularize.ts";

const kinds: Record<string, (x: Tensor, probability: number, training: boolean) => Tensor> = {
  dropout,
  stochasticDepth,
  patchDropout,
};

for (const [name, run] of Object.entries(kinds)) {
  describe(name, () => {
    it("refuses probabilities outside [0, 1)", () => {
      for (const probability of [-0.1, 1, NaN]) {
        assert.throws(() => run(ones([2, 3, 4]), probability, false), /less than 1 for probab/);
      }
    });
    it("is the identity when evaluating or at probability 0, and draws no numbers", () => {
      const x = randn([2, 3, 4]);
      const state = randomState().data();
      assert.equal(run(x, 0.5, false), x);
      assert.equal(run(x, 0, true), x);
      assert.deepEqual(randomState().data(), state);
    });
    it("repeats itself when the generator's state is put back", () => {
      const x = randn([16, 9, 4]);
      const state = randomState();
      const first = run(x, 0.5, true).data();
      const next = run(x, 0.5, true).data();
      setRandomState(state);
      assert.deepEqual(run(x, 0.5, true).data(), first);
      assert.deepEqual(run(x, 0.5, true).data(), next);
      assert.notDeepEqual(first, next);
    });
    it("leaves no tensor behind but its result", () => {
      const x = randn([4, 9, 4]).setRequiresGrad(true);
      const before = memory().tensors;
      const y = scope(() => run(x, 0.5, true));
      assert.equal(memory().tensors, before + 1);
      y.dispose();
    });
  });
}

describe("dropout and stochastic depth", () => {
  it("keeps the mean: about p of the elements, or of the samples, are 0 and the others scaled", () => {
    manualSeed(3);
    const n = 20_000;
    // Three standard deviations of a binomial of n trials at p = 0.2.
    const slack = 3 * Math.sqrt((0.2 * 0.8) / n);
    const elements = dropout(ones([n]), 0.2, true).toFloat32Array();
    const samples = stochasticDepth(ones([n, 2, 2]), 0.2, true).toFloat32Array();
    for (const values of [elements, samples.filter((_, i) => i % 4 === 0)]) {
      assert.deepEqual([...new Set(values.toSorted())], [0, Math.fround(1 / 0.8)]);
      const dropped = values.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0) / n;
      assert.ok(Math.abs(dropped - 0.2) < slack, `${dropped}`);
    }
    samples.forEach((value, i) => assert.equal(value, samples[i - (i % 4)]));
  });
  it("passes the gradient through the same mask", () => {
    for (const run of [dropout, stochasticDepth]) {
      const x = ones([50, 2]).setRequiresGrad(true);
      const y = run(x, 0.3, true);
      backward(y.sum());
      assert.deepEqual(x.grad?.data(), y.data());
    }
  });
  it("rises linearly over the depth", () => {
    assert.deepEqual(depthProbabilities(0.5, 3), [0, 0.25, 0.5]);
    assert.deepEqual(depthProbabilities(0.5, 1), [0]);
  });
});

describe("patchDropout", () => {
  const positions = (n: number, tokens: number): Tensor =>
    arange(n * tokens)
      .to("float32")
      .reshape(n, tokens, 1);

  it("keeps the class token and max(1, trunc(P (1 - p))) patches of the same sample", () => {
    for (const [patches, probability, kept] of [
      [9, 0.5, 4],
      [9, 0.99, 1],
      [49, 0.1, 44],
      [10, 0.75, 2],
    ] as const) {
      const rows = patchDropout(positions(5, patches + 1), probability, true);
      assert.deepEqual(rows.shape, [5, kept + 1, 1]);
      for (const [i, row] of rows.unbind().entries()) {
        const [first, ...others] = [...row.toFloat32Array()].map((at) => at - i * (patches + 1));
        assert.equal(first, 0);
        assert.equal(new Set(others).size, kept);
        assert.ok(others.every((at) => at >= 1 && at <= patches));
      }
    }
  });
  it("keeps no token for certain where there is no class token", () => {
    manualSeed(1);
    const rows = patchDropout(positions(64, 8), 0.5, true, { leading: 0 });
    assert.deepEqual(rows.shape, [64, 4, 1]);
    const firsts = [...rows.toFloat32Array()].filter((at) => at % 8 === 0).length;
    assert.ok(firsts > 16 && firsts < 48, `${firsts}`);
  });
  it("draws each sample by itself", () => {
    const rows = patchDropout(ones([2, 1, 1]).mul(positions(1, 101)), 0.5, true);
    assert.notDeepEqual(rows.select(0, 0).data(), rows.select(0, 1).data());
  });
  it("passes the gradient to the kept patches only", () => {
    const x = randn([3, 9, 2]).setRequiresGrad(true);
    const y = patchDropout(x, 0.5, true);
    backward(y.sum());
    const gradient = x.grad?.toFloat32Array() ?? new Float32Array();
    assert.equal(
      gradient.reduce((sum, g) => sum + g, 0),
      3 * 5 * 2,
    );
    assert.deepEqual([...new Set(gradient.toSorted())], [0, 1]);
  });
});
