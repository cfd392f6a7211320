/**
 * Embeddings as plain arrays, and the checks that every metric makes before it counts anything.
 * Knows nothing about models, tensors or files.
 */
import { ShapeError } from "../errors.ts";

/** Rows of float32 numbers: `data` is [count, dim], row-major. */
export interface Embeddings {
  readonly data: Float32Array;
  readonly count: number;
  readonly dim: number;
}

/**
 * Rows this far from length 1 are refused. Rounding every element to bfloat16 moves a row's length
 * by at most 2^-8; anything larger means that somebody forgot to normalise.
 */
const unitTolerance = 1e-2;

/**
 * Checks that `embeddings` holds count x dim finite numbers, at least one row, `width` columns where
 * that is given, and, unless `unitRows` is false, that every row has length 1.
 *
 * throws  ShapeError if the array's length is not count x dim, or for another width; RangeError for
 *         an empty set, a number that is not finite, or a row that is not normalised (it is named)
 */
export function checkEmbeddings(
  name: string,
  embeddings: Embeddings,
  { unitRows = true, width }: { unitRows?: boolean; width?: number } = {},
): void {
  const { data, count, dim } = embeddings;
  const whole = Number.isInteger(count) && Number.isInteger(dim) && count >= 0 && dim >= 1;
  if (!whole || data.length !== count * dim) {
    throw new ShapeError(
      `Expected ${name} to hold count x dim = ${count} x ${dim} numbers but received ` +
        `${data.length}; pass one row of dim numbers for each item.`,
    );
  }
  if (width !== undefined && dim !== width) {
    throw new ShapeError(
      `Expected ${name} to have width ${width} but received ${dim}; use embeddings of one model`,
    );
  }
  if (count === 0) {
    throw new RangeError(
      `Expected at least one row for ${name} but received none; a metric of nothing is undefined.`,
    );
  }
  for (let row = 0; row < count; row++) checkRow(name, embeddings, row, unitRows);
}

function checkRow(name: string, { data, dim }: Embeddings, row: number, unitRows: boolean): void {
  const squared = squaredLength(data, row * dim, dim);
  if (!Number.isFinite(squared)) {
    throw new RangeError(
      `Expected finite numbers for ${name} but row ${row} holds NaN or infinity; ` +
        "the model has diverged or the input of that row is broken.",
    );
  }
  const length = Math.sqrt(squared);
  if (unitRows && Math.abs(length - 1) > unitTolerance) {
    throw new RangeError(
      `Expected rows of length 1 for ${name} but row ${row} has length ${length.toPrecision(4)}; ` +
        "call normalizeRows first.",
    );
  }
}

/** throws  ShapeError unless both sets have the same number of columns */
export function checkSameDim(
  names: readonly [string, string],
  first: Embeddings,
  second: Embeddings,
): void {
  if (first.dim === second.dim) return;
  throw new ShapeError(
    `Expected ${names[0]} and ${names[1]} to have equal width but received ` +
      `[${first.count}, ${first.dim}] and [${second.count}, ${second.dim}]; ` +
      "use embeddings of one model.",
  );
}

/**
 * A copy with every row divided by its Euclidean length (sums in float64).
 *
 * throws  RangeError if a row is all zeros or not finite
 */
export function normalizeRows(embeddings: Embeddings, name = "embeddings"): Embeddings {
  checkEmbeddings(name, embeddings, { unitRows: false });
  const { data, count, dim } = embeddings;
  const out = new Float32Array(data.length);
  for (let row = 0; row < count; row++) {
    const start = row * dim;
    const length = Math.sqrt(squaredLength(data, start, dim));
    if (length === 0) {
      throw new RangeError(
        `Expected rows that are not all zeros for ${name} but row ${row} is; it has no direction.`,
      );
    }
    for (let i = start; i < start + dim; i++) out[i] = (data[i] ?? NaN) / length;
  }
  return { data: out, count, dim };
}

/** Rows start to end (exclusive) as a view on the same memory. */
export function rowsOf(embeddings: Embeddings, start: number, end: number): Embeddings {
  const { data, dim } = embeddings;
  return { data: data.subarray(start * dim, end * dim), count: end - start, dim };
}

/** The rows at `indices`, copied. */
export function rowsAt({ data, dim }: Embeddings, indices: ArrayLike<number>): Embeddings {
  const out = new Float32Array(indices.length * dim);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * dim;
    out.set(data.subarray(from, from + dim), i * dim);
  }
  return { data: out, count: indices.length, dim };
}

/** Stacks rows of equal width; the parts are let go one by one, so that memory holds one copy. */
export function concatenateRows(parts: (Embeddings | undefined)[]): Embeddings {
  const count = parts.reduce((total, part) => total + (part?.count ?? 0), 0);
  const dim = parts[0]?.dim ?? 0;
  const data = new Float32Array(count * dim);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    if (part === undefined) continue;
    data.set(part.data, at);
    at += part.data.length;
    parts[i] = undefined;
  }
  return { data, count, dim };
}

function squaredLength(data: Float32Array, start: number, dim: number): number {
  let sum = 0;
  for (let i = start; i < start + dim; i++) sum += (data[i] ?? NaN) ** 2;
  return sum;
}
