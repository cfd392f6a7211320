import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import {
  checkObjective,
  dot,
  logSumExp,
  unitRows,
  valueAndGradients,
  type Inputs,
  type Rows,
} from "../../../test/support/objective-check.ts";
import {
  backward,
  fromData,
  manualSeed,
  memory,
  noGrad,
  randn,
  scope,
  tensor,
  type Tensor,
} from "../../torch/index.ts";
import {
  globalContrastive,
  logWithEpsilon,
  movingAverage,
  temperatureTerm,
  type GlobalContrastiveOptions,
  type Sides,
} from "./global-contrastive.ts";

const vector = (values: readonly number[]): Tensor => fromData(Float64Array.from(values));

/** h_ij / T_i for one side, [N][N]: anchors a, candidates b, pairs (a_i, b_i). */
function distances(a: Rows, b: Rows, scales: readonly number[]): Rows {
  return a.map((x, i) =>
    b.map((y) => (scales[i] as number) * (dot(x, y) - dot(x, b[i] as number[]))),
  );
}

/** [N] log of the mean over negatives, written from the equation. */
function logMeans(h: Rows, includePositive = false): number[] {
  return h.map((row, i) => {
    const terms = row.filter((_, j) => includePositive || j !== i);
    return logSumExp(terms) - Math.log(row.length - 1);
  });
}

const constant = (n: number, value: number): number[] => Array.from({ length: n }, () => value);

interface Fixed {
  logU: { image: number[]; text: number[] };
  includePositive?: boolean;
  sides?: "mean" | "sum";
  weights?: { image: number[]; text: number[] };
}

/** sum of w_i g_i / u_i with u fixed; the positive is a constant and counts where it does. */
function reference({ rows, scalars }: Inputs, fixed: Fixed): number {
  const { image, text } = rows as { image: Rows; text: Rows };
  const n = image.length;
  const scales = constant(n, scalars["logitScale"] as number);
  let total = 0;
  for (const [side, a, b] of [
    ["image", image, text],
    ["text", text, image],
  ] as const) {
    const logG = logMeans(distances(a, b, scales), fixed.includePositive);
    for (let i = 0; i < n; i++) {
      const weight = fixed.weights?.[side][i] ?? 1;
      total += weight * Math.exp((logG[i] as number) - (fixed.logU[side][i] as number));
    }
  }
  return fixed.sides === "sum" ? total / n : total / (2 * n);
}

const inputsOf = (n: number, dim: number, scale: number): Inputs => ({
  rows: { image: unitRows(n, dim, 3), text: unitRows(n, dim, 8) },
  scalars: { logitScale: scale },
});

const fixedOf = (n: number): Fixed["logU"] => ({
  image: Array.from({ length: n }, (_, i) => Math.sin(i) * 2),
  text: Array.from({ length: n }, (_, i) => Math.cos(3 * i)),
});

function objective(fixed: Fixed, chunkSize?: number): (tensors: Record<string, Tensor>) => Tensor {
  return ({ image, text, logitScale }) => {
    const sidesOf = (of: { image: number[]; text: number[] }): Sides => ({
      image: vector(of.image),
      text: vector(of.text),
    });
    const options: GlobalContrastiveOptions = {
      logitScale: logitScale as Tensor,
      denominators: () => sidesOf(fixed.logU),
      ...(fixed.includePositive ? { includePositive: true } : {}),
      ...(fixed.sides ? { sides: fixed.sides } : {}),
      ...(fixed.weights ? { weights: sidesOf(fixed.weights) } : {}),
      ...(chunkSize === undefined ? {} : { chunkSize }),
    };
    return globalContrastive(image as Tensor, text as Tensor, options).loss;
  };
}

const fresh: GlobalContrastiveOptions["denominators"] = (logG) => logG;

test("refuses unequal shapes, a lonely pair, a chunk of no rows, gamma out of range", () => {
  const logitScale = tensor(10);
  const [a, b] = [randn([3, 4]), randn([3, 5])];
  const options = { logitScale, denominators: fresh };
  assert.throws(() => globalContrastive(a, b, options), { name: "ShapeError" });
  const one = randn([1, 4]);
  assert.throws(() => globalContrastive(one, one, options), /at least 2 pairs.*received 1/);
  assert.throws(() => globalContrastive(a, a, { ...options, chunkSize: 0 }), /chunkSize/);
  for (const gamma of [0, -1, 1.5, NaN]) {
    assert.throws(() => movingAverage(a, a, gamma), /above 0 and up to 1 for gamma/);
  }
});

for (const [n, dim, chunkSize] of [
  [2, 3, undefined],
  [6, 4, undefined],
  [6, 4, 4],
  [5, 3, 1],
] as const) {
  test(`value and gradient equal the naive form: N = ${n}, chunkSize = ${chunkSize}`, () => {
    const logU = fixedOf(n);
    const weights = { image: constant(n, 0.3).map((w, i) => w + i), text: constant(n, 2) };
    const cases: Fixed[] = [
      { logU },
      { logU, includePositive: true, sides: "sum" },
      { logU, weights },
    ];
    for (const fixed of cases) {
      for (const scale of [1, 6]) {
        checkObjective({
          inputs: inputsOf(n, dim, scale),
          reference: (inputs) => reference(inputs, fixed),
          objective: objective(fixed, chunkSize),
          gradient: { rtol: 1e-6, atol: 1e-7 },
        });
      }
    }
  });
}

test("with u = g, the gradient is InfoNCE's without the positive in its denominators", () => {
  // d/dx sum_i g_i / sg(g_i) = sum_i dg_i / g_i = d/dx sum_i log g_i.
  const inputs = inputsOf(6, 4, 12);
  const slopes = valueAndGradients(inputs, ({ image, text, logitScale }) => {
    const options = { logitScale: logitScale as Tensor, denominators: fresh };
    return globalContrastive(image as Tensor, text as Tensor, options).loss;
  });
  assertClose([slopes.loss], [1], { rtol: 1e-12 });
  const infoNce = valueAndGradients(inputs, ({ image, text, logitScale }) =>
    scope(() => {
      const logits = (image as Tensor).mm((text as Tensor).t()).mul(logitScale as Tensor);
      const own = logits.diagonal();
      const others = logits.sub(fromData(identity(6, 1e9), [6, 6]));
      const [rows, columns] = [others.logsumexp(1).sub(own), others.logsumexp(0).sub(own)];
      return rows.add(columns).mean().mul(0.5);
    }),
  );
  assertClose(slopes.gradients, infoNce.gradients, { rtol: 1e-9, atol: 1e-11 });
});

function identity(n: number, value: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? value : 0));
}

test("temperatures of each anchor: gradient and moments equal the naive form", () => {
  const n = 5;
  const scales = { image: [3, 5, 7, 9, 11], text: [2, 4, 6, 8, 10] };
  const logU = fixedOf(n);
  const fixed = { image: vector(logU.image), text: vector(logU.text) };
  const found: { moments?: Sides } = {};
  const value = ({ rows }: Inputs): number => {
    const { image, text } = rows as { image: Rows; text: Rows };
    const one = (a: Rows, b: Rows, s: number[], u: number[]): number =>
      logMeans(distances(a, b, s)).reduce((sum, g, i) => sum + Math.exp(g - (u[i] as number)), 0);
    const sides =
      one(image, text, scales.image, logU.image) + one(text, image, scales.text, logU.text);
    return sides / (2 * n);
  };
  for (const chunkSize of [2, 5]) {
    const inputs = { ...inputsOf(n, 3, 1), scalars: {} };
    checkObjective({
      inputs,
      reference: value,
      objective: ({ image, text }) => {
        const result = globalContrastive(image as Tensor, text as Tensor, {
          logitScale: { image: vector(scales.image), text: vector(scales.text) },
          denominators: () => fixed,
          chunkSize,
        });
        found.moments = { image: result.moments.image.keep(), text: result.moments.text.keep() };
        return result.loss;
      },
    });
    const { image, text } = inputs.rows as { image: Rows; text: Rows };
    for (const [side, a, b] of [
      ["image", image, text],
      ["text", text, image],
    ] as const) {
      const h = distances(a, b, scales[side]);
      const expected = h.map((row, i) =>
        row.reduce((sum, x, j) => {
          const weight = Math.exp(x - (logU[side][i] as number)) / (n - 1);
          return j === i ? sum : sum + weight * x;
        }, 0),
      );
      assertClose(found.moments?.[side].toFloat64Array() ?? [], expected, { rtol: 1e-10 });
    }
  }
});

test("FastCLIP v3: the temperature's gradient is that of its equation", () => {
  const [n, rho] = [6, 6.5];
  const logU = fixedOf(n);
  const sides = { image: vector(logU.image), text: vector(logU.text) };
  const inputs = inputsOf(n, 4, 9);
  // tau = 1 / logitScale; the surrogate's factor tau is constant in its own term.
  const fixedTau = 1 / (inputs.scalars["logitScale"] as number);
  checkObjective({
    inputs,
    reference: (given) => {
      const tau = 1 / (given.scalars["logitScale"] as number);
      const mean = [...logU.image, ...logU.text].reduce((a, b) => a + b) / (2 * n);
      return fixedTau * reference(given, { logU }) + tau * (rho + mean);
    },
    objective: ({ image, text, logitScale }) => {
      const scale = logitScale as Tensor;
      const options = { logitScale: scale, denominators: (): Sides => sides };
      const { loss } = globalContrastive(image as Tensor, text as Tensor, options);
      return loss.mul(1 / scale.item()).add(temperatureTerm(scale, sides, rho));
    },
  });
});

test("log u: unseen examples take g, others the moving average; epsilon is added to u", () => {
  const logU = vector([-Infinity, 0, Math.log(3), -700, 500]);
  const logG = vector([2, Math.log(2), Math.log(5), -700, 400]);
  const expected = [2, Math.log(1.2), Math.log(3.4), -700, 500 + Math.log(0.8)];
  assertClose(movingAverage(logU, logG, 0.2).toFloat64Array(), expected, { rtol: 1e-14 });
  assertClose(movingAverage(logU, logG, 1).toFloat64Array(), logG.toFloat64Array(), { rtol: 0 });
  const small = vector([Math.log(1e-14), 0, -Infinity]);
  const added = [Math.log(2e-14), 0, Math.log(1e-14)];
  assertClose(logWithEpsilon(small, 1e-14).toFloat64Array(), added, { rtol: 1e-13, atol: 1e-13 });
  assertClose(logWithEpsilon(small, 0).toFloat64Array(), small.toFloat64Array(), { rtol: 0 });
});

test("chunks, joint permutation and swapped sides leave value and gradient alone", () => {
  const n = 7;
  const fixed: Fixed = { logU: fixedOf(n) };
  const inputs = inputsOf(n, 5, 20);
  const whole = valueAndGradients(inputs, objective(fixed));
  for (const chunkSize of [1, 3, 6, 50]) {
    const parts = valueAndGradients(inputs, objective(fixed, chunkSize));
    assertClose([parts.loss], [whole.loss], { rtol: 1e-12 });
    assertClose(parts.gradients, whole.gradients, { rtol: 1e-9, atol: 1e-12 });
  }
  const order = [3, 1, 6, 5, 0, 4, 2];
  const permuted = <T>(list: readonly T[]): T[] => order.map((i) => list[i] as T);
  const { image, text } = inputs.rows as { image: Rows; text: Rows };
  const shuffled = {
    scalars: inputs.scalars,
    rows: { image: permuted(image), text: permuted(text) },
  };
  const { logU } = fixed;
  const again = valueAndGradients(
    shuffled,
    objective({ logU: { image: permuted(logU.image), text: permuted(logU.text) } }),
  );
  assertClose([again.loss], [whole.loss], { rtol: 1e-12 });
  const swapped = { scalars: inputs.scalars, rows: { image: text, text: image } };
  const turned = valueAndGradients(
    swapped,
    objective({ logU: { image: logU.text, text: logU.image } }),
  );
  assertClose([turned.loss], [whole.loss], { rtol: 1e-12 });
});

test("a logit scale of 100 stays finite in float32, where exp(h / T) overflows", () => {
  const image = tensor([1, 0, -1, 0, 0, 1]).reshape(3, 2).setRequiresGrad(true);
  const text = tensor([-1, 0, 1, 0, 0, 1]).reshape(3, 2).setRequiresGrad(true);
  const logitScale = tensor(100).setRequiresGrad(true);
  for (const chunkSize of [1, 3]) {
    const unseen = tensor([-Infinity, -Infinity, -Infinity]);
    const { loss, logG } = globalContrastive(image, text, {
      logitScale,
      chunkSize,
      denominators: (log) => ({
        image: movingAverage(unseen, log.image, 0.2),
        text: movingAverage(unseen, log.text, 0.2),
      }),
    });
    backward(loss);
    assertClose([loss.item()], [1], { rtol: 1e-4 });
    assertClose([logG.image.toFloat32Array()[0] ?? NaN], [200 - Math.log(2)], { rtol: 1e-6 });
    assert.ok(image.grad?.isFinite().all().item());
    assert.ok(logitScale.grad?.isFinite().all().item());
  }
});

test("nothing is left behind, with or without a backward pass", () => {
  const step = (): void =>
    scope(() => {
      manualSeed(1);
      const rows = (): Tensor => randn([4, 3]).setRequiresGrad(true);
      const options = { logitScale: tensor(5), denominators: fresh };
      backward(globalContrastive(rows(), rows(), options).loss);
      noGrad(() => void globalContrastive(rows(), rows(), options));
    });
  step();
  const before = memory();
  step();
  assert.deepEqual(memory(), before);
});

test("the chunked form never needs memory for an N x N matrix", () => {
  const n = 8192;
  manualSeed(4);
  scope(() => {
    const [image, text] = [0, 1].map(() => randn([n, 4]).setRequiresGrad(true)) as [Tensor, Tensor];
    const options = { logitScale: tensor(1), denominators: fresh, chunkSize: 64 };
    const before = process.resourceUsage().maxRSS;
    backward(globalContrastive(image, text, options).loss);
    const grown = (process.resourceUsage().maxRSS - before) * 1024;
    // One N x N float32 matrix is 268 MB; a chunk of 64 rows is 2 MB.
    assert.ok(grown < 100e6, `the peak grew by ${grown} bytes`);
  });
});
