/**
 * Held-out pictures that are drawn nearly as one that was trained on. A gear or a plus sign has few
 * forms, and designers look at each other's work.
 *
 * Two framed pictures are compared by the ink that they share: with a and b the darkness of each
 * pixel, sum min(a, b) / sum max(a, b), 1 for one drawing and about 0.3 for two of one thing.
 */

/** Side at which pictures are compared: finer than this, anti-aliasing differs. */
const side = 32;

/** From here on two pictures are the same drawing, perhaps with another stroke or corner. */
export const nearDuplicateOverlap = 0.75;

/** A framed picture and what it is called. */
export interface NamedPicture {
  /** Grey, imageSize x imageSize. */
  pixels: Uint8Array;
  /** Of all its names. */
  words: readonly string[];
}

export interface Nearest {
  /** Index in `training`; -1 where none comes near. */
  index: number;
  /** Shared ink, in [0, 1]; 0 where none comes near. */
  overlap: number;
}

/**
 * For each held-out picture the training picture that it shares most ink with, of those that share a
 * word with it, where that is at least `least`. A like drawing of another name gives no answer away.
 *
 * imageSize  side of all pictures, a multiple of 32
 */
export function nearestDrawings(
  heldOut: readonly NamedPicture[],
  training: readonly NamedPicture[],
  imageSize: number,
  least: number = nearDuplicateOverlap,
): Nearest[] {
  const byWord = new Map<string, number[]>();
  training.forEach(({ words }, index) => {
    for (const word of new Set(words)) {
      const list = byWord.get(word);
      if (list === undefined) byWord.set(word, [index]);
      else list.push(index);
    }
  });
  const inks = new Map<number, Ink>();
  const trainingInk = (index: number): Ink => {
    const known = inks.get(index) ?? inkOf((training[index] as NamedPicture).pixels, imageSize);
    inks.set(index, known);
    return known;
  };
  return heldOut.map(({ pixels, words }) => {
    const own = inkOf(pixels, imageSize);
    const best: Nearest = { index: -1, overlap: 0 };
    for (const index of new Set(words.flatMap((word) => byWord.get(word) ?? []))) {
      const ink = trainingInk(index);
      // Shared ink is at most the lesser amount, and all ink at least the greater.
      if (Math.min(own.sum, ink.sum) < least * Math.max(own.sum, ink.sum)) continue;
      const overlap = overlapOf(own, ink, Math.max(least, best.overlap));
      if (overlap > best.overlap) Object.assign(best, { index, overlap });
    }
    return best;
  });
}

/** A picture's ink at 4, 8, 16 and 32 pixels, and all of it. */
interface Ink {
  levels: readonly Float32Array[];
  sum: number;
}

function inkOf(pixels: Uint8Array, imageSize: number): Ink {
  const dark = new Float32Array(pixels.length);
  for (let i = 0; i < dark.length; i++) dark[i] = 255 - (pixels[i] as number);
  let level = shrink(dark, imageSize, imageSize / side);
  const levels = [level];
  for (let size = side; size > 4; size /= 2) {
    level = shrink(level, size, 2);
    levels.unshift(level);
  }
  return { levels, sum: sumOf(level) };
}

/** Sums of `factor` x `factor` pixels: the ink stays the same in all. */
function shrink(ink: Float32Array, size: number, factor: number): Float32Array {
  const to = size / factor;
  const small = new Float32Array(to * to);
  for (let y = 0; y < size; y++) {
    const row = Math.floor(y / factor) * to;
    for (let x = 0; x < size; x++) {
      const at = row + Math.floor(x / factor);
      small[at] = (small[at] as number) + (ink[y * size + x] as number);
    }
  }
  return small;
}

function sumOf(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum;
}

/**
 * Shared ink over all ink; 0 as soon as it is known to be below `least`. Coarse pictures share at
 * least as much as fine ones: the sum of lesser values is at most the lesser of the sums.
 */
function overlapOf(a: Ink, b: Ink, least: number): number {
  const total = a.sum + b.sum;
  const needed = (least * total) / (1 + least) - 1e-6 * total;
  let shared = 0;
  for (let level = 0; level < a.levels.length; level++) {
    const [one, other] = [a.levels[level] as Float32Array, b.levels[level] as Float32Array];
    shared = 0;
    for (let i = 0; i < one.length; i++) shared += Math.min(one[i] as number, other[i] as number);
    if (shared < needed) return 0;
  }
  return shared / (total - shared);
}
