/**
 * Projections of embeddings away from directions: what some rows say is taken out of others. In float64 between
 * plain arrays; nothing is trained. Knows no texts.
 */
import { checkEmbeddings, normalizeRows, type Embeddings } from "./embeddings.ts";
import { dot, orthonormalBasis, positiveSolver, subtractAlong } from "./linear-systems.ts";

/** Prompts that name a group and nothing else, and prompts that differ in the group alone. */
export interface BiasDirections {
  /** [K, D] prompts such as "a photo of a woman" */
  readonly spurious: Embeddings;
  /** [P, D] prompts such as "a photo of a woman who is a doctor" */
  readonly candidates: Embeddings;
  /** Rows of `candidates` that say the same of different groups. */
  readonly pairs: readonly (readonly [number, number])[];
}

export type Projection = "orthogonal" | "calibrated";

/** Weight of the pairs, lambda, in the reference code (debias_vl, discriminative/main.py). */
const LAMBDA = 1000;

/**
 * A projection of text embeddings; its result has unit rows again.
 *
 *     orthogonal   P0 = I - V (V'V)^-1 V'                                   V the spurious prompts
 *     calibrated   P = P0 (lambda M + I)^-1,  M = 1/|S| sum_{(i,j) in S} (z_i - z_j)(z_i - z_j)'
 *
 *     Chuang et al., Debiasing Vision-Language Models via Biased Prompts, arXiv:2302.00070, sections 3
 *     and 4; M is a mean over pairs, as in the authors' code
 *
 * throws  RangeError for embeddings that are not finite, a pair outside the candidates, or where nothing of
 *         an embedding is left; ShapeError for other widths
 */
export function projectionAway(
  { spurious, candidates, pairs }: BiasDirections,
  kind: Projection,
  { lambda = LAMBDA }: { lambda?: number } = {},
): (texts: Embeddings) => Embeddings {
  checkEmbeddings("spurious prompts", spurious);
  const { dim } = spurious;
  const basis = orthonormalBasis(rowsOf(spurious));
  const solve = kind === "orthogonal" ? undefined : calibration(candidates, pairs, { dim, lambda });
  return (texts) => {
    checkEmbeddings("texts", texts, { width: dim });
    const out = new Float32Array(texts.data.length);
    for (const [row, text] of rowsOf(texts).entries()) {
      const projected = solve?.(text) ?? Float64Array.from(text);
      const before = Math.sqrt(dot(projected, projected));
      // As in the basis itself, the second pass takes out what rounding leaves.
      for (let pass = 0; pass < 2; pass++) {
        for (const unit of basis) subtractAlong(projected, unit);
      }
      const left = Math.sqrt(dot(projected, projected));
      if (!(left > 1e-6 * before)) {
        throw new RangeError(
          `Expected rows that are more than ${basis.length} directions but nothing of row ${row} is left; ` +
            "project away from fewer.",
        );
      }
      out.set(projected, row * dim);
    }
    return normalizeRows({ ...texts, data: out }, "projected texts");
  };
}

function calibration(
  candidates: Embeddings,
  pairs: BiasDirections["pairs"],
  { dim, lambda }: { dim: number; lambda: number },
): (b: ArrayLike<number>) => Float64Array {
  checkEmbeddings("candidate prompts", candidates, { width: dim });
  const matrix = new Float64Array(dim * dim);
  for (let i = 0; i < dim; i++) matrix[i * dim + i] = 1;
  const rows = rowsOf(candidates);
  for (const [first, second] of pairs) {
    const [a, b] = [rows[first], rows[second]];
    if (a === undefined || b === undefined) {
      throw new RangeError(
        `Expected pairs of prompts below ${rows.length} but received ${first} and ${second}.`,
      );
    }
    const difference = Float64Array.from(a, (value, i) => value - b[i]!);
    for (let i = 0; i < dim; i++) {
      const scaled = (lambda / pairs.length) * difference[i]!;
      for (let j = 0; j <= i; j++) {
        matrix[i * dim + j] = matrix[i * dim + j]! + scaled * difference[j]!;
      }
    }
  }
  return positiveSolver(matrix, dim);
}

function rowsOf({ data, count, dim }: Embeddings): Float32Array[] {
  return Array.from({ length: count }, (_, row) => data.subarray(row * dim, (row + 1) * dim));
}
