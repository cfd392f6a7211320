import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import {
  checkObjective,
  dot,
  leafOf,
  logitRows,
  logSumExp,
  transposed,
  unitRows,
  type Inputs,
  type Rows,
} from "../../test/support/objective-check.ts";
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

/** The equation of CLIP's Fig. 3 in plain float64 loops. */
function naive({ rows, scalars }: Inputs): number {
  const { image = [], text = [] } = rows;
  const logits = logitRows(image, text, scalars["logitScale"]);
  const columns = transposed(logits);
  let total = 0;
  for (const [i, row] of logits.entries()) {
    const own = row[i] as number;
    total += logSumExp(row) - own + logSumExp(columns[i] as number[]) - own;
  }
  return total / (2 * image.length);
}

const objective =
  (chunkSize?: number) =>
  ({ image, text, logitScale }: Record<string, Tensor>): Tensor =>
    softmaxContrastive(image as Tensor, text as Tensor, {
      logitScale: logitScale as Tensor,
      ...(chunkSize === undefined ? {} : { chunkSize }),
    });

test("refuses pairs of different shape, an empty batch and a chunk of no rows", () => {
  const [a, b] = [leafOf(unitRows(3, 4, 1)), leafOf(unitRows(3, 5, 1))];
  const logitScale = leafOf(1);
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
    for (const logitScale of [1, 14.3, 100]) {
      const rows = { image: unitRows(n, dim, 11), text: unitRows(n, dim, 23) };
      checkObjective({
        inputs: { rows, scalars: { logitScale } },
        reference: naive,
        objective: objective(chunkSize),
      });
    }
  });
}

test("joint permutation and swapping the sides leave the loss alone", () => {
  const [a, b] = [unitRows(6, 4, 5), unitRows(6, 4, 6)];
  const logitScale = leafOf(10);
  const loss = (x: number[][], y: number[][]): number =>
    softmaxContrastive(leafOf(x), leafOf(y), { logitScale }).item();
  const order = [3, 1, 5, 0, 4, 2];
  const permuted = (rows: number[][]): number[][] => order.map((i) => rows[i] as number[]);
  assertClose([loss(permuted(a), permuted(b))], [loss(a, b)], { rtol: 1e-12 });
  assertClose([loss(b, a)], [loss(a, b)], { rtol: 1e-12 });
});

test("equal similarities give ln N", () => {
  const same = Array.from({ length: 9 }, () => [0.6, 0.8]);
  for (const options of [{}, { chunkSize: 4 }]) {
    const loss = softmaxContrastive(leafOf(same), leafOf(same), {
      logitScale: leafOf(7),
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
  const rows = unitRows(512, 8, 9);
  scope(() => {
    const [image, text, logitScale] = [leafOf(rows), leafOf(rows), leafOf(20)];
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

test("contrastiveAccuracy equals counting in float64, and takes the first of equal candidates", () => {
  const count = 37;
  const image = unitRows(count, 6, 4);
  const text = unitRows(count, 6, 5).map((row, i) =>
    row.map((x, d) => 0.5 * x + (image[i] as number[])[d]!),
  );
  // Repeated captions and pictures: exact ties.
  for (const [of, from, to] of [
    [text, 3, 20],
    [text, 3, 5],
    [image, 7, 30],
    [image, 8, 9],
  ] as const) {
    of[to] = of[from] as number[];
  }
  const nearest = (query: number[], all: Rows): number => {
    const products = all.map((row) => dot(query, row));
    return products.indexOf(Math.max(...products));
  };
  const correct = (queries: Rows, all: Rows): number =>
    queries.filter((query, i) => nearest(query, all) === i).length;
  const expected = (correct(image, text) + correct(text, image)) / (2 * count);
  assert.ok(expected > 0.5 && expected < 0.95, `${expected}`);
  const [images, texts] = [image, text].map((rows) =>
    fromData(Float64Array.from(rows.flat()), [count, 6]),
  ) as [Tensor, Tensor];
  for (const chunkSize of [undefined, 1, 5, 36, 37, 100]) {
    assert.equal(contrastiveAccuracy(images, texts, chunkSize), expected);
  }
});

test("a chunkSize that would never end is refused, and so are rows that are no pairs", () => {
  const rows = fromData(Float64Array.from([1, 0, 0, 1]), [2, 2]).setRequiresGrad(true);
  const logitScale = fromData(Float64Array.of(2), []);
  for (const chunkSize of [0, -1, 1.5, NaN]) {
    const wanted = /^RangeError: Expected a positive integer for chunkSize but received/;
    assert.throws(() => contrastiveAccuracy(rows, rows, chunkSize), wanted);
    assert.throws(() => softmaxContrastive(rows, rows, { logitScale, chunkSize }), wanted);
  }
  assert.throws(() => contrastiveAccuracy(rows, rows.narrow(0, 0, 1)), /equal shape \[N, D\]/);
  assert.throws(() => contrastiveAccuracy(rows.narrow(0, 0, 0), rows.narrow(0, 0, 0)), /one pair/);
});

test("contrastiveAccuracy leaves no tensor behind", () => {
  scope(() => {
    const [image, text] = [randn([50, 4]), randn([50, 4])];
    const { tensors } = memory();
    contrastiveAccuracy(image, text, 7);
    assert.equal(memory().tensors, tensors);
  });
});

test("the chunked form frees its gradient with the backward pass, and makes none without one", () => {
  const loss = (): Tensor => {
    const [a, b] = [leafOf(unitRows(5, 4, 1)), leafOf(unitRows(5, 4, 2))];
    return softmaxContrastive(a, b, { logitScale: leafOf(9), chunkSize: 2 });
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
