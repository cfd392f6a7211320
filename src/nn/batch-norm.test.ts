/** Batch norm, group norm and pooling against their equations in plain loops. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { hashedValues } from "../../test/support/hashed-values.ts";
import {
  avgPool2d,
  backward,
  batchNorm,
  call,
  channelsLast,
  fromData,
  maxPool2d,
  ones,
  operator,
  pad2d,
  scope,
  setThreadCount,
  threadCount,
  zeros,
  type DType,
  type Tensor,
} from "../torch/index.ts";
import { BatchNorm2d, withoutStatistics } from "./batch-norm.ts";
import { GroupNorm } from "./layers.ts";
import type { Module, Parameter } from "./module.ts";

const [N, C, H, W] = [3, 4, 2, 5];
const at = (n: number, c: number, h: number, w: number): number => ((n * C + c) * H + h) * W + w;
const input = (seed: number): Float32Array =>
  Float32Array.from(hashedValues(N * C * H * W, seed), (value) => 3 * value + 1);
const asTensor = (values: Float32Array): Tensor => fromData(values, [N, C, H, W]);

/** Scales and shifts of a module's channels, and the values set. */
function setAffine(module: Module & { weight: Parameter; bias: Parameter }): number[][] {
  const scale = [0.5, -1, 2, 1.5];
  const shift = [0.1, 0.2, -0.3, 0];
  module.weight.assign(fromData(Float32Array.from(scale)));
  module.bias.assign(fromData(Float32Array.from(shift)));
  return [scale, shift];
}

/** Mean, and the sum of squared deviations over `values.length - correction`. */
function moments(values: number[], correction = 0): [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return [mean, squares / (values.length - correction)];
}

const values = (x: Float32Array, of: (n: number, c: number) => boolean): number[] =>
  [...x].filter((_, i) => of(Math.floor(i / (C * H * W)), Math.floor(i / (H * W)) % C));

describe("BatchNorm2d", () => {
  it("refuses one value per channel in training, not in evaluation", () => {
    const norm = new BatchNorm2d(2);
    assert.throws(() => norm.forward(zeros([1, 2, 1, 1])), {
      name: "ShapeError",
      message:
        "Expected more than one value per channel for batch norm in training but received " +
        "[1, 2, 1, 1]; use a batch of at least 2, or evaluation mode",
    });
    assert.deepEqual(norm.train(false).forward(zeros([1, 2, 1, 1])).shape, [1, 2, 1, 1]);
  });
  it("normalises by the batch and moves its statistics, then by those", () => {
    const norm = new BatchNorm2d(C, { epsilon: 0.01, momentum: 0.3 });
    const [scale, shift] = setAffine(norm) as [number[], number[]];
    const running = Array.from({ length: C }, () => [0, 1] as [number, number]);
    const expect = (x: Float32Array, of: (c: number) => [number, number]): number[] =>
      [...x].map((value, i) => {
        const c = Math.floor(i / (H * W)) % C;
        const [mean, variance] = of(c);
        const normed = (value - mean) / Math.sqrt(variance + 0.01);
        return (scale[c] as number) * normed + (shift[c] as number);
      });
    for (const seed of [1, 2]) {
      const x = input(seed);
      const channel = (c: number): number[] => values(x, (_, own) => own === c);
      const output = scope(() => norm.forward(asTensor(x)).toFloat32Array());
      assertClose(
        output,
        expect(x, (c) => moments(channel(c))),
        { rtol: 1e-5, atol: 1e-6 },
      );
      for (const [c, pair] of running.entries()) {
        const batch = moments(channel(c), 1);
        running[c] = pair.map((old, i) => 0.7 * old + 0.3 * (batch[i] as number)) as typeof pair;
      }
    }
    const state = (): number[][] =>
      [norm.runningMean, norm.runningVariance].map(({ tensor }) => [...tensor.toFloat64Array()]);
    const [means, variances] = state() as [number[], number[]];
    assertClose(
      means,
      running.map(([mean]) => mean),
      { rtol: 1e-5, atol: 1e-6 },
    );
    assertClose(
      variances,
      running.map(([, variance]) => variance),
      { rtol: 1e-5 },
    );
    const x = input(3);
    assert.throws(() => withoutStatistics(() => assert.fail("stop")), /stop/);
    withoutStatistics(() => scope(() => void norm.forward(asTensor(x))));
    norm.train(false);
    const output = scope(() => norm.forward(asTensor(x)).toFloat32Array());
    assertClose(
      output,
      expect(x, (c) => running[c] as [number, number]),
      { rtol: 1e-5, atol: 1e-6 },
    );
    assert.deepEqual(state(), [means, variances]);
  });
});

describe("the addon's batch norm", () => {
  const own = operator("limn::batch_norm");
  const hashed = (shape: number[], seed: number): Tensor =>
    fromData(
      Float32Array.from(
        hashedValues(
          shape.reduce((a, b) => a * b),
          seed,
        ),
      ),
      shape,
    );

  interface Case {
    shape: [number, number, number, number];
    dtype?: DType;
    relu?: boolean;
    last?: boolean;
    offset?: number;
  }

  /** Output, running statistics and gradients: of `limn::batch_norm`, or of libtorch's in float64. */
  function everything(
    { shape, dtype = "float32", relu = true, last = true, offset = 0 }: Case,
    reference: boolean,
  ): Record<string, Float64Array> {
    return scope(() => {
      const type = (tensor: Tensor): Tensor => (reference ? tensor.to("float64") : tensor);
      const laid = (tensor: Tensor): Tensor => (last ? channelsLast(tensor) : tensor);
      const [, channels] = shape;
      const x = type(laid(hashed(shape, 1).mul(3).add(offset)).to(dtype)).setRequiresGrad(true);
      const gradient = type(laid(hashed(shape, 2)).to(dtype));
      const [weight, bias, mean, variance] = [3, 4, 5, 6].map((seed) =>
        type(hashed([channels], seed).add(0.3)),
      ) as [Tensor, Tensor, Tensor, Tensor];
      for (const leaf of [weight, bias]) leaf.setRequiresGrad(true);
      const y = reference
        ? batchNorm(x, {
            ...{ weight, bias, running: { mean, variance }, training: true },
            ...{ momentum: 0.3, epsilon: 0.01 },
          })
        : call(own, x, weight, bias, mean, variance, 0.3, 0.01, relu);
      const output = reference && relu ? y.relu() : y;
      backward(output, gradient);
      const found = { output, mean, variance, dx: x.grad, dw: weight.grad, db: bias.grad };
      return Object.fromEntries(
        Object.entries(found).map(([name, tensor]) => [name, (tensor as Tensor).toFloat64Array()]),
      );
    });
  }

  const cases: Record<string, Case> = {
    "8 channels": { shape: [5, 8, 7, 3] },
    "a number of channels that no vector fits": { shape: [3, 5, 9, 2] },
    "more channels than a block has elements": { shape: [2, 20_011, 1, 1], relu: false },
    "several blocks": { shape: [4, 80, 17, 23] },
    "no ReLU": { shape: [3, 6, 4, 4], relu: false },
    "channels apart": { shape: [3, 6, 4, 5], last: false },
    "a mean far from 0": { shape: [8, 16, 12, 12], offset: 1000 },
  };
  for (const [name, one] of Object.entries(cases)) {
    it(`gives values, statistics and gradients of libtorch's in float64: ${name}`, () => {
      const found = everything(one, false);
      for (const [key, expected] of Object.entries(everything(one, true))) {
        // Of x, a float32 near the mean is known to 1e-7 of the mean only.
        const atol = 2e-6 + 1e-6 * (one.offset ?? 0);
        assertClose(found[key] as Float64Array, expected, { rtol: 1e-5, atol: 30 * atol }, key);
      }
    });
  }

  it("takes and gives bfloat16, and counts in float32", () => {
    const one: Case = { shape: [16, 24, 11, 9], dtype: "bfloat16" };
    const found = everything(one, false);
    for (const [key, expected] of Object.entries(everything(one, true))) {
      const own = found[key] as Float64Array;
      const rounded = key === "output" || key === "dx";
      const tolerance = rounded ? { rtol: 2 ** -8, atol: 1e-5 } : { rtol: 1e-5, atol: 1e-4 };
      assertClose(own, expected, tolerance, key);
    }
  });

  it("gives the same bits whatever the number of threads", () => {
    const before = threadCount();
    const one: Case = { shape: [8, 12, 31, 29] };
    const [few, many] = [1, 3].map((threads) => {
      setThreadCount(threads);
      return everything(one, false);
    });
    setThreadCount(before);
    assert.deepEqual(few, many);
  });

  it("lets what is not a number through, forward and backward", () => {
    scope(() => {
      const x = fromData(Float32Array.of(NaN, 1, 2, 3, 4, 5), [1, 2, 3, 1]).setRequiresGrad(true);
      const y = call(own, x, ones([2]), zeros([2]), null, null, 0.1, 1e-5, true);
      backward(y.sum());
      const isNaNs = (tensor: Tensor): boolean[] => [...tensor.toFloat32Array()].map(Number.isNaN);
      const expected = [true, true, true, false, false, false];
      assert.deepEqual(isNaNs(y), expected);
      assert.deepEqual(isNaNs(x.grad as Tensor), expected);
    });
  });

  it("refuses what it would read past the end of", () => {
    const x = ones([2, 3, 4, 4]);
    const [three, four] = [ones([3]), ones([4])];
    const use = (...operands: (Tensor | null)[]): Tensor => call(own, ...operands, 0.1, 1e-5, true);
    const input = /\[N, C, H, W\] on the CPU with more than one value a channel for x/;
    assert.throws(() => use(ones([2, 3]), three, three, null, null), input);
    assert.throws(() => use(ones([1, 3, 1, 1]), three, three, null, null), input);
    assert.throws(() => use(x.to("float64"), three, three, null, null), input);
    const affine = /vectors of one number a channel for weight and bias/;
    assert.throws(() => use(x, four, three, null, null), affine);
    assert.throws(() => use(x, three, three.to("float64"), null, null), affine);
    const running = /vectors of one number a channel for running_mean and running_var/;
    assert.throws(() => use(x, three, three, three, null), running);
    assert.throws(() => use(x, three, three, four, three), running);
  });
});

describe("GroupNorm", () => {
  it("refuses groups that do not divide", () => {
    assert.throws(() => new GroupNorm(6, 4), /groups to divide 6 channels but received 4; choose/);
    assert.throws(() => new GroupNorm(6, 0), /groups to divide 6 channels but received 0; choose/);
  });
  it("normalises each sample's groups", () => {
    const norm = new GroupNorm(C, 2, 0.1);
    const [scale, shift] = setAffine(norm) as [number[], number[]];
    const x = input(5);
    const output = scope(() => norm.forward(asTensor(x)).toFloat32Array());
    const expected = [...x].map((value, i) => {
      const [n, c] = [Math.floor(i / (C * H * W)), Math.floor(i / (H * W)) % C];
      const group = values(x, (m, own) => m === n && own >> 1 === c >> 1);
      const [mean, variance] = moments(group);
      const normed = (value - mean) / Math.sqrt(variance + 0.1);
      return (scale[c] as number) * normed + (shift[c] as number);
    });
    assertClose(output, expected, { rtol: 1e-5, atol: 1e-6 });
  });
});

describe("pooling and padding", () => {
  const x = input(7);
  const get = (n: number, c: number, h: number, w: number): number =>
    h < 0 || h >= H || w < 0 || w >= W ? NaN : (x[at(n, c, h, w)] as number);
  const firstChannel = (y: Tensor): number[] => {
    const all = y.toFloat32Array();
    return [...all.slice(0, y.size(2) * y.size(3))];
  };
  it("takes means and largest values of windows", () => {
    scope(() => {
      const means = firstChannel(avgPool2d(asTensor(x), 2));
      const squares = [0, 2].map((w) => [get(0, 0, 0, w), get(0, 0, 0, w + 1)]);
      const below = [0, 2].map((w) => [get(0, 0, 1, w), get(0, 0, 1, w + 1)]);
      const windows = squares.map((row, i) => [...row, ...(below[i] as number[])]);
      assertClose(
        means,
        windows.map((w) => moments(w)[0]),
        { rtol: 1e-6 },
      );
      const largest = firstChannel(maxPool2d(asTensor(x), 2));
      assertClose(
        largest,
        windows.map((w) => Math.max(...w)),
      );
      const overlapping = maxPool2d(asTensor(x), 3, { stride: 2, padding: 1 });
      assert.deepEqual(overlapping.shape, [N, C, 1, 3]);
    });
  });
  it("adds margins where they are asked for", () => {
    scope(() => {
      const padded = pad2d(asTensor(x), { left: 1, right: 0, top: 0, bottom: 2 }, 7);
      assert.deepEqual(padded.shape, [N, C, H + 2, W + 1]);
      const expected: number[] = [];
      for (let h = 0; h < H + 2; h++) {
        for (let w = -1; w < W; w++) {
          const value = get(0, 0, h, w);
          expected.push(Number.isNaN(value) ? 7 : value);
        }
      }
      assert.deepEqual(firstChannel(padded), expected);
    });
  });
});
