/**
 * Association tests: whether two sets of embeddings lie differently between two sets of attributes.
 * Embeddings in, numbers out; knows no words and no pictures.
 */
import { checkEmbeddings, checkSameDim, type Embeddings } from "../../arrays/embeddings.ts";
import { createRandom } from "../../arrays/random.ts";

export interface AssociationOptions {
  /** Partitions drawn where there are too many to try all. Default 9,999. */
  readonly permutations?: number;
  /** Default 0. */
  readonly seed?: number;
  /**
   * Whether the test asks if X is nearer to A, as published tests do, or if X and Y differ at all, as fits
   * groups of which neither comes first. Default `one`.
   */
  readonly sides?: "one" | "two";
}

export interface Association {
  /** In standard deviations; above 0 where X is nearer to A, and Y to B. NaN, null in JSON, where nothing varies. */
  readonly effect: number;
  /** Share of partitions at least as extreme, the given one among them. */
  readonly p: number;
  /** Whether all partitions were tried. */
  readonly exact: boolean;
  /** Items of X and of Y. */
  readonly counts: readonly [number, number];
}

/**
 * The word (or image) embedding association test.
 *
 *     s(w) = mean_{a in A} cos(w, a) - mean_{b in B} cos(w, b)
 *     effect = (mean_{x in X} s(x) - mean_{y in Y} s(y)) / std_{w in X u Y} s(w)
 *
 *     Caliskan, Bryson and Narayanan, Science 356 (2017), arXiv:1608.07187; Steed and Caliskan,
 *     arXiv:2010.15052 (images). std with n - 1. p is over partitions of X u Y into sets of the sizes of
 *     X and Y: all of them where there are no more than `permutations`, else as many drawn ones and the
 *     given one.
 *
 * x, y, a, b  [N, D] unit rows
 * throws      ShapeError, RangeError as checkEmbeddings; RangeError for options out of range
 */
export function associationTest(
  sets: { x: Embeddings; y: Embeddings; a: Embeddings; b: Embeddings },
  options: AssociationOptions = {},
): Association {
  const { x, y, a, b } = sets;
  for (const [name, set] of Object.entries(sets)) {
    checkEmbeddings(name, set);
    checkSameDim(["x", name], x, set);
  }
  const towards = differenceOfMeans(a, b);
  return associationOf(
    Float64Array.from([...alongRows(x, towards), ...alongRows(y, towards)]),
    Uint8Array.from({ length: x.count + y.count }, (_, i) => (i < x.count ? 1 : 0)),
    options,
  );
}

/** mean of A - mean of B [D]: s(w) is w's inner product with it. */
export function differenceOfMeans(a: Embeddings, b: Embeddings): Float64Array {
  const difference = new Float64Array(a.dim);
  for (const [set, sign] of [
    [a, 1],
    [b, -1],
  ] as const) {
    for (let i = 0; i < set.data.length; i++) {
      difference[i % set.dim] = difference[i % set.dim]! + (sign * set.data[i]!) / set.count;
    }
  }
  return difference;
}

/** [N] inner product of each row with `direction` [D] */
export function alongRows({ data, count, dim }: Embeddings, direction: Float64Array): Float64Array {
  const out = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    let sum = 0;
    for (let i = 0; i < dim; i++) sum += data[row * dim + i]! * direction[i]!;
    out[row] = sum;
  }
  return out;
}

/**
 * The test from the associations themselves.
 *
 * associations  [N] s(w) of every item of X and Y
 * inX           [N] 1 for items of X
 * throws        RangeError where X or Y is empty, or for options out of range
 */
export function associationOf(
  associations: Float64Array,
  inX: Uint8Array,
  { permutations = 9_999, seed = 0, sides = "one" }: AssociationOptions = {},
): Association {
  if (!Number.isInteger(permutations) || permutations < 1) {
    throw new RangeError(
      `Expected a whole number of 1 or more for permutations but received ${permutations}.`,
    );
  }
  const count = associations.length;
  const size = inX.reduce((total, one) => total + one, 0);
  if (size === 0 || size === count) {
    throw new RangeError(`Expected items in X and in Y but received ${size} of ${count} in X.`);
  }
  const total = associations.reduce((sum, value) => sum + value, 0);
  /** mean of X - mean of Y, from the sum over X */
  const statistic = (sum: number): number => sum / size - (total - sum) / (count - size);
  const own = statistic(associations.reduce((sum, value, i) => sum + value * inX[i]!, 0));
  const variance =
    associations.reduce((sum, value) => sum + (value - total / count) ** 2, 0) / (count - 1);
  const extreme = sides === "one" ? (one: number) => one : Math.abs;
  // Sums in another order differ in the last digits.
  const reach = extreme(own) - 1e-12 * Math.sqrt(variance);
  const exact = binomial(count, size) <= permutations;
  let [found, tried] = exact ? [0, 0] : [1, 1];
  const visit = (sum: number): void => {
    tried++;
    if (extreme(statistic(sum)) >= reach) found++;
  };
  if (exact) forEachSubset(associations, size, visit);
  else drawSubsets(associations, size, { permutations, seed }, visit);
  return {
    effect: variance > 0 ? own / Math.sqrt(variance) : NaN,
    p: found / tried,
    exact,
    counts: [size, count - size],
  };
}

/** Subsets of `size` of `count` items; stops counting at 1e15. */
function binomial(count: number, size: number): number {
  let ways = 1;
  for (let i = 1; i <= Math.min(size, count - size); i++) {
    ways = (ways * (count - i + 1)) / i;
    if (ways > 1e15) return Infinity;
  }
  return Math.round(ways);
}

/** The sum of every subset of `size` values. */
function forEachSubset(values: Float64Array, size: number, visit: (sum: number) => void): void {
  const walk = (from: number, left: number, sum: number): void => {
    if (left === 0) {
      visit(sum);
      return;
    }
    for (let i = from; i <= values.length - left; i++) walk(i + 1, left - 1, sum + values[i]!);
  };
  walk(0, size, 0);
}

/** The sums of drawn subsets; of the smaller part, which is quicker, the rest is the other's. */
function drawSubsets(
  values: Float64Array,
  size: number,
  { permutations, seed }: { permutations: number; seed: number },
  visit: (sum: number) => void,
): void {
  const random = createRandom(["association", seed]);
  const pool = Float64Array.from(values);
  const total = values.reduce((sum, value) => sum + value, 0);
  const smaller = Math.min(size, values.length - size);
  for (let draw = 0; draw < permutations; draw++) {
    let sum = 0;
    for (let i = 0; i < smaller; i++) {
      const at = i + random.integer(pool.length - i);
      const value = pool[at]!;
      pool[at] = pool[i]!;
      pool[i] = value;
      sum += value;
    }
    visit(smaller === size ? sum : total - sum);
  }
}
