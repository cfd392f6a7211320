import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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
import { backward, tensor, type Tensor } from "../torch/index.ts";
import { alignContrastive, type AlignContrastiveOptions } from "./align.ts";

type Options = Omit<AlignContrastiveOptions, "temperature">;

/** Cross entropy against (1 - e) diag + e / N, in both directions. */
const naive =
  ({ labelSmoothing = 0.1, reduction = "mean" }: Options) =>
  ({ rows, scalars }: Inputs): number => {
    const { image = [], text = [] } = rows;
    const n = image.length;
    const logits = logitRows(image, text, 1 / (scalars["temperature"] as number));
    const direction = (matrix: number[][]): number =>
      matrix.reduce((total, row, i) => {
        const normalizer = logSumExp(row);
        return row.reduce((sum, logit, j) => {
          const target = labelSmoothing / n + (i === j ? 1 - labelSmoothing : 0);
          return sum - (target * (logit - normalizer)) / n;
        }, total);
      }, 0);
    const both = direction(logits) + direction(transposed(logits));
    return reduction === "sum" ? both : both / 2;
  };

const objective =
  (options: Options) =>
  ({ image, text, temperature }: Record<string, Tensor>): Tensor =>
    alignContrastive(image as Tensor, text as Tensor, {
      temperature: temperature as Tensor,
      ...options,
    });

test("refuses a smoothing of all labels, and what every objective refuses", () => {
  const rows = leafOf(unitRows(3, 4, 1));
  const run = (text: Tensor, options: Options): Tensor =>
    objective(options)({ image: rows, text, temperature: tensor(1) });
  for (const labelSmoothing of [-0.1, 1, NaN]) {
    assert.throws(() => run(rows, { labelSmoothing }), /in \[0, 1\) for labelSmoothing/);
  }
  assert.throws(() => run(leafOf(unitRows(2, 4, 1)), {}), { name: "ShapeError" });
  assert.throws(() => run(rows, { chunkSize: 0 }), /chunkSize/);
});

for (const [n, chunkSize] of [
  [1, undefined],
  [2, undefined],
  [7, undefined],
  [1, 1],
  [7, 3],
  [8, 4],
  [5, 50],
] as const) {
  test(`value and gradient equal the naive form: N = ${n}, chunkSize = ${chunkSize}`, () => {
    for (const temperature of [1, 1 / 64, 0.01]) {
      for (const chosen of [{}, { labelSmoothing: 0 }, { reduction: "sum" }] as const) {
        const options = chunkSize === undefined ? chosen : { ...chosen, chunkSize };
        checkObjective({
          inputs: {
            rows: { image: unitRows(n, 5, 3), text: unitRows(n, 5, 8) },
            scalars: { temperature },
          },
          reference: naive(chosen),
          objective: objective(options),
          // The logits change as 1 / temperature^2, and the differences' step is absolute.
          gradient: { rtol: 2e-6, atol: 1e-5 * temperature ** -1 },
        });
      }
    }
  });
}

test("chunked equals whole, to the tolerance of float64", () => {
  const inputs = {
    rows: { image: unitRows(7, 5, 3), text: unitRows(7, 5, 8) },
    scalars: { temperature: 0.01 },
  };
  const whole = valueAndGradients(inputs, objective({}));
  const chunked = valueAndGradients(inputs, objective({ chunkSize: 3 }));
  assertClose([chunked.loss], [whole.loss], { rtol: 1e-12 });
  assertClose(chunked.gradients, whole.gradients, { rtol: 1e-10, atol: 1e-12 });
});

test("equal similarities give ln N; permuting the pairs or swapping the sides changes nothing", () => {
  const scalars = { temperature: 0.1 };
  const loss = (image: number[][], text: number[][], chunkSize: number): number =>
    valueAndGradients({ rows: { image, text }, scalars }, objective({ chunkSize })).loss;
  const same = Array.from({ length: 9 }, () => [0.6, 0.8]);
  assertClose([loss(same, same, 4)], [Math.log(9)], { rtol: 1e-12 });
  const [a, b] = [unitRows(6, 4, 5), unitRows(6, 4, 6)];
  const permuted = (rows: number[][]): number[][] =>
    [3, 1, 5, 0, 4, 2].map((i) => rows[i] as number[]);
  assertClose([loss(permuted(a), permuted(b), 4)], [loss(a, b, 4)], { rtol: 1e-12 });
  assertClose([loss(b, a, 5)], [loss(a, b, 4)], { rtol: 1e-12 });
});

test("logits of +-100 stay finite in float32", () => {
  for (const options of [{}, { chunkSize: 1 }]) {
    const image = tensor([1, 0, -1, 0]).reshape(2, 2).setRequiresGrad(true);
    const text = tensor([-1, 0, 1, 0]).reshape(2, 2).setRequiresGrad(true);
    const temperature = tensor(0.01).setRequiresGrad(true);
    const loss = objective(options)({ image, text, temperature });
    backward(loss);
    // 0.95 of the target lies on the wrong pair, 200 below the other.
    assertClose([loss.item()], [190], { rtol: 1e-6 });
    assert.ok(image.grad?.isFinite().all().item());
    assert.ok(temperature.grad?.isFinite().item());
  }
});

interface Golden {
  rtol: number;
  atol: number;
  align: { inputs: Inputs; loss: number; gradients: number[] }[];
}

test("value and gradient equal the loss of transformers' AlignModel", () => {
  const golden = JSON.parse(
    readFileSync(new URL("../../../test/goldens/objectives.json", import.meta.url), "utf8"),
  ) as Golden;
  for (const { inputs, loss, gradients } of golden.align) {
    for (const options of [{}, { chunkSize: 2 }]) {
      const found = valueAndGradients(inputs, objective(options));
      assertClose([found.loss], [loss], golden);
      assertClose(found.gradients, gradients, golden);
    }
  }
});
