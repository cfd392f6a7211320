import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import {
  checkObjective,
  leafOf,
  logitRows,
  unitRows,
  valueAndGradients,
  type Inputs,
} from "../../test/support/objective-check.ts";
import { backward, fromData, memory, scope, tensor, type Tensor } from "../torch/index.ts";
import { sigmoidContrastive } from "./siglip.ts";

/** SigLIP's equation in plain loops: a mean over images of a sum over texts. */
function naive({ rows, scalars }: Inputs): number {
  const { image = [], text = [] } = rows;
  const logits = logitRows(image, text, scalars["logitScale"], scalars["logitBias"] ?? 0);
  let total = 0;
  for (const [i, row] of logits.entries()) {
    for (const [j, logit] of row.entries()) {
      const z = i === j ? logit : -logit;
      // -log sigmoid(z), with the exponential of a number that is never positive.
      total += Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
    }
  }
  return total / image.length;
}

const objective =
  (chunkSize?: number) =>
  ({ image, text, logitScale, logitBias }: Record<string, Tensor>): Tensor =>
    sigmoidContrastive(image as Tensor, text as Tensor, {
      logitScale: logitScale as Tensor,
      ...(logitBias ? { logitBias } : {}),
      ...(chunkSize === undefined ? {} : { chunkSize }),
    });

test("refuses pairs of different shape, an empty batch and a chunk of no rows", () => {
  const logitScale = tensor(1);
  const run = (a: Tensor, b: Tensor, chunkSize?: number): Tensor =>
    objective(chunkSize)({ image: a, text: b, logitScale });
  const rows = leafOf(unitRows(3, 4, 1));
  assert.throws(() => run(rows, leafOf(unitRows(2, 4, 1))), { name: "ShapeError" });
  const none = fromData(new Float64Array(0), [0, 4]);
  assert.throws(() => run(none, none), /at least one pair/);
  assert.throws(() => run(rows, rows, 1.5), /positive integer for chunkSize but received 1.5/);
});

for (const [n, dim, chunkSize] of [
  [1, 3, undefined],
  [2, 4, undefined],
  [7, 5, undefined],
  [1, 3, 1],
  [7, 5, 3],
  [8, 3, 4],
  [5, 6, 50],
] as const) {
  test(`value and gradient equal the naive form: N = ${n}, chunkSize = ${chunkSize}`, () => {
    for (const [logitScale, logitBias] of [
      [10, -10],
      [1, 0.5],
      [100, -20],
      [100, 30],
    ] as const) {
      const rows = { image: unitRows(n, dim, 3), text: unitRows(n, dim, 8) };
      const checked = { reference: naive, objective: objective(chunkSize) };
      checkObjective({ inputs: { rows, scalars: { logitScale, logitBias } }, ...checked });
      checkObjective({ inputs: { rows, scalars: { logitScale } }, ...checked });
    }
  });
}

test("value and gradient are right at logits of +-100 in float32", () => {
  // Logits [[-100, 100], [100, -100]] with bias 0: every pair is wrong, and then every one right.
  for (const sign of [1, -1]) {
    for (const chunkSize of [undefined, 1, 2]) {
      scope(() => {
        const image = tensor([1, 0, -1, 0]).reshape(2, 2).setRequiresGrad(true);
        const text = tensor([-sign, 0, sign, 0]).reshape(2, 2).setRequiresGrad(true);
        const logitScale = tensor(100).setRequiresGrad(true);
        const logitBias = tensor(0).setRequiresGrad(true);
        const loss = objective(chunkSize)({ image, text, logitScale, logitBias });
        backward(loss);
        const inputs = {
          rows: {
            image: [
              [1, 0],
              [-1, 0],
            ],
            text: [
              [-sign, 0],
              [sign, 0],
            ],
          },
          scalars: { logitScale: 100, logitBias: 0 },
        };
        const exact = valueAndGradients(inputs, objective());
        const found = [image, text, logitScale, logitBias].flatMap((leaf) => [
          ...(leaf.grad?.toFloat64Array() ?? []),
        ]);
        assertClose([loss.item()], [sign === 1 ? 200 : 0], { rtol: 1e-6, atol: 1e-30 });
        assertClose(found, exact.gradients, { rtol: 1e-6, atol: 1e-30 });
      });
    }
  }
});

test("joint permutation leaves the loss alone, and so does swapping the sides", () => {
  const [a, b] = [unitRows(6, 4, 5), unitRows(6, 4, 6)];
  const scalars = { logitScale: 10, logitBias: -3 };
  const loss = (image: number[][], text: number[][]): number =>
    valueAndGradients({ rows: { image, text }, scalars }, objective(4)).loss;
  const order = [3, 1, 5, 0, 4, 2];
  const permuted = (rows: number[][]): number[][] => order.map((i) => rows[i] as number[]);
  assertClose([loss(permuted(a), permuted(b))], [loss(a, b)], { rtol: 1e-12 });
  assertClose([loss(b, a)], [loss(a, b)], { rtol: 1e-12 });
});

test("logits of 0 give N ln 2, and a constant added to all logits changes the loss", () => {
  const rows = { image: unitRows(9, 4, 1), text: unitRows(9, 4, 2) };
  const loss = (logitBias: number): number =>
    valueAndGradients({ rows, scalars: { logitScale: 0, logitBias } }, objective(4)).loss;
  assertClose([loss(0)], [9 * Math.log(2)], { rtol: 1e-12 });
  assert.ok(Math.abs(loss(1) - loss(0)) > 1);
});

test("the chunked form holds its gradients only, computes those that are wanted, and frees them", () => {
  const step = (): void =>
    scope(() => {
      const image = fromData(Float64Array.from(unitRows(512, 8, 9).flat()), [512, 8]);
      const [text, logitScale] = [leafOf(unitRows(512, 8, 4)), leafOf(20)];
      const before = memory().bytes;
      const loss = objective(16)({ image, text, logitScale, logitBias: tensor(-10) });
      // One gradient of [512, 8] float64, not two: the image's side is locked.
      assert.ok(memory().bytes - before < 40_000, `holds ${memory().bytes - before} bytes`);
      backward(loss);
      assert.equal(image.grad, null);
      assert.ok(text.grad && logitScale.grad);
    });
  step();
  const before = memory();
  step();
  assert.deepEqual(memory(), before);
});

const golden = JSON.parse(
  readFileSync(new URL("../../../test/goldens/objectives.json", import.meta.url), "utf8"),
) as {
  rtol: number;
  atol: number;
  sigmoid: { inputs: Inputs; loss: number; gradients: number[] }[];
};

test("value and gradient equal open_clip's SigLipLoss", () => {
  for (const { inputs, loss, gradients } of golden.sigmoid) {
    for (const chunkSize of [undefined, 2]) {
      const found = valueAndGradients(inputs, objective(chunkSize));
      assertClose([found.loss], [loss], golden);
      assertClose(found.gradients, gradients, golden);
    }
  }
});
