/**
 * Seeded random numbers for the data pipeline: the same seed gives the same numbers on every
 * machine and Node version. Not for cryptography.
 */

/** What `state()` returns: enough to continue the very same sequence, safe as JSON. */
export type RandomState = [number, number, number, number];

export interface Random {
  /** A number in [0, 1) with 53 random bits. */
  next(): number;
  /** An integer in [0, n); n from 1 to 2^32. */
  integer(n: number): number;
  /**
   * Draws as many of the counts' places as there are, with replacement, and adds 1 to each that is
   * drawn. The numbers are those of `integer`, four times as fast.
   */
  tally(counts: Uint32Array): void;
  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T>(array: T[]): T[];
  shuffle(array: Uint32Array): Uint32Array;
  state(): RandomState;
  restore(state: RandomState): void;
}

export type RandomSeed = number | string | readonly (number | string)[];

/**
 * A generator from a seed, or from a path of seeds such as `[seed, epoch, key]`.
 *
 * The generator is sfc32 (PractRand, C. Doty-Humphrey): 128 bits of state, period at least 2^32.
 * Each seed is hashed with its type and length, so `["ab"]`, `["a", "b"]` and `[1]`, `["1"]` differ.
 *
 * throws   RangeError if a number among the seeds is not finite
 */
export function createRandom(seed: RandomSeed): Random {
  const s = hashSeed(typeof seed === "object" ? seed : [seed]);
  const bits = (): number => nextBits(s);
  for (let i = 0; i < 12; i++) bits();
  const integer = (n: number): number => {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new RangeError(`Expected an integer from 1 to 2^32 for n but received ${n}`);
    }
    // Values in the last, incomplete run of n would favour small results; draw again instead.
    const limit = 2 ** 32 - (2 ** 32 % n);
    let value = bits();
    while (value >= limit) value = bits();
    return value % n;
  };
  return {
    next: () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53,
    integer,
    tally: (counts) => tally(s, counts),
    shuffle: <A extends unknown[] | Uint32Array>(array: A): A => {
      for (let i = array.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        const swap = array[i];
        array[i] = array[j];
        array[j] = swap;
      }
      return array;
    },
    state: () => [s[0]!, s[1]!, s[2]!, s[3]!],
    restore: (state) => s.set(state),
  };
}

function nextBits(s: Uint32Array): number {
  const [a, b, c, counter] = [s[0]!, s[1]!, s[2]!, s[3]!];
  const result = (a + b + counter) >>> 0;
  s[0] = b ^ (b >>> 9);
  s[1] = c + (c << 3);
  s[2] = ((c << 21) | (c >>> 11)) + result;
  s[3] = counter + 1;
  return result;
}

/** The generator's state in local variables, and a remainder without division of whole numbers. */
function tally(s: Uint32Array, counts: Uint32Array): void {
  const n = counts.length;
  const limit = 2 ** 32 - (2 ** 32 % n);
  let [a, b, c, counter] = [s[0]! | 0, s[1]! | 0, s[2]! | 0, s[3]! | 0];
  for (let draw = 0; draw < n;) {
    const result = (((a + b) | 0) + counter) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    counter = (counter + 1) | 0;
    const value = result >>> 0;
    if (value >= limit) continue;
    // The quotient is off by less than 2^-21 / n, and at least 1 / n from the next whole number.
    const place = value - Math.floor(value / n) * n;
    counts[place] = counts[place]! + 1;
    draw++;
  }
  s.set([a, b, c, counter]);
}

/** Folds every seed into four words; multiply and rotate per word, then avalanche. */
function hashSeed(seeds: readonly (number | string)[]): Uint32Array {
  const s = new Uint32Array([0x9e3779b9, 0x243f6a88, 0xb7e15162, 1]);
  const mix = (word: number): void => {
    for (let lane = 0; lane < 3; lane++) {
      let h = Math.imul(s[lane]! ^ word, 0xcc9e2d51 + 2 * lane);
      h = (h << 15) | (h >>> 17);
      s[lane] = avalanche(h + Math.imul(s[(lane + 1) % 3]!, 0x1b873593));
    }
  };
  const float = new Float64Array(1);
  const words = new Uint32Array(float.buffer);
  for (const seed of seeds) {
    if (typeof seed === "string") {
      mix(0x5eed0001);
      mix(seed.length);
      for (let i = 0; i < seed.length; i++) mix(seed.charCodeAt(i));
    } else {
      if (!Number.isFinite(seed)) {
        throw new RangeError(`Expected a finite number for seed but received ${seed}`);
      }
      mix(0x5eed0002);
      float[0] = seed + 0; // -0 and 0 are one seed
      mix(words[0]!);
      mix(words[1]!);
    }
  }
  return s;
}

function avalanche(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
