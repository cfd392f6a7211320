import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import {
  backward,
  fromData,
  grad,
  manualSeed,
  memory,
  noGrad,
  randn,
  scope,
  tensor,
  type Tensor,
} from "../../torch/index.ts";
import { contextAttention } from "./context-attention.ts";
import { lixp, type LixpOptions } from "./loss.ts";
import { sigmoidContrastive } from "../siglip.ts";
import { softmaxContrastive } from "../clip.ts";

/** Everything the loss depends on, in float64. `keys` and `values` move alone where cut off. */
interface Point {
  /** unit rows */
  image: number[][];
  raw: number[][];
  text: number[][];
  scale: number;
  bias: number;
  contextScale: number;
  contextBias: number;
  contextTemperatureLog: number;
}

interface Form {
  base: "softmax" | "sigmoid";
  alpha?: number;
  mask?: boolean;
  renormalize?: boolean;
  stopGradient?: "none" | "values" | "keys";
  chunkSize?: number;
}

const dot = (a: number[], b: number[]): number => a.reduce((sum, x, d) => sum + x * b[d]!, 0);

function logSumExp(values: number[]): number {
  const max = Math.max(...values);
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

/** P of section 1.2 in loops: row i is softmax over k != i of x_i . x_k / (tau sqrt(D)). */
function naiveWeights(
  queries: number[][],
  keys: number[][],
  tau: number,
  mask: boolean,
): number[][] {
  return queries.map((query, i) => {
    const logits = keys.map((key, k) =>
      mask && i === k ? -Infinity : dot(query, key) / (tau * Math.sqrt(query.length)),
    );
    const total = logSumExp(logits);
    return logits.map((logit) => Math.exp(logit - total));
  });
}

function naiveBase(base: Form["base"], x: number[][], t: number[][], s: number, b: number): number {
  const n = x.length;
  let total = 0;
  for (let i = 0; i < n; i++) {
    const row = t.map((text) => s * dot(x[i]!, text));
    const column = x.map((image) => s * dot(image, t[i]!));
    if (base === "softmax") {
      total += (logSumExp(row) + logSumExp(column)) / 2 - row[i]!;
    } else {
      for (const [j, logit] of row.entries()) {
        const z = i === j ? 1 : -1;
        const value = -z * (logit + b);
        total += Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
      }
    }
  }
  return total / n;
}

/** `frozen` gives the keys and values that a stopped gradient does not move. */
function naive(point: Point, form: Form, frozen: Point = point): number {
  const { base, alpha = 0.9, mask = true, renormalize = true, stopGradient } = form;
  const keys = stopGradient === "keys" ? frozen.image : point.image;
  const values = stopGradient === "values" ? frozen.raw : point.raw;
  const tau = Math.exp(point.contextTemperatureLog);
  const context = naiveWeights(point.image, keys, tau, mask).map((weights) => {
    const mixed = values[0]!.map((_, d) =>
      weights.reduce((sum, w, k) => sum + w * values[k]![d]!, 0),
    );
    const length = renormalize ? Math.sqrt(dot(mixed, mixed)) : 1;
    return mixed.map((value) => value / length);
  });
  const plain = naiveBase(base, point.image, point.text, point.scale, point.bias);
  const inContext = naiveBase(base, context, point.text, point.contextScale, point.contextBias);
  return alpha * plain + (1 - alpha) * inContext;
}

function rows(n: number, dim: number, seed: number, length?: number): number[][] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Array.from({ length: n }, () => {
    const row = Array.from({ length: dim }, next);
    const norm = length === undefined ? 1 : Math.hypot(...row) / length;
    return row.map((value) => value / norm);
  });
}

function pointOf(n: number, dim: number): Point {
  return {
    image: rows(n, dim, 5, 1),
    raw: rows(n, dim, 6).map((row) => row.map((value) => 8 * value)),
    text: rows(n, dim, 7, 1),
    scale: 6,
    bias: -2,
    contextScale: 9,
    contextBias: -3,
    contextTemperatureLog: Math.log(0.3 / Math.sqrt(dim)),
  };
}

const leaf = (data: number[][]): Tensor =>
  fromData(Float64Array.from(data.flat()), [data.length, data[0]!.length]).setRequiresGrad(true);
const scalar = (value: number): Tensor =>
  fromData(Float64Array.of(value), []).setRequiresGrad(true);

/** The leaves in one order: image, raw, text and the five scalars. */
function leavesOf(point: Point): Tensor[] {
  const { scale, bias, contextScale, contextBias, contextTemperatureLog } = point;
  const scalars = [scale, bias, contextScale, contextBias, contextTemperatureLog].map(scalar);
  return [leaf(point.image), leaf(point.raw), leaf(point.text), ...scalars];
}

function run(leaves: Tensor[], form: Form): ReturnType<typeof lixp> {
  const [image, raw, text, logitScale, logitBias, contextLogitScale, contextLogitBias, log] =
    leaves as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const contextTemperature = log.exp();
  const scalars = { logitScale, logitBias, contextLogitScale, contextLogitBias };
  return lixp(image, raw, text, { ...form, ...scalars, contextTemperature });
}

function numericGradients(point: Point, form: Form): number[][] {
  const h = 1e-6;
  const moved = (change: (copy: Point, by: number) => void): number => {
    const at = (by: number): number => {
      const copy = structuredClone(point);
      change(copy, by);
      return naive(copy, form, point);
    };
    return (at(h) - at(-h)) / (2 * h);
  };
  const matrix = (name: "image" | "raw" | "text"): number[] =>
    point[name].flatMap((row, i) =>
      row.map((_, d) => moved((copy, by) => void (copy[name][i]![d]! += by))),
    );
  const names = ["scale", "bias", "contextScale", "contextBias", "contextTemperatureLog"] as const;
  return [
    ...(["image", "raw", "text"] as const).map(matrix),
    ...names.map((name) => [moved((copy, by) => void (copy[name] += by))]),
  ];
}

test("refuses a lone image, values of another shape and an alpha out of range", () => {
  const one = leavesOf(pointOf(1, 4));
  assert.throws(() => run(one, { base: "softmax" }), /at least two images .* received 1/);
  assert.equal(typeof run(one, { base: "softmax", alpha: 1 }).loss.item(), "number");
  assert.equal(typeof run(one, { base: "softmax", mask: false }).loss.item(), "number");
  const three = leavesOf(pointOf(3, 4));
  for (const alpha of [0, -1, 1.1, NaN]) {
    assert.throws(() => run(three, { base: "softmax", alpha }), {
      name: "RangeError",
      message: /above 0 and up to 1 for alpha/,
    });
  }
  assert.throws(() => run(three, { base: "sigmoid", chunkSize: 0 }), /chunkSize/);
  const [image] = three as [Tensor];
  assert.throws(() => run([image, leaf(rows(3, 5, 1)), ...three.slice(2)], { base: "softmax" }), {
    name: "ShapeError",
    message: /image and rawImage .* \[3, 4\] and \[3, 5\]/,
  });
});

const forms: Form[] = [
  { base: "softmax" },
  { base: "sigmoid" },
  { base: "softmax", renormalize: false, mask: false },
  { base: "sigmoid", stopGradient: "values", alpha: 0.6 },
  { base: "softmax", stopGradient: "keys", alpha: 0.5 },
];

for (const form of forms) {
  for (const chunkSize of [undefined, 2, 9]) {
    const whole = chunkSize === undefined ? form : { ...form, chunkSize };
    test(`value and gradient equal the naive float64 form: ${JSON.stringify(whole)}`, () => {
      const point = pointOf(5, 3);
      const leaves = leavesOf(point);
      const { loss } = run(leaves, whole);
      assertClose([loss.item()], [naive(point, form)], { rtol: 1e-12, atol: 1e-12 });
      const found = grad(loss, leaves);
      const expected = numericGradients(point, form);
      for (const [i, numeric] of expected.entries()) {
        const values = found[i]?.toFloat64Array() ?? numeric.map(() => 0);
        assertClose(values, numeric, { rtol: 1e-6, atol: 1e-8 }, `gradient ${i}`);
      }
    });
  }
}

test("attention rows sum to 1 and leave the image itself out", () => {
  const point = pointOf(6, 4);
  const [image] = leavesOf(point) as [Tensor];
  // Unit vectors for values make the context the weights themselves.
  const identity = leaf(
    rows(6, 6, 1).map((_, i) => Array.from({ length: 6 }, (_, k) => +(i === k))),
  );
  const wide = leaf(point.image.map((row) => [...row, 0, 0]));
  assert.equal(image.size(1), 4);
  for (const chunks of [{}, { chunkSize: 4 }]) {
    const { context } = contextAttention(wide, identity, {
      contextTemperature: scalar(0.05),
      ...chunks,
    });
    const weights = context.toFloat64Array();
    assertClose(context.sum(1).toFloat64Array(), new Array(6).fill(1), { rtol: 1e-12 });
    for (let i = 0; i < 6; i++) assert.equal(weights[7 * i], 0);
    const tau = (0.05 * Math.sqrt(6)) / Math.sqrt(4);
    assertClose(weights, naiveWeights(point.image, point.image, tau, true).flat(), { rtol: 1e-9 });
  }
});

test("two images are each other's context", () => {
  const point = pointOf(2, 4);
  const [image, raw] = leavesOf(point) as [Tensor, Tensor];
  for (const chunks of [{}, { chunkSize: 1 }]) {
    const contextTemperature = scalar(0.1);
    const { context, entropy } = contextAttention(image, raw, { contextTemperature, ...chunks });
    assertClose(context.toFloat64Array(), [...point.raw[1]!, ...point.raw[0]!], { rtol: 1e-12 });
    assert.equal(entropy.item(), 1);
  }
});

test("entropy is 1 for even attention and falls to 0 with the temperature", () => {
  const [image, raw] = leavesOf(pointOf(7, 4)) as [Tensor, Tensor];
  for (const chunks of [{}, { chunkSize: 3 }]) {
    const at = (temperature: number, mask = true): number =>
      contextAttention(image, raw, {
        contextTemperature: scalar(temperature),
        mask,
        ...chunks,
      }).entropy.item();
    assertClose([at(1e6), at(1e6, false), at(1e-5)], [1, 1, 0], { rtol: 1e-9, atol: 1e-9 });
    assert.ok(at(0.2) > at(0.1) && at(0.1) > at(0.05));
  }
});

test("alpha = 1 is the base to the bit, value and gradient, whatever the context is", () => {
  const leaves = leavesOf(pointOf(5, 3));
  const [image, , text, logitScale, logitBias] = leaves as [Tensor, Tensor, Tensor, Tensor, Tensor];
  for (const base of ["softmax", "sigmoid"] as const) {
    const plain =
      base === "softmax"
        ? softmaxContrastive(image, text, { logitScale })
        : sigmoidContrastive(image, text, { logitScale, logitBias });
    const { loss, contextLoss, attentionEntropy } = run(leaves, { base, alpha: 1 });
    assert.equal(contextLoss, null);
    assert.equal(attentionEntropy, null);
    assert.equal(loss.item(), plain.item());
    const inputs = [image, text, logitScale];
    const expected = grad(plain, inputs).map((one) => one?.toFloat64Array());
    assert.deepEqual(
      grad(loss, inputs).map((one) => one?.toFloat64Array()),
      expected,
    );
  }
});

test("the parts add up, and a base of one's own is called on both", () => {
  const leaves = leavesOf(pointOf(4, 3));
  const { loss, baseLoss, contextLoss } = run(leaves, { base: "softmax", alpha: 0.7 });
  const sum = 0.7 * baseLoss.item() + 0.3 * (contextLoss?.item() ?? NaN);
  assertClose([loss.item()], [sum], { rtol: 1e-12 });
  assert.equal(baseLoss.requiresGrad || contextLoss?.requiresGrad, false);
  const [image, raw, text, logitScale] = leaves as [Tensor, Tensor, Tensor, Tensor];
  const own: LixpOptions["base"] = (x, t, { logitScale: scale }) => x.mul(t).sum().mul(scale);
  const contextTemperature = scalar(0.1);
  const options = { logitScale, contextLogitScale: logitScale, contextTemperature, base: own };
  const { context } = contextAttention(image, raw, options);
  const unit = context.div(context.norm([1], true));
  const expected = image.mul(0.9).add(unit.mul(0.1)).mul(text).sum().mul(logitScale);
  assertClose([lixp(image, raw, text, options).loss.item()], [expected.item()], { rtol: 1e-12 });
});

test("the values alone carry gradient to the raw images", () => {
  const leaves = leavesOf(pointOf(5, 3));
  const raw = leaves[1] as Tensor;
  const [through] = grad(run(leaves, { base: "softmax" }).loss, [raw]);
  assert.ok((through as Tensor).abs().sum().item() > 1e-4);
  for (const chunks of [{}, { chunkSize: 2 }]) {
    const stopped = run(leaves, { base: "softmax", stopGradient: "values", ...chunks });
    const [none] = grad(stopped.loss, [raw]);
    assert.equal(none, null);
  }
});

test("joint permutation permutes the context and leaves the loss alone", () => {
  const point = pointOf(6, 4);
  const order = [3, 1, 5, 0, 4, 2];
  const permuted = structuredClone(point);
  for (const name of ["image", "raw", "text"] as const) {
    permuted[name] = order.map((i) => point[name][i]!);
  }
  const [before, after] = [leavesOf(point), leavesOf(permuted)];
  const loss = (leaves: Tensor[]): number => run(leaves, { base: "sigmoid" }).loss.item();
  assertClose([loss(after)], [loss(before)], { rtol: 1e-12 });
  const context = (leaves: Tensor[]): Float64Array => {
    const [image, raw] = leaves as [Tensor, Tensor];
    return contextAttention(image, raw, {
      contextTemperature: scalar(0.2),
    }).context.toFloat64Array();
  };
  const whole = context(before);
  const expected = order.flatMap((i) => [...whole.subarray(4 * i, 4 * i + 4)]);
  assertClose(context(after), expected, { rtol: 1e-12 });
});

test("logits and attention of +-100 stay finite in float32", () => {
  const signs = [1, -1, 1, -1, -1, 1];
  const single = (values: number[], shape: number[]): Tensor =>
    fromData(Float32Array.from(values), shape).setRequiresGrad(true);
  for (const base of ["softmax", "sigmoid"] as const) {
    for (const chunks of [{}, { chunkSize: 4 }]) {
      const image = single(
        signs.flatMap((sign) => [sign, 0]),
        [6, 2],
      );
      const raw = single(
        signs.flatMap((sign) => [3 * sign, 0]),
        [6, 2],
      );
      const text = single(
        signs.flatMap((sign) => [-sign, 0]),
        [6, 2],
      );
      const scalars = [100, 100, 0, 0.01 / Math.SQRT2].map((value) => single([value], []));
      const [logitScale, contextLogitScale, logitBias, contextTemperature] = scalars as [
        Tensor,
        Tensor,
        Tensor,
        Tensor,
      ];
      const { loss } = lixp(image, raw, text, {
        base,
        logitScale,
        logitBias,
        contextLogitScale,
        contextTemperature,
        ...chunks,
      });
      backward(loss);
      // Every image has texts of the other kind: 100 against its own -100.
      const expected = base === "softmax" ? 200 + Math.log(3) : 400;
      assertClose([loss.item()], [expected], { rtol: 1e-5 });
      for (const input of [image, raw, text, contextTemperature]) {
        assert.ok(input.grad?.isFinite().all().item());
      }
    }
  }
});

test("the chunked form never needs memory for an N x N matrix", () => {
  const n = 8192;
  manualSeed(4);
  scope(() => {
    const inputs = [0, 1, 2].map(() => randn([n, 4]).setRequiresGrad(true));
    const scalars = [3, 3, 0.2].map((value) => tensor(value).setRequiresGrad(true));
    const before = process.resourceUsage().maxRSS;
    const [image, raw, text] = inputs as [Tensor, Tensor, Tensor];
    const [logitScale, contextLogitScale, contextTemperature] = scalars as [Tensor, Tensor, Tensor];
    const options = { logitScale, contextLogitScale, contextTemperature, chunkSize: 64 };
    backward(lixp(image, raw, text, { base: "softmax", ...options }).loss);
    const grown = (process.resourceUsage().maxRSS - before) * 1024;
    // One N x N float32 matrix is 268 MB; a chunk of 64 rows is 2 MB.
    assert.ok(grown < 100e6, `the peak grew by ${grown} bytes`);
  });
});

test("the chunked form frees what it holds with its backward pass, and holds nothing without", () => {
  const step = (recorded: boolean): void =>
    scope(() => {
      const leaves = leavesOf(pointOf(6, 4));
      const form: Form = { base: "softmax", chunkSize: 4 };
      if (recorded) backward(run(leaves, form).loss);
      else noGrad(() => void run(leaves, form));
    });
  step(true);
  step(false);
  const before = memory();
  step(true);
  step(false);
  assert.deepEqual(memory(), before);
});
