/** Embeddings as plain arrays, their checks, and the products of two sets. Knows no adapter. */
import { ShapeError } from "../errors.ts";
import { fromData, noGrad, scope } from "../torch/index.ts";

/** Rows of float32 numbers: `data` is [count, dim], row-major. */
export interface Embeddings {
  readonly data: Float32Array;
  readonly count: number;
  readonly dim: number;
}

/** queries [Q, D], candidates [M, D] -> [Q, M] row-major inner products, in memory of its own. */
export type SimilarityKernel = (queries: Embeddings, candidates: Embeddings) => Float32Array;

/** The default kernel: one matrix product of libtorch on the CPU. */
export function similaritiesOf(queries: Embeddings, candidates: Embeddings): Float32Array {
  return noGrad(() =>
    scope(() => {
      const rows = fromData(queries.data, [queries.count, queries.dim]);
      const columns = fromData(candidates.data, [candidates.count, candidates.dim]);
      return rows.mm(columns.t()).toFloat32Array();
    }),
  );
}

/** The kernel's answer, after a check of its size. throws  ShapeError for another size */
export function checkedSimilarities(
  kernel: SimilarityKernel,
  queries: Embeddings,
  candidates: Embeddings,
): Float32Array {
  const values = kernel(queries, candidates);
  if (values.length === queries.count * candidates.count) return values;
  throw new ShapeError(
    `Expected ${queries.count} x ${candidates.count} similarities from the kernel but received ` +
      `${values.length}; it must return every query against every candidate`,
  );
}

/** bfloat16 rows are off by up to 2^-8; anything farther from length 1 was never normalised. */
const unitTolerance = 1e-2;

/**
 * Checks for count x dim finite numbers in rows of length 1, and `dim` columns where given.
 *
 * throws  ShapeError for an array of another size; RangeError for no rows, or a row that is not unit
 */
export function checkUnitRows(name: string, { data, count, dim }: Embeddings, width = dim): void {
  if (data.length !== count * dim || !Number.isInteger(count) || dim < 1) {
    throw new ShapeError(
      `Expected ${name} to hold count x dim = ${count} x ${dim} numbers but received ` +
        `${data.length}; pass one row of dim numbers for each item`,
    );
  }
  if (dim !== width) {
    throw new ShapeError(
      `Expected ${name} to have width ${width} but received ${dim}; use embeddings of one model`,
    );
  }
  if (count === 0) throw new RangeError(`Expected at least one row for ${name} but received none`);
  for (let row = 0; row < count; row++) {
    let squared = 0;
    for (let i = row * dim; i < (row + 1) * dim; i++) squared += data[i]! ** 2;
    if (Math.abs(Math.sqrt(squared) - 1) <= unitTolerance) continue;
    throw new RangeError(
      `Expected rows of length 1 for ${name} but row ${row} has length ` +
        `${Math.sqrt(squared).toPrecision(4)}; normalise the embeddings first`,
    );
  }
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

/** Rows start to end (exclusive) as a view on the same memory. */
export function rowsBetween({ data, dim }: Embeddings, start: number, end: number): Embeddings {
  return { data: data.subarray(start * dim, end * dim), count: end - start, dim };
}
