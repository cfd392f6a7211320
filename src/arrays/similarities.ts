/**
 * Cosine similarities between two sets of embeddings, a chunk of queries at a time, so that memory
 * stays linear in the number of candidates. The product itself is pluggable: the plain loops here
 * need nothing, and a caller with a matrix library passes its own.
 */
import { ShapeError } from "../errors.ts";
import { checkEmbeddings, checkSameDim, rowsOf, type Embeddings } from "./embeddings.ts";

/**
 * queries [Q, D], candidates [M, D] -> [Q, M] row-major inner products. The returned array may be
 * reused by the next call.
 */
export interface SimilarityKernel {
  (queries: Embeddings, candidates: Embeddings): Float32Array;
  /**
   * Runs `body`, which asks for many chunks of queries against this very object: what the product
   * needs of the candidates is made once. Without it every call may copy all candidates, and the
   * copies of a search of N among N grow with the cube of N. The candidates stay as they are meanwhile.
   */
  holding?<R>(candidates: Embeddings, body: () => R): R;
}

/** How a metric cuts up its work; the results do not depend on it. */
export interface ChunkOptions {
  /** Queries per kernel call; by default as many as keep a chunk of similarities at 4 MB, and 8. */
  readonly chunkSize?: number;
  /** The matrix product; by default plain loops on one thread. */
  readonly similarities?: SimilarityKernel;
}

const chunkNumbers = 1_048_576;
/** Fewer queries would read all candidates again for too little work. */
const leastQueries = 8;
/** 64 candidates of width 512 are 128 kB, which stays in a core's second-level cache. */
const candidateBlock = 64;

/**
 * The default kernel: inner products summed in float64 in the order of the columns, so equal rows
 * get equal similarities wherever they stand.
 */
export function plainSimilarities(queries: Embeddings, candidates: Embeddings): Float32Array {
  const out = new Float32Array(queries.count * candidates.count);
  for (let start = 0; start < candidates.count; start += candidateBlock) {
    const end = Math.min(start + candidateBlock, candidates.count);
    for (let query = 0; query < queries.count; query++) {
      fillRow(out, queries, query, { candidates, start, end });
    }
  }
  return out;
}

interface Block {
  candidates: Embeddings;
  start: number;
  end: number;
}

/** Four candidates at a time: four independent sums keep the processor busy. */
function fillRow(out: Float32Array, queries: Embeddings, query: number, block: Block): void {
  const { candidates, start, end } = block;
  const dim = queries.dim;
  const q = queries.data;
  const c = candidates.data;
  const from = query * dim;
  for (let candidate = start; candidate < end; candidate += 4) {
    const a = candidate * dim;
    const b = Math.min(candidate + 1, end - 1) * dim;
    const d = Math.min(candidate + 2, end - 1) * dim;
    const e = Math.min(candidate + 3, end - 1) * dim;
    let sumA = 0;
    let sumB = 0;
    let sumD = 0;
    let sumE = 0;
    for (let i = 0; i < dim; i++) {
      const value = q[from + i] as number;
      sumA += value * (c[a + i] as number);
      sumB += value * (c[b + i] as number);
      sumD += value * (c[d + i] as number);
      sumE += value * (c[e + i] as number);
    }
    const at = query * candidates.count + candidate;
    out[at] = sumA;
    if (candidate + 1 < end) out[at + 1] = sumB;
    if (candidate + 2 < end) out[at + 2] = sumD;
    if (candidate + 3 < end) out[at + 3] = sumE;
  }
}

/** Runs `body` while the kernel holds the candidates, where it can. */
export function holding<R>(
  kernel: SimilarityKernel | undefined,
  candidates: Embeddings | undefined,
  body: () => R,
): R {
  if (candidates === undefined || kernel?.holding === undefined) return body();
  return kernel.holding(candidates, body);
}

/** The kernel's answer. throws  ShapeError unless it has queries x candidates values */
export function checkedSimilarities(
  kernel: SimilarityKernel,
  queries: Embeddings,
  candidates: Embeddings,
): Float32Array {
  const values = kernel(queries, candidates);
  if (values.length === queries.count * candidates.count) return values;
  throw new ShapeError(
    `Expected ${queries.count} x ${candidates.count} similarities from the kernel but received ` +
      `${values.length}; it must return every query against every candidate.`,
  );
}

/**
 * Calls `visit(query, row)` for every query in order, `row` being its [M] similarities. The row is
 * valid only during the call.
 *
 * throws  RangeError for a chunk size that is not a positive whole number; ShapeError if the kernel
 *         returns another number of values than queries x candidates; RangeError if one is NaN
 */
export function forEachRow(
  queries: Embeddings,
  candidates: Embeddings,
  { chunkSize, similarities = plainSimilarities }: ChunkOptions,
  visit: (query: number, row: Float32Array) => void,
): void {
  const size = chunkSize ?? queriesAtOnce(candidates.count);
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(
      `Expected a whole number of 1 or more for chunkSize but received ${size}.`,
    );
  }
  holding(similarities, candidates, () => {
    for (let start = 0; start < queries.count; start += size) {
      const chunk = rowsOf(queries, start, Math.min(start + size, queries.count));
      const values = checkedSimilarities(similarities, chunk, candidates);
      for (let row = 0; row < chunk.count; row++) {
        const at = row * candidates.count;
        const similaritiesOfQuery = values.subarray(at, at + candidates.count);
        checkNumbers(similaritiesOfQuery, start + row);
        visit(start + row, similaritiesOfQuery);
      }
    }
  });
}

/** Queries of one chunk where nobody says otherwise. */
export function queriesAtOnce(candidates: number): number {
  return Math.max(leastQueries, Math.floor(chunkNumbers / candidates));
}

/** NaN compares false with everything, so it would rank first: the best score for the worst model. */
function checkNumbers(row: Float32Array, query: number): void {
  for (let candidate = 0; candidate < row.length; candidate++) {
    if (!Number.isNaN(row[candidate])) continue;
    throw new RangeError(
      `Expected numbers from the similarity kernel but query ${query} and candidate ${candidate} ` +
        "gave NaN; the embeddings are finite, so the kernel overflowed or is wrong.",
    );
  }
}

/** The k best candidates of every query, best first. */
export interface TopMatches {
  /** min(K, M) */
  readonly k: number;
  /** [Q, k] candidate indices */
  readonly indices: Int32Array;
  /** [Q, k] cosines */
  readonly similarities: Float32Array;
}

/**
 * The `k` most similar candidates of every query; equal similarities go to the lower index.
 *
 * queries [Q, D], candidates [M, D]   unit rows
 * throws  ShapeError, RangeError as checkEmbeddings does
 */
export function topMatches(
  queries: Embeddings,
  candidates: Embeddings,
  k: number,
  options: ChunkOptions = {},
): TopMatches {
  checkEmbeddings("queries", queries);
  checkEmbeddings("candidates", candidates);
  checkSameDim(["queries", "candidates"], queries, candidates);
  if (!Number.isInteger(k) || k < 1) {
    throw new RangeError(`Expected a whole number of 1 or more for k but received ${k}.`);
  }
  const kept = Math.min(k, candidates.count);
  const indices = new Int32Array(queries.count * kept);
  const values = new Float32Array(queries.count * kept);
  forEachRow(queries, candidates, options, (query, row) => {
    const at = query * kept;
    fillTop(row, indices.subarray(at, at + kept), values.subarray(at, at + kept));
  });
  return { k: kept, indices, similarities: values };
}

/**
 * Fills `indices` and `values` (equal lengths k <= row.length) with the k largest entries of `row`,
 * largest first; ties go to the lower index. Insertion into a short sorted list: O(M) for small k.
 */
export function fillTop(row: Float32Array, indices: Int32Array, values: Float32Array): void {
  const k = indices.length;
  let filled = 0;
  for (let candidate = 0; candidate < row.length; candidate++) {
    const value = row[candidate] as number;
    if (filled === k && !(value > (values[k - 1] as number))) continue;
    let at = filled < k ? filled++ : k - 1;
    while (at > 0 && value > (values[at - 1] as number)) {
      values[at] = values[at - 1] as number;
      indices[at] = indices[at - 1] as number;
      at--;
    }
    values[at] = value;
    indices[at] = candidate;
  }
}

/**
 * Position (from 1) of the candidate `index` when candidates are sorted by similarity, largest
 * first, equal ones by index. This is the rank that a stable descending sort gives: a collapsed
 * model, for which everything is equal, scores what guessing would, neither more nor less.
 */
export function rankOf(row: Float32Array, index: number): number {
  const own = row[index] as number;
  let rank = 1;
  for (let i = 0; i < index; i++) if ((row[i] as number) >= own) rank++;
  for (let i = index + 1; i < row.length; i++) if ((row[i] as number) > own) rank++;
  return rank;
}

/** Softmax of plain numbers: logits [M] -> [M] shares of 1, in float64. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let most = -Infinity;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i]!);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}
