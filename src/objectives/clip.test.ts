import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import {
  backward,
  fromData,
  manualSeed,
  memory,
  randn,
  noGrad,
  scope,
  tensor,
  type Tensor,
} from "../torch/index.ts";
import { softmaxContrastive } from "./clip.ts";
import { contrastiveAccuracy } from "./shared/contrastive-accuracy.ts";

/** The equation of CLIP's Fig. 3 in plain float64 loops: the loss of rows `a` [N][D] against `b`. */
function naive(a: number[][], b: number[][], scale: number): number {
  const n = a.length;
  const logit = (i: number, j: number): number =>
    scale *
    (a[i] as number[]).reduce((sum, x, d) => sum + x * ((b[j] as number[])[d] as number), 0);
  let total = 0;
  for (let i = 0; i < n; i++) {
    const row = Array.from({ length: n }, (_, j) => logit(i, j));
    const column = Array.from({ length: n }, (_, j) => logit(j, i));
    total += logSumExp(row) - logit(i, i) + logSumExp(column) - logit(i, i);
  }
  return total / (2 * n);
}

function logSumExp(values: number[]): number {
  const max = Math.max(...values);
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

function randomRows(n: number, dim: number, seed: number): number[][] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Array.from({ length: n }, () => {
    const row = Array.from({ length: dim }, next);
    const norm = Math.hypot(...row);
    return row.map((value) => value / norm);
  });
}

const leaf = (rows: number[][]): Tensor =>
  fromData(Float64Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]).setRequiresGrad(
    true,
  );

const scaleLeaf = (value: number): Tensor =>
  fromData(Float64Array.of(value), []).setRequiresGrad(true);

test("refuses pairs of different shape, an empty batch and a chunk of no rows", () => {
  const [a, b] = [leaf(randomRows(3, 4, 1)), leaf(randomRows(3, 5, 1))];
  const logitScale = scaleLeaf(1);
  assert.throws(() => softmaxContrastive(a, b, { logitScale }), {
    name: "ShapeError",
    message: /equal shape \[N, D\] but received \[3, 4\] and \[3, 5\]/,
  });
  const none = fromData(new Float64Array(0), [0, 4]);
  assert.throws(() => softmaxContrastive(none, none, { logitScale }), /at least one pair/);
  assert.throws(() => softmaxContrastive(a, a, { logitScale, chunkSize: 0 }), /chunkSize/);
});

const sizes = [
  [1, 3, undefined],
  [2, 4, undefined],
  [7, 5, undefined],
  [7, 5, 3],
  [8, 3, 4],
  [5, 6, 1],
  [5, 6, 50],
] as const;

for (const [n, dim, chunkSize] of sizes) {
  const name = `N = ${n}, chunkSize = ${chunkSize ?? "whole"}`;
  test(`value and gradient equal the naive float64 form: ${name}`, () => {
    for (const scale of [1, 14.3, 100]) {
      const [a, b] = [randomRows(n, dim, 11), randomRows(n, dim, 23)];
      const [image, text, logitScale] = [leaf(a), leaf(b), scaleLeaf(scale)];
      const options = chunkSize === undefined ? { logitScale } : { logitScale, chunkSize };
      const loss = softmaxContrastive(image, text, options);
      assertClose([loss.item()], [naive(a, b, scale)], { rtol: 1e-12, atol: 1e-12 });
      backward(loss);
      const numeric = centralDifferences(a, b, scale);
      const tolerance = { rtol: 1e-6, atol: 1e-8 };
      assertClose(image.grad?.toFloat64Array() ?? [], numeric.a, tolerance, "gradient of image");
      assertClose(text.grad?.toFloat64Array() ?? [], numeric.b, tolerance, "gradient of text");
      assertClose([logitScale.grad?.item() ?? NaN], [numeric.scale], tolerance, "of logitScale");
    }
  });
}

function centralDifferences(
  a: number[][],
  b: number[][],
  scale: number,
): { a: number[]; b: number[]; scale: number } {
  const h = 1e-6;
  const slope = (rows: number[][], i: number, d: number): number => {
    const row = rows[i] as number[];
    const value = row[d] as number;
    row[d] = value + h;
    const up = naive(a, b, scale);
    row[d] = value - h;
    const down = naive(a, b, scale);
    row[d] = value;
    return (up - down) / (2 * h);
  };
  const all = (rows: number[][]): number[] =>
    rows.flatMap((row, i) => row.map((_, d) => slope(rows, i, d)));
  const byScale = (naive(a, b, scale + h) - naive(a, b, scale - h)) / (2 * h);
  return { a: all(a), b: all(b), scale: byScale };
}

test("joint permutation and swapping the sides leave the loss alone", () => {
  const [a, b] = [randomRows(6, 4, 5), randomRows(6, 4, 6)];
  const logitScale = scaleLeaf(10);
  const loss = (x: number[][], y: number[][]): number =>
    softmaxContrastive(leaf(x), leaf(y), { logitScale }).item();
  const order = [3, 1, 5, 0, 4, 2];
  const permuted = (rows: number[][]): number[][] => order.map((i) => rows[i] as number[]);
  assertClose([loss(permuted(a), permuted(b))], [loss(a, b)], { rtol: 1e-12 });
  assertClose([loss(b, a)], [loss(a, b)], { rtol: 1e-12 });
});

test("equal similarities give ln N", () => {
  const same = Array.from({ length: 9 }, () => [0.6, 0.8]);
  for (const options of [{}, { chunkSize: 4 }]) {
    const loss = softmaxContrastive(leaf(same), leaf(same), {
      logitScale: scaleLeaf(7),
      ...options,
    });
    assertClose([loss.item()], [Math.log(9)], { rtol: 1e-12 });
  }
});

test("logits of +-100 stay finite in float32", () => {
  const image = tensor([1, 0, -1, 0]).reshape(2, 2).setRequiresGrad(true);
  const text = tensor([-1, 0, 1, 0]).reshape(2, 2).setRequiresGrad(true);
  for (const options of [{}, { chunkSize: 1 }]) {
    const loss = softmaxContrastive(image, text, { logitScale: tensor(100), ...options });
    backward(loss);
    assertClose([loss.item()], [200], { rtol: 1e-6 });
    assert.ok(image.grad?.isFinite().all().item());
  }
});

test("the chunked form never needs memory for an N x N matrix", () => {
  const n = 16_384;
  manualSeed(4);
  scope(() => {
    const [image, text] = [randn([n, 4]), randn([n, 4])].map((rows) => rows.setRequiresGrad(true));
    const logitScale = tensor(3).setRequiresGrad(true);
    const before = process.resourceUsage().maxRSS;
    backward(softmaxContrastive(image as Tensor, text as Tensor, { logitScale, chunkSize: 64 }));
    const grown = (process.resourceUsage().maxRSS - before) * 1024;
    // One N x N float32 matrix is 1,074 MB; a chunk of 64 rows is 4 MB.
    assert.ok(grown < 200e6, `the peak grew by ${grown} bytes`);
  });
});

test("the chunked form keeps two gradients until its backward pass", () => {
  manualSeed(3);
  const rows = randomRows(512, 8, 9);
  scope(() => {
    const [image, text, logitScale] = [leaf(rows), leaf(rows), scaleLeaf(20)];
    const before = memory();
    const loss = softmaxContrastive(image, text, { logitScale, chunkSize: 16 });
    const held = memory().bytes - before.bytes;
    // Two gradients of [512, 8] float64 and scalars, far from the 2 MB of the whole matrix.
    assert.ok(held < 80_000, `holds ${held} bytes`);
    assert.ok(loss.item() > 0);
  });
});

test("contrastiveAccuracy counts both directions", () => {
  const image = tensor([1, 0, 0, 1, 0.6, 0.8]).reshape(3, 2);
  const text = tensor([1, 0, 0.6, 0.8, 0, 1]).reshape(3, 2);
  for (const chunkSize of [1, 2, 8]) {
    assertClose([contrastiveAccuracy(image, text, chunkSize)], [1 / 3], { rtol: 1e-6 });
  }
});

test("the chunked form frees its gradient with the backward pass, and makes none without one", () => {
  const loss = (): Tensor => {
    const [a, b] = [leaf(randomRows(5, 4, 1)), leaf(randomRows(5, 4, 2))];
    return softmaxContrastive(a, b, { logitScale: scaleLeaf(9), chunkSize: 2 });
  };
  const step = (): void => {
    scope(() => backward(loss()));
    scope(() => noGrad(() => void loss()));
  };
  step();
  const before = memory();
  step();
  assert.deepEqual(memory(), before);
});
