/**
 * Small linear algebra in float64: an orthonormal basis, and systems of a symmetric positive definite
 * matrix. Plain loops, row-major; for matrices of about a thousand rows. Knows nothing about models.
 */
import { ShapeError } from "../errors.ts";

/** A row whose part outside the others is this much shorter than itself adds no direction. */
const independence = 1e-9;

/**
 * An orthonormal basis of the space that `rows` span, by modified Gram-Schmidt with a second pass.
 * Rows that depend on those before them add nothing.
 *
 *     G. Golub and C. Van Loan, Matrix Computations, 4th edition, section 5.2.8
 *
 * rows     [K][D]
 * returns  [R][D], R <= K unit rows at right angles
 * throws   ShapeError for rows of different lengths; RangeError for numbers that are not finite
 */
export function orthonormalBasis(rows: readonly ArrayLike<number>[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const row of rows) {
    if (row.length !== rows[0]?.length) {
      throw new ShapeError(
        `Expected rows of ${rows[0]?.length} numbers for a basis but received ${row.length}.`,
      );
    }
    const rest = Float64Array.from(row);
    const length = norm(rest);
    if (!Number.isFinite(length)) {
      throw new RangeError("Expected finite numbers for a basis but received NaN or infinity.");
    }
    // Rounding leaves a part of the others behind; the second pass takes it out.
    for (let pass = 0; pass < 2; pass++) for (const unit of basis) subtractAlong(rest, unit);
    const left = norm(rest);
    if (left > independence * length) basis.push(rest.map((value) => value / left));
  }
  return basis;
}

/** Takes from `row` [D] its part along the unit row `unit` [D], in place. */
export function subtractAlong(row: Float64Array, unit: Float64Array): void {
  const along = dot(row, unit);
  for (let i = 0; i < row.length; i++) row[i] = row[i]! - along * unit[i]!;
}

/** sum a_i b_i */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function norm(row: Float64Array): number {
  return Math.sqrt(dot(row, row));
}

/**
 * Solves A x = b for any number of right sides.
 *
 *     A = L L', L lower triangular                 (Cholesky; Golub and Van Loan, algorithm 4.2.1)
 *
 * matrix   [D, D] symmetric positive definite, row-major; its lower half is read
 * returns  a function from b [D] to a new x [D]
 * throws   ShapeError unless the matrix is D x D; RangeError for one that is not positive definite
 */
export function positiveSolver(
  matrix: Float64Array,
  dim: number,
): (b: ArrayLike<number>) => Float64Array {
  if (matrix.length !== dim * dim) {
    throw new ShapeError(
      `Expected ${dim} x ${dim} numbers for a matrix but received ${matrix.length}.`,
    );
  }
  const lower = choleskyFactor(matrix, dim);
  return (b) => {
    const x = Float64Array.from(b);
    if (x.length !== dim) {
      throw new ShapeError(`Expected ${dim} numbers for a right side but received ${x.length}.`);
    }
    for (let i = 0; i < dim; i++) {
      let sum = x[i]!;
      for (let j = 0; j < i; j++) sum -= lower[i * dim + j]! * x[j]!;
      x[i] = sum / lower[i * dim + i]!;
    }
    for (let i = dim - 1; i >= 0; i--) {
      const value = x[i]! / lower[i * dim + i]!;
      x[i] = value;
      for (let j = 0; j < i; j++) x[j] = x[j]! - lower[i * dim + j]! * value;
    }
    return x;
  };
}

function choleskyFactor(matrix: Float64Array, dim: number): Float64Array {
  const lower = new Float64Array(dim * dim);
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * dim + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * dim + k]! * lower[j * dim + k]!;
      if (j < i) {
        lower[i * dim + j] = sum / lower[j * dim + j]!;
      } else if (sum > 0) {
        lower[i * dim + i] = Math.sqrt(sum);
      } else {
        throw new RangeError(
          `Expected a positive definite matrix but its leading ${i + 1} x ${i + 1} part is not.`,
        );
      }
    }
  }
  return lower;
}
