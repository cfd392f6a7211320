import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import {
  checkObjective,
  leafOf,
  logitRows,
  logSumExp,
  transposed,
  unitRows,
  valueAndGradients,
  type Inputs,
} from "../../test/support/objective-check.ts";
import { backward, manualSeed, randn, scope, tensor, type Tensor } from "../torch/index.ts";
import { cyclip, type CyclipOptions } from "./cyclip.ts";
import { softmaxContrastive } from "./clip.ts";

type Options = Omit<CyclipOptions, "logitScale">;

/** CLIP's loss and both regularisers in plain loops. */
const naive =
  ({ inModalWeight = 0.25, crossModalWeight = 0.25 }: Options) =>
  ({ rows, scalars }: Inputs): number => {
    const { image = [], text = [] } = rows;
    const n = image.length;
    const cosines = logitRows(image, text);
    const logits = logitRows(image, text, scalars["logitScale"]);
    const contrastive = [logits, transposed(logits)]
      .flatMap((matrix) => matrix.map((row, i) => logSumExp(row) - (row[i] as number)))
      .reduce((sum, value) => sum + value / (2 * n), 0);
    const meanSquare = (a: number[][], b: number[][]): number =>
      a
        .flatMap((row, i) => row.map((value, j) => (value - (b[i]?.[j] as number)) ** 2))
        .reduce((sum, square) => sum + square / (n * n), 0);
    const inModal = meanSquare(logitRows(image, image), logitRows(text, text));
    const crossModal = meanSquare(cosines, transposed(cosines));
    return contrastive + n * (inModalWeight * inModal + crossModalWeight * crossModal);
  };

const objective =
  (options: Options) =>
  ({ image, text, logitScale }: Record<string, Tensor>): Tensor =>
    cyclip(image as Tensor, text as Tensor, { logitScale: logitScale as Tensor, ...options });

test("refuses weights below 0, and what every objective refuses", () => {
  const rows = leafOf(unitRows(3, 4, 1));
  const run = (text: Tensor, options: Options): Tensor =>
    objective(options)({ image: rows, text, logitScale: tensor(1) });
  assert.throws(() => run(rows, { inModalWeight: -1 }), /at least 0 for inModalWeight/);
  assert.throws(() => run(rows, { crossModalWeight: NaN }), /at least 0 for crossModalWeight/);
  assert.throws(() => run(leafOf(unitRows(2, 4, 1)), {}), { name: "ShapeError" });
  assert.throws(() => run(rows, { chunkSize: 0 }), /chunkSize/);
});

for (const [n, dim, chunkSize] of [
  [1, 3, undefined],
  [2, 4, undefined],
  [7, 5, undefined],
  [1, 3, 1],
  [7, 5, 3],
  [8, 3, 4],
  [5, 9, 50],
] as const) {
  test(`value and gradient equal the naive form: N = ${n}, chunkSize = ${chunkSize}`, () => {
    for (const weights of [
      {},
      { inModalWeight: 3, crossModalWeight: 0 },
      { inModalWeight: 0, crossModalWeight: 3 },
    ]) {
      for (const logitScale of [1, 100]) {
        checkObjective({
          inputs: {
            rows: { image: unitRows(n, dim, 3), text: unitRows(n, dim, 8) },
            scalars: { logitScale },
          },
          reference: naive(weights),
          objective: objective(chunkSize === undefined ? weights : { ...weights, chunkSize }),
        });
      }
    }
  });
}

test("permuting the pairs or swapping the sides leaves the loss alone", () => {
  const [a, b] = [unitRows(6, 4, 5), unitRows(6, 4, 6)];
  const loss = (image: number[][], text: number[][]): number =>
    valueAndGradients(
      { rows: { image, text }, scalars: { logitScale: 10 } },
      objective({ chunkSize: 4 }),
    ).loss;
  const permuted = (rows: number[][]): number[][] =>
    [3, 1, 5, 0, 4, 2].map((i) => rows[i] as number[]);
  assertClose([loss(permuted(a), permuted(b))], [loss(a, b)], { rtol: 1e-12 });
  assertClose([loss(b, a)], [loss(a, b)], { rtol: 1e-12 });
});

test("equal towers leave CLIP's loss alone, and weights of 0 leave its gradient too", () => {
  const rows = unitRows(6, 4, 5);
  const clip = ({ image, text, logitScale }: Record<string, Tensor>): Tensor =>
    softmaxContrastive(image as Tensor, text as Tensor, { logitScale: logitScale as Tensor });
  const scalars = { logitScale: 10 };
  for (const options of [{}, { chunkSize: 4 }]) {
    const equal = { rows: { image: rows, text: rows }, scalars };
    assertClose(
      [valueAndGradients(equal, objective(options)).loss],
      [valueAndGradients(equal, clip).loss],
      { rtol: 1e-12 },
    );
    const inputs = { rows: { image: rows, text: unitRows(6, 4, 9) }, scalars };
    const none = { ...options, inModalWeight: 0, crossModalWeight: 0 };
    assertClose(
      valueAndGradients(inputs, objective(none)).gradients,
      valueAndGradients(inputs, clip).gradients,
      { rtol: 1e-9, atol: 1e-12 },
    );
  }
});

test("the moments do not cancel in float32 where the towers nearly agree", () => {
  manualSeed(8);
  scope(() => {
    const unit = (x: Tensor): Tensor => x.div(x.norm([1], true));
    const image = unit(randn([200, 16])).setRequiresGrad(true);
    const text = unit(image.detach().add(randn([200, 16]).mul(1e-3))).setRequiresGrad(true);
    const logitScale = tensor(0);
    const run = (options: Options): number[] => {
      const loss = objective(options)({ image, text, logitScale });
      backward(loss);
      const found = [loss.item() - Math.log(200), ...(image.grad?.toFloat64Array() ?? [])];
      image.grad = null;
      text.grad = null;
      return found;
    };
    const [whole, chunked] = [run({}), run({ chunkSize: 64 })];
    const largest = Math.max(...whole.slice(1).map(Math.abs));
    assertClose(chunked.slice(1), whole.slice(1), { rtol: 0, atol: 2e-4 * largest });
  });
});

test("logits of +-100 stay finite in float32", () => {
  for (const options of [{}, { chunkSize: 1 }]) {
    const image = tensor([1, 0, -1, 0]).reshape(2, 2).setRequiresGrad(true);
    const text = tensor([-1, 0, 1, 0]).reshape(2, 2).setRequiresGrad(true);
    const loss = objective(options)({ image, text, logitScale: tensor(100) });
    backward(loss);
    assertClose([loss.item()], [200], { rtol: 1e-6 });
    assert.ok(image.grad?.isFinite().all().item());
  }
});
