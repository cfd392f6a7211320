/** Checks an objective against a naive float64 form, value and gradient. Not part of the package. */
import { backward, fromData, scope, type Tensor } from "../../src/torch/index.ts";
import { assertClose, type Tolerance } from "./close.ts";

export type Rows = number[][];

/** What a reference is a function of: matrices and scalars by name. */
export interface Inputs {
  rows: Record<string, Rows>;
  scalars: Record<string, number>;
}

/** [n][dim] rows of length 1, the same for the same seed. */
export function unitRows(n: number, dim: number, seed: number): Rows {
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

export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, d) => sum + value * (b[d] as number), 0);
}

/** [N][M] scale * a . b + bias. */
export function logitRows(a: Rows, b: Rows, scale = 1, bias = 0): Rows {
  return a.map((x) => b.map((y) => scale * dot(x, y) + bias));
}

export function transposed(rows: Rows): Rows {
  return (rows[0] ?? []).map((_, j) => rows.map((row) => row[j] as number));
}

export function logSumExp(values: readonly number[]): number {
  const max = Math.max(...values);
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

/** A float64 leaf that records its gradient. */
export function leafOf(value: Rows | number): Tensor {
  const made =
    typeof value === "number"
      ? fromData(Float64Array.of(value), [])
      : fromData(Float64Array.from(value.flat()), [value.length, value[0]?.length ?? 0]);
  return made.setRequiresGrad(true);
}

export interface ObjectiveCheck {
  inputs: Inputs;
  reference: (inputs: Inputs) => number;
  objective: (tensors: Record<string, Tensor>) => Tensor;
  /** Of the value; default rtol and atol 1e-12. */
  value?: Tolerance;
  /** Of the gradients; default rtol 1e-6, atol 1e-8: what central differences can show. */
  gradient?: Tolerance;
}

/** Asserts that value and every gradient equal the reference's, whose gradient is measured. */
export function checkObjective({
  inputs,
  reference,
  objective,
  value = { rtol: 1e-12, atol: 1e-12 },
  gradient = { rtol: 1e-6, atol: 1e-8 },
}: ObjectiveCheck): void {
  scope(() => {
    const leaves = leavesOf(inputs);
    const loss = objective(leaves);
    assertClose([loss.item()], [reference(inputs)], value, "loss");
    backward(loss);
    for (const [name, slopes] of Object.entries(centralDifferences(inputs, reference))) {
      const found = leaves[name]?.grad?.toFloat64Array() ?? [];
      assertClose(found, slopes, gradient, `gradient of ${name}`);
    }
  });
}

export function leavesOf({ rows, scalars }: Inputs): Record<string, Tensor> {
  const entries = [...Object.entries(rows), ...Object.entries(scalars)];
  return Object.fromEntries(entries.map(([name, value]) => [name, leafOf(value)]));
}

/** The value and gradients of an objective in the inputs' order, as plain numbers. */
export function valueAndGradients(
  inputs: Inputs,
  objective: (tensors: Record<string, Tensor>) => Tensor,
): { loss: number; gradients: number[] } {
  return scope(() => {
    const leaves = leavesOf(inputs);
    const loss = objective(leaves);
    backward(loss);
    const gradients = Object.values(leaves).flatMap((leaf) => [
      ...(leaf.grad?.toFloat64Array() ?? []),
    ]);
    return { loss: loss.item(), gradients };
  });
}

function centralDifferences(
  { rows, scalars }: Inputs,
  reference: (inputs: Inputs) => number,
): Record<string, number[]> {
  const h = 1e-6;
  const slope = (move: (by: number) => void): number => {
    move(h);
    const up = reference({ rows, scalars });
    move(-2 * h);
    const down = reference({ rows, scalars });
    move(h);
    return (up - down) / (2 * h);
  };
  const found: Record<string, number[]> = {};
  for (const [name, matrix] of Object.entries(rows)) {
    found[name] = matrix.flatMap((row) =>
      row.map((_, d) => slope((by) => (row[d] = (row[d] as number) + by))),
    );
  }
  for (const name of Object.keys(scalars)) {
    found[name] = [slope((by) => (scalars[name] = (scalars[name] as number) + by))];
  }
  return found;
}
