import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { backward, fromData, tensor, type Tensor } from "../../torch/index.ts";
import { amortizationLoss, amortizations, type Amortization } from "./amortization.ts";

const vector = (values: readonly number[]): Tensor => fromData(Float64Array.from(values));

/** f of arXiv:2505.18983, Eq. 4, Eq. 9 and the unbiased form. */
const generators: Record<Exclude<Amortization, "l2Log">, (t: number) => number> = {
  kl: (t) => t * Math.log(t),
  js: (t) => (t * Math.log(t) - (t + 1) * Math.log((t + 1) / 2)) / 2,
  generalizedKl: (t) => t * Math.log(t) - t + 1,
};

interface Logs {
  lambda: number[];
  sampled: number[];
  target: number[];
}

function naive(
  kind: Amortization,
  { lambda, sampled, target }: Logs,
  regularization: number,
): number {
  const n = lambda.length;
  let squared = 0;
  let divergence = 0;
  for (let i = 0; i < n; i++) {
    const [l, c, z] = [lambda[i], sampled[i], target[i]] as [number, number, number];
    squared += (l - z) ** 2 / n;
    if (kind !== "l2Log")
      divergence += (Math.exp(c - z) * generators[kind](Math.exp(z - l))) / n ** 2;
  }
  return kind === "l2Log" ? squared : divergence + regularization * squared;
}

const logs: Logs = {
  lambda: [0.3, 2.5, -1, 1.9],
  sampled: [1.1, 2, 0.2, 2.2],
  target: [0.9, 2.2, 0.4, 1.7],
};

function ours(kind: Amortization, given: Logs, regularization?: number): [Tensor, Tensor] {
  const lambda = vector(given.lambda).setRequiresGrad(true);
  const loss = amortizationLoss(lambda, {
    kind,
    logPartition: vector(given.sampled),
    logTarget: vector(given.target),
    ...(regularization === undefined ? {} : { regularization }),
  });
  return [loss, lambda];
}

/** d(loss)/d(log lambda), where C = Z = e^`logZ` and log lambda = logZ + `shift`, of N pairs. */
function slopeAt(kind: Amortization, shift: number, n: number, regularization: number): number {
  const of = (value: number): number[] => Array.from({ length: n }, () => value);
  const [loss, lambda] = ours(
    kind,
    { lambda: of(7 + shift), sampled: of(7), target: of(7) },
    regularization,
  );
  backward(loss);
  return lambda.grad?.toFloat64Array()[0] ?? NaN;
}

test("refuses shapes that differ and a negative regularization", () => {
  const one = vector([1, 2]);
  const options = { kind: "kl", logPartition: one, logTarget: one } as const;
  assert.throws(() => amortizationLoss(vector([1]), options), {
    name: "ShapeError",
    message: /equal shape \[N\] but received \[1\] and \[2\]/,
  });
  assert.throws(() => amortizationLoss(one, { ...options, regularization: -1 }), /regularization/);
});

for (const kind of amortizations) {
  test(`${kind}: value and gradient equal the naive float64 form`, () => {
    for (const regularization of [undefined, 0, 2]) {
      const [loss, lambda] = ours(kind, logs, regularization);
      const weight = regularization ?? 0.1;
      assertClose([loss.item()], [naive(kind, logs, weight)], { rtol: 1e-12 });
      backward(loss);
      const h = 1e-6;
      const numeric = logs.lambda.map((value, i) => {
        const at = (changed: number): number =>
          naive(kind, { ...logs, lambda: logs.lambda.with(i, changed) }, weight);
        return (at(value + h) - at(value - h)) / (2 * h);
      });
      assertClose(lambda.grad?.toFloat64Array() ?? [], numeric, { rtol: 1e-6, atol: 1e-8 });
    }
  });

  test(`${kind}: its least value is where it should be`, () => {
    // The published divergence has its minimum at log Z + 1: f(t) = t log t is least at t = 1 / e.
    const least = kind === "kl" ? 1 : 0;
    assertClose([slopeAt(kind, least, 8, 0)], [0], { atol: 1e-12 });
    assert.ok(slopeAt(kind, least - 0.3, 8, 0) < 0);
    assert.ok(slopeAt(kind, least + 0.3, 8, 0) > 0);
  });

  test(`${kind}: a fresh network at a logit scale of 100 gets a finite gradient that raises it`, () => {
    const lambda = tensor([0, 0, 0.5]).setRequiresGrad(true);
    const target = tensor([107, 100, 3]);
    const loss = amortizationLoss(lambda, { kind, logPartition: target, logTarget: target });
    backward(loss);
    const gradient = lambda.grad?.toFloat64Array() ?? new Float64Array();
    assert.ok(Number.isFinite(loss.item()));
    assert.ok(gradient.every((value) => Number.isFinite(value) && value < 0));
    assert.ok(gradient.every((value) => Math.abs(value) < 1e15));
  });
}

test("kl beside the regularization is least at log Z + 0.0024 for 2,048 pairs", () => {
  assert.ok(slopeAt("kl", 0.00235, 2048, 0.1) < 0);
  assert.ok(slopeAt("kl", 0.0025, 2048, 0.1) > 0);
});

test("near the target kl and l2Log have the same curvature", () => {
  const [n, h] = [4, 1e-4];
  const curvature = (kind: Amortization): number =>
    (slopeAt(kind, h, n, 0) - slopeAt(kind, -h, n, 0)) / (2 * h);
  // f''(1) = 1 in both (Appendix B.4), here with the weights 1 / N^2 and 2 / N.
  assertClose([curvature("generalizedKl") * n], [curvature("l2Log") / 2], { rtol: 1e-6 });
});
