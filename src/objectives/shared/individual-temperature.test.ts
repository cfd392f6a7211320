import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClose } from "../../../test/support/close.ts";
import { fromData, type Tensor } from "../../torch/index.ts";
import { adamStep } from "../fastclip.ts";
import { momentumStep } from "../isogclr.ts";
import { temperatureGradient } from "./global-objective.ts";

const vector = (...values: number[]): Tensor => fromData(Float64Array.from(values));
const numbers = (of: Tensor): Float64Array => of.toFloat64Array();

test("the gradient is that of T (log(eps + g) + rho) where u = g, and limited", () => {
  // One anchor with similarities h to 3 negatives.
  const [h, rho] = [[-0.3, 0.1, -1], 2];
  const objective = (T: number): number =>
    T * (Math.log(h.reduce((sum, x) => sum + Math.exp(x / T), 0) / 3) + rho);
  for (const T of [0.05, 0.3, 1]) {
    const weights = h.map((x) => Math.exp(x / T));
    const total = weights.reduce((a, b) => a + b);
    const moment = h.reduce((sum, x, j) => sum + ((weights[j] as number) * x) / T / total, 0);
    const logG = vector(Math.log(total / 3));
    const found = temperatureGradient(logG, vector(moment), { rho, limit: 100 });
    const slope = (objective(T + 1e-6) - objective(T - 1e-6)) / 2e-6;
    assertClose(numbers(found), [slope], { rtol: 1e-7, atol: 1e-8 });
  }
  const steep = temperatureGradient(vector(50, -50, 1), vector(0, 0, 0.5), { rho, limit: 5 });
  assert.deepEqual([...numbers(steep)], [5, -5, 2.5]);
});

test("momentum: the running mean of the gradient moves temperatures within their bounds", () => {
  const options = { learningRate: 0.1, beta: 0.75, min: 0.05, max: 0.5 };
  const state = { temperature: vector(0.2, 0.1, 0.45), momentum: vector(0.4, 0, 0) };
  const { temperature, momentum } = momentumStep(state, vector(0.8, 2, -4), options);
  assertClose(numbers(momentum), [0.7, 1.5, -3], { rtol: 1e-14 });
  assertClose(numbers(temperature), [0.13, 0.05, 0.5], { rtol: 1e-14 });
});

test("Adam: a first epoch without memory, then corrected by the epochs", () => {
  const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, min: 0.01, max: 1 };
  const zero = { temperature: vector(0.2, 0.2), momentum: vector(0, 0), squares: vector(0, 0) };
  const first = adamStep(zero, vector(3, -0.5), { ...options, epoch: 0 });
  assertClose(numbers(first.temperature), [0.19, 0.21], { rtol: 1e-7 });
  assertClose(numbers(first.squares), [9, 0.25], { rtol: 1e-14 });
  const second = adamStep(first, vector(1, -0.5), { ...options, epoch: 1 });
  const [mean, square] = [0.9 * 3 + 0.1 * 1, 0.99 * 9 + 0.01 * 1];
  const step = mean / (1 - 0.81) / Math.sqrt(square / (1 - 0.9801));
  assertClose(numbers(second.temperature).slice(0, 1), [0.19 - 0.01 * step], { rtol: 1e-7 });
});
