/** Weights and inputs that tests and golden generators compute alike. Not part of the package. */

/**
 * `count` values in [-1, 1), by 32-bit mixing of position and seed; `hashed` of
 * test/goldens/generate/convolutional-towers.py agrees to the bit.
 */
export function hashedValues(count: number, seed: number): Float64Array {
  const start = Math.imul(seed, 0x9e3779b9);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let x = (start + i) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    values[i] = ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return values;
}
