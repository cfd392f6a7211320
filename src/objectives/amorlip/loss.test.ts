import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { dot, unitRows } from "../../../test/support/objective-check.ts";
import {
  backward,
  fromData,
  memory,
  noGrad,
  scope,
  tensor,
  type Tensor,
} from "../../torch/index.ts";
import {
  addPositives,
  amorlip,
  combineLogTargets,
  logPartitions,
  type AmorlipOptions,
} from "./loss.ts";
import { softmaxContrastive } from "../clip.ts";

interface Case {
  image: number[][];
  text: number[][];
  /** ln lambda, [N] each. */
  lambda: { image: number[]; text: number[] };
  scale: number;
  positive: number;
  options: Omit<AmorlipOptions, "logitScale">;
}

/**
 * arXiv:2505.18983, Eq. 6 with its temperature terms in plain loops. `frozen` is the scale that the
 * gradient does not see, and `frozenPairs` the mean of the pairs' logits that it does not see.
 */
function naive(given: Case, frozen = given.scale, frozenPairs?: number): number {
  const { image, text, lambda, scale, positive, options } = given;
  const { scaleLoss = true, rho = 0, adaptiveTemperature = false } = options;
  const n = image.length;
  const meanPair = (at: number): number =>
    image.reduce((sum, row, i) => sum + at * dot(row, text[i] as number[]), 0) / n;
  let loss = -2 * meanPair(scale);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const weight = i === j ? positive : 1;
      const logit = scale * dot(image[i] as number[], text[j] as number[]);
      loss += (weight * Math.exp(logit - (lambda.image[i] as number))) / n;
      loss += (weight * Math.exp(logit - (lambda.text[j] as number))) / n;
    }
  }
  if (scaleLoss) loss = loss / frozen + rho / scale;
  if (adaptiveTemperature) {
    const logs = lambda.image.reduce((sum, a, i) => sum + a + (lambda.text[i] as number), 0) / n;
    const pairs = frozenPairs ?? meanPair(scale);
    loss += (logs - 2 * pairs - 2 * Math.log(n)) / scale;
  }
  return loss;
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
}

const leaf = (rows: number[][]): Tensor =>
  fromData(Float64Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]).setRequiresGrad(
    true,
  );
const vector = (values: number[]): Tensor => fromData(Float64Array.from(values));
const scalar = (value: number): Tensor =>
  fromData(Float64Array.of(value), []).setRequiresGrad(true);

interface Leaves {
  image: Tensor;
  text: Tensor;
  logitScale: Tensor;
}

function leavesOf({ image, text, scale }: Case): Leaves {
  return { image: leaf(image), text: leaf(text), logitScale: scalar(scale) };
}

function ours({ image, text, logitScale }: Leaves, given: Case, chunkSize?: number): Tensor {
  const partitions = logPartitions(image, text, {
    logitScale,
    positiveCoefficient: given.positive,
    ...(chunkSize === undefined ? {} : { chunkSize }),
  });
  const logLambda = { image: vector(given.lambda.image), text: vector(given.lambda.text) };
  return amorlip(partitions, logLambda, { logitScale, ...given.options });
}

function makeCase(n: number, dim: number, scale: number, rest: Partial<Case> = {}): Case {
  const next = randomNumbers(n + dim);
  const around = (): number[] => Array.from({ length: n }, () => scale / 3 + Math.log(n) + next());
  return {
    image: unitRows(n, dim, 11),
    text: unitRows(n, dim, 23),
    lambda: { image: around(), text: around() },
    scale,
    positive: 1e-3,
    options: {},
    ...rest,
  };
}

/** Central differences of the naive form in every coordinate. */
function slopes(given: Case): { image: number[]; text: number[]; scale: number } {
  const h = 1e-6;
  const pairs =
    given.image.reduce((sum, row, i) => sum + dot(row, given.text[i] as number[]), 0) /
    given.image.length;
  const value = (): number => naive(given, scale, scale * pairs);
  const { scale } = given;
  const slope = (row: number[], d: number): number => {
    const before = row[d] as number;
    row[d] = before + h;
    const up = value();
    row[d] = before - h;
    const down = value();
    row[d] = before;
    return (up - down) / (2 * h);
  };
  const all = (rows: number[][]): number[] =>
    rows.flatMap((row) => row.map((_, d) => slope(row, d)));
  const at = (changed: number): number => naive({ ...given, scale: changed }, scale, scale * pairs);
  return {
    image: all(given.image),
    text: all(given.text),
    scale: (at(scale + h) - at(scale - h)) / (2 * h),
  };
}

test("refuses batches, weights and options that have no meaning", () => {
  const logitScale = scalar(1);
  const one = leaf([[1, 0]]);
  const [three, four] = [leaf(unitRows(3, 4, 1)), leaf(unitRows(3, 5, 1))];
  const options = { logitScale, positiveCoefficient: 1 };
  assert.throws(() => logPartitions(one, one, options), /at least two pairs/);
  assert.throws(() => logPartitions(three, four, options), { name: "ShapeError" });
  assert.throws(() => logPartitions(three, three, { ...options, chunkSize: 0 }), /chunkSize/);
  assert.throws(
    () => logPartitions(three, three, { logitScale, positiveCoefficient: 1.5 }),
    /\[0, 1\] for positiveCoefficient but received 1.5/,
  );
  const partitions = logPartitions(three, three, options);
  const logLambda = { image: vector([1, 2, 3]), text: vector([1, 2]) };
  assert.throws(() => amorlip(partitions, logLambda, { logitScale }), {
    name: "ShapeError",
    message: /\[3\] for logLambda.text but received \[2\]/,
  });
  assert.throws(
    () => amorlip(partitions, partitions, { logitScale, scaleLoss: false, rho: 2 }),
    /no rho without scaleLoss/,
  );
  assert.throws(() => combineLogTargets(logLambda.image, logLambda.image, 1.01), /beta/);
});

const cases: [string, Case][] = [
  ["N = 2", makeCase(2, 3, 5)],
  ["positives whole", makeCase(7, 5, 14.3, { positive: 1 })],
  ["no positives", makeCase(7, 5, 14.3, { positive: 0 })],
  ["unscaled", makeCase(6, 4, 9, { options: { scaleLoss: false } })],
  ["rho", makeCase(6, 4, 9, { options: { rho: 8.5 } })],
  ["adaptive", makeCase(6, 4, 9, { options: { rho: -8, adaptiveTemperature: true } })],
  [
    "adaptive, unscaled",
    makeCase(5, 4, 9, { options: { scaleLoss: false, adaptiveTemperature: true } }),
  ],
];

for (const [name, given] of cases) {
  for (const chunkSize of [undefined, 1, 3, 50]) {
    const form = chunkSize === undefined ? "whole" : `chunks of ${chunkSize}`;
    test(`value and gradient equal the naive float64 form: ${name}, ${form}`, () => {
      const leaves = leavesOf(given);
      const loss = ours(leaves, given, chunkSize);
      assertClose([loss.item()], [naive(given)], { rtol: 1e-12, atol: 1e-12 });
      backward(loss);
      const numeric = slopes(given);
      const close = { rtol: 1e-6, atol: 1e-8 };
      const { image, text, logitScale } = leaves;
      assertClose(image.grad?.toFloat64Array() ?? [], numeric.image, close, "image");
      assertClose(text.grad?.toFloat64Array() ?? [], numeric.text, close, "text");
      assertClose([logitScale.grad?.item() ?? NaN], [numeric.scale], close, "scale");
    });
  }
}

test("with the batch's own sums the gradient is twice CLIP's, at any scale", () => {
  for (const scale of [1, 14.3, 100]) {
    const given = makeCase(8, 5, scale);
    const [a, b] = [leavesOf(given), leavesOf(given)];
    const { logitScale } = a;
    const partitions = logPartitions(a.image, a.text, { logitScale, positiveCoefficient: 1 });
    backward(amorlip(partitions, partitions, { logitScale, scaleLoss: false }));
    backward(softmaxContrastive(b.image, b.text, { logitScale: b.logitScale }).mul(2));
    const close = { rtol: 1e-9, atol: 1e-11 };
    for (const key of ["image", "text", "logitScale"] as const) {
      const [mine, clip] = [a[key].grad, b[key].grad].map((grad) => grad?.toFloat64Array() ?? []);
      assertClose(mine ?? [], clip ?? [], close, key);
    }
  }
});

test("the loss does not see the order of the pairs, nor which side is which", () => {
  const given = makeCase(6, 4, 12);
  const order = [3, 1, 5, 0, 4, 2];
  const permuted = <T>(values: T[]): T[] => order.map((i) => values[i] as T);
  const other: Case = {
    ...given,
    image: permuted(given.image),
    text: permuted(given.text),
    lambda: { image: permuted(given.lambda.image), text: permuted(given.lambda.text) },
  };
  const swapped: Case = {
    ...given,
    image: given.text,
    text: given.image,
    lambda: { image: given.lambda.text, text: given.lambda.image },
  };
  const value = (of: Case): number => ours(leavesOf(of), of).item();
  assertClose([value(other), value(swapped)], [value(given), value(given)], { rtol: 1e-12 });
});

test("each part of the chunked form passes its own gradient on, also where others are unused", () => {
  const given = makeCase(7, 3, 10);
  for (const part of ["image", "text", "pairs"] as const) {
    const gradients = [undefined, 3].map((chunkSize) => {
      const { image, text, logitScale } = leavesOf(given);
      const chunks = chunkSize === undefined ? {} : { chunkSize };
      const all = logPartitions(image, text, { logitScale, positiveCoefficient: 0.5, ...chunks });
      backward(all[part].mul(vector([1, -2, 3, 0.5, 0, 4, -1])).sum());
      return [image, text, logitScale].map((x) => [...(x.grad?.toFloat64Array() ?? [])]);
    });
    const [whole, chunked] = gradients.map((found) => found.flat());
    assertClose(chunked ?? [], whole ?? [], { rtol: 1e-10, atol: 1e-12 }, part);
  }
});

test("targets mix in linear space, by logarithms that no scale overflows", () => {
  const [batch, previous] = [vector([1, 2, 300]), vector([3, -4, 900])];
  const mixed = combineLogTargets(batch, previous, 0.3);
  const expected = [
    Math.log(0.7 * Math.exp(1) + 0.3 * Math.exp(3)),
    Math.log(0.7 * Math.exp(2) + 0.3 * Math.exp(-4)),
    Math.log(0.3) + 900,
  ];
  assertClose(mixed.toFloat64Array(), expected, { rtol: 1e-14 });
  const plain = [0, 1].map((beta) => [
    ...combineLogTargets(batch, previous, beta).toFloat64Array(),
  ]);
  assert.deepEqual(plain, [
    [1, 2, 300],
    [3, -4, 900],
  ]);
});

test("the own pair put in afterwards is the own pair in the sum", () => {
  const { image, text, logitScale } = leavesOf(makeCase(5, 4, 30));
  for (const coefficient of [0, 1e-3, 1]) {
    const sums = (positiveCoefficient: number) =>
      logPartitions(image, text, { logitScale, positiveCoefficient });
    const [without, within] = [sums(0), sums(coefficient)];
    for (const side of ["image", "text"] as const) {
      const added = addPositives(without[side], without.pairs, coefficient);
      assertClose(added.toFloat64Array(), within[side].toFloat64Array(), { rtol: 1e-12 });
    }
  }
});

test("value and gradient stay finite in float32 at logits of +-100", () => {
  const rows = [1, 0, 1, 0, -1, 0];
  for (const chunkSize of [undefined, 2]) {
    for (const positiveCoefficient of [0, 1e-3, 1]) {
      const image = tensor(rows).reshape(3, 2).setRequiresGrad(true);
      const text = tensor([-1, 0, 1, 0, 1, 0]).reshape(3, 2).setRequiresGrad(true);
      const logitScale = tensor(100).setRequiresGrad(true);
      const chunks = chunkSize === undefined ? {} : { chunkSize };
      const partitions = logPartitions(image, text, { logitScale, positiveCoefficient, ...chunks });
      const older = tensor([107, 0, 50]);
      const logLambda = {
        image: combineLogTargets(partitions.image.detach(), older, 0.8),
        text: combineLogTargets(partitions.text.detach(), older, 0.8),
      };
      const loss = amorlip(partitions, logLambda, { logitScale, rho: 8.5 });
      backward(loss);
      for (const value of [loss, image.grad, text.grad, logitScale.grad]) {
        assert.ok(value?.isFinite().all().item());
      }
      // s_ii = -100, 100, -100, the sums of images and texts by hand.
      const w = positiveCoefficient;
      const sums = [
        [w * Math.exp(-100) + 2 * Math.exp(100)],
        [Math.exp(-100) + (w + 1) * Math.exp(100)],
      ];
      assertClose(partitions.image.toFloat64Array().slice(0, 2), sums.flat().map(Math.log), {
        rtol: 1e-6,
      });
    }
  }
});

test("the chunked form frees what it holds with the backward pass, and holds nothing without one", () => {
  const given = makeCase(9, 4, 9);
  const step = (): void => {
    scope(() => backward(ours(leavesOf(given), given, 2)));
    scope(() => noGrad(() => void ours(leavesOf(given), given, 2)));
  };
  step();
  const before = memory();
  step();
  assert.deepEqual(memory(), before);
});

test("the chunked form never needs memory for an N x N matrix", () => {
  const n = 16_384;
  scope(() => {
    const rows = unitRows(n, 4, 3);
    const [image, text] = [rows, rows].map((r) =>
      leaf(r).to("float32").detach().setRequiresGrad(true),
    );
    const logitScale = tensor(3).setRequiresGrad(true);
    const before = process.resourceUsage().maxRSS;
    const partitions = logPartitions(image as Tensor, text as Tensor, {
      logitScale,
      positiveCoefficient: 1e-3,
      chunkSize: 64,
    });
    backward(amorlip(partitions, partitions, { logitScale }));
    const grown = (process.resourceUsage().maxRSS - before) * 1024;
    // One N x N float32 matrix is 1,074 MB; a chunk of 64 rows is 4 MB.
    assert.ok(grown < 200e6, `the peak grew by ${grown} bytes`);
  });
});
