import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import {
  checkObjective,
  dot,
  leafOf,
  logSumExp,
  unitRows,
  type Rows,
} from "../../../test/support/objective-check.ts";
import { backward, fromData, randn, scope, tensor, zeros, type Tensor } from "../../torch/index.ts";
import { adagradStep, limitedNormalizer, normalizerLoss, prototypeNormalizer } from "./loss.ts";

const vector = (values: readonly number[]): Tensor => fromData(Float64Array.from(values));

test("refuses prototypes and pairs of other shapes", () => {
  const options = { logitScale: tensor(10), epsilon: 0 };
  const [anchors, pairs] = [randn([3, 4]), randn([3])];
  const wrong = { name: "ShapeError", message: /anchors \[N, D\], pairs \[N\] and prototypes/ };
  assert.throws(() => prototypeNormalizer(anchors, pairs, randn([5, 3]), options), wrong);
  assert.throws(() => prototypeNormalizer(anchors, randn([2]), randn([5, 4]), options), wrong);
});

test("the variational form is log(eps + g) at its minimum a = log(eps + g), and above elsewhere", () => {
  const logG = [-20, -1, 0, 3, 150];
  for (const shift of [0, -2, 0.5, 1e-4]) {
    const a = leafOf([logG.map((value) => value + shift)]);
    const loss = normalizerLoss(a.reshape(5), vector(logG));
    // e^-a G + a - 1 - log G = e^-shift + shift - 1
    const mean = logG.reduce((sum, value) => sum + value) / 5;
    const excess = Math.exp(-shift) + shift - 1;
    assertClose([loss.item()], [mean + excess], { rtol: 1e-12, atol: 1e-12 });
    backward(loss);
    const slope = (1 - Math.exp(-shift)) / 5;
    assertClose(
      a.grad?.toFloat64Array() ?? [],
      logG.map(() => slope),
      { rtol: 1e-9, atol: 1e-15 },
    );
  }
});

test("gradient steps on a alone reach log(eps + g)", () => {
  const target = [-3, 0.5, 4];
  const a = leafOf([[0, 0, 0]]);
  for (let k = 0; k < 400; k++) {
    scope(() => {
      backward(normalizerLoss(a.reshape(3), vector(target)));
      const gradient = a.grad as Tensor;
      a.detach().add_(gradient.clamp(-0.3, 0.3), -1);
      a.grad = null;
    });
  }
  assertClose(a.toFloat64Array(), target, { rtol: 1e-6, atol: 1e-6 });
});

test("a far below its target has a limited slope, not an infinite one", () => {
  const a = tensor([-100, 0]).setRequiresGrad(true);
  const loss = normalizerLoss(a, tensor([100, 0]), 1e6);
  backward(loss);
  assert.ok(Number.isFinite(loss.item()));
  assertClose(a.grad?.toFloat32Array() ?? [], [-(1e6 - 1) / 2, 0], { rtol: 1e-5 });
  const limited = limitedNormalizer(vector([0, 9]), vector([10, 1]), 100);
  assertClose(limited.toFloat64Array(), [10 - Math.log(100), 9], { rtol: 1e-14 });
});

test("the prototype network equals the naive form, value and gradient, also where 1 / T is 100", () => {
  const [anchors, texts] = [unitRows(5, 4, 2), unitRows(5, 4, 9)];
  const pairs = anchors.map((row, i) => dot(row, texts[i] as number[]));
  const prototypes = unitRows(7, 4, 4).map((row, j) => row.map((x) => x * (0.5 + j)));
  for (const [scale, epsilon] of [
    [3, 0],
    [3, 0.1],
    [100, 1e-14],
  ] as const) {
    const weights = vector([1, -2, 0.5, 3, 1]);
    checkObjective({
      inputs: { rows: { prototypes }, scalars: {} },
      reference: ({ rows }) => {
        const a = anchors.map((row, i) => {
          const terms = (rows["prototypes"] as Rows).map(
            (w) => scale * (dot(row, w) / Math.hypot(...w) - (pairs[i] as number)),
          );
          const mean = logSumExp(terms) - Math.log(terms.length);
          return epsilon === 0 ? mean : logSumExp([mean, Math.log(epsilon)]);
        });
        return a.reduce((sum, x, i) => sum + x * ([1, -2, 0.5, 3, 1][i] as number), 0);
      },
      objective: (leaves) =>
        prototypeNormalizer(
          leafOf(anchors).detach(),
          vector(pairs),
          leaves["prototypes"] as Tensor,
          { logitScale: vector([scale]).reshape(), epsilon },
        )
          .mul(weights)
          .sum(),
      gradient: { rtol: 1e-6, atol: 1e-6 },
    });
  }
});

test("where the prototypes are the batch's negatives, the network is exact", () => {
  const negatives = unitRows(6, 3, 1);
  const [anchor, pair] = [unitRows(1, 3, 5), 0.25];
  const a = prototypeNormalizer(leafOf(anchor), vector([pair]), leafOf(negatives), {
    logitScale: vector([20]).reshape(),
    epsilon: 0,
  });
  const h = negatives.map((row) => 20 * (dot(anchor[0] as number[], row) - pair));
  assertClose(a.toFloat64Array(), [logSumExp(h) - Math.log(6)], { rtol: 1e-12 });
});

test("AdaGrad divides by the root of all squared gradients", () => {
  const [w, sums] = [vector([1, 2]), zeros([2], { dtype: "float64" })];
  adagradStep(w, sums, vector([3, -4]), 0.1);
  assertClose(w.toFloat64Array(), [0.9, 2.1], { rtol: 1e-9 });
  adagradStep(w, sums, vector([4, 0]), 0.1);
  assertClose(w.toFloat64Array(), [0.9 - 0.08, 2.1], { rtol: 1e-9 });
  assertClose(sums.toFloat64Array(), [25, 16], { rtol: 1e-12 });
});
