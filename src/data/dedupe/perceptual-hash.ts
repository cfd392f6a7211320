/** What a picture looks like in 64 bits and 192 bytes, for finding the same picture again. */

/** Side of the picture that is described. */
export const SIDE = 32;
/** Side of the thumbnail, and the values of one. */
const THUMBNAIL_SIDE = 8;
export const THUMBNAIL = 3 * THUMBNAIL_SIDE ** 2;

/** Frequencies in the order of their sums u + v, without the mean at (0, 0). */
const FREQUENCIES: readonly (readonly [u: number, v: number])[] = Array.from(
  { length: SIDE ** 2 },
  (_, i) => [i % SIDE, Math.floor(i / SIDE)] as const,
)
  .sort(([a, b], [c, d]) => a + b - (c + d) || b - d)
  .slice(1, 65);

/** Highest frequency in use, and the cosines up to it: [frequency][position]. */
const HIGHEST = Math.max(...FREQUENCIES.flat());
const COSINES: readonly Float64Array[] = Array.from({ length: HIGHEST + 1 }, (_, u) =>
  Float64Array.from({ length: SIDE }, (__, x) =>
    Math.cos((Math.PI * u * (2 * x + 1)) / (2 * SIDE)),
  ),
);

/**
 * Coefficients below this share of their root mean square count as zero: those of a symmetric or
 * plain picture are zero up to noise, whose sign would differ from copy to copy.
 */
const DEAD_ZONE = 0.05;

/**
 * A DCT hash (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions",
 * section 3.2.1, with signs instead of a median): bit k says whether coefficient k of the 64 lowest
 * frequencies of the luma, the mean left out, is positive.
 *
 * pixels    [3, 32, 32] uint8
 * returns   two unsigned 32-bit halves; copies of a picture differ in few bits
 */
export function perceptualHash(pixels: Uint8Array): [low: number, high: number] {
  const area = SIDE ** 2;
  const luma = new Float64Array(area);
  for (let i = 0; i < area; i++) {
    luma[i] = 0.299 * pixels[i]! + 0.587 * pixels[area + i]! + 0.114 * pixels[2 * area + i]!;
  }
  const coefficients = lowFrequencies(luma);
  const size = Math.sqrt(coefficients.reduce((sum, c) => sum + c * c, 0) / coefficients.length);
  // Half a level of 255 in every pixel is noise whatever the rest looks like.
  const zero = Math.max(DEAD_ZONE * size, 0.5 * SIDE);
  const halves: [number, number] = [0, 0];
  coefficients.forEach((c, k) => {
    if (c > zero) halves[k >> 5]! |= 1 << (k & 31);
  });
  return [halves[0] >>> 0, halves[1] >>> 0];
}

/** The cosine transform of [32, 32] at `FREQUENCIES`, rows first. */
function lowFrequencies(luma: Float64Array): Float64Array {
  const rows = new Float64Array(SIDE * (HIGHEST + 1));
  for (let y = 0; y < SIDE; y++) {
    for (let u = 0; u <= HIGHEST; u++) {
      let sum = 0;
      for (let x = 0; x < SIDE; x++) sum += luma[y * SIDE + x]! * COSINES[u]![x]!;
      rows[u * SIDE + y] = sum;
    }
  }
  return Float64Array.from(FREQUENCIES, ([u, v]) => {
    let sum = 0;
    for (let y = 0; y < SIDE; y++) sum += rows[u * SIDE + y]! * COSINES[v]![y]!;
    return sum;
  });
}

/** [3, 32, 32] to [3, 8, 8]: means of 4 x 4 pixels. */
export function thumbnail(pixels: Uint8Array, out: Uint8Array): void {
  const factor = SIDE / THUMBNAIL_SIDE;
  for (let i = 0; i < THUMBNAIL; i++) {
    const [x, row] = [i % THUMBNAIL_SIDE, Math.floor(i / THUMBNAIL_SIDE)];
    const from = row * factor * SIDE + x * factor;
    let sum = 0;
    for (let k = 0; k < factor ** 2; k++) {
      sum += pixels[from + Math.floor(k / factor) * SIDE + (k % factor)]!;
    }
    out[i] = Math.round(sum / factor ** 2);
  }
}

/** Pictures whose values deviate less from their mean, root mean square, are plain: no contrast. */
const PLAIN = 4;
/** Plain pictures are alike when their means differ by no more. */
const PLAIN_DIFFERENCE = 8;

/**
 * Pearson's correlation of two thumbnails over all values of all channels: unlike the hash it sees
 * colour, and it does not see brightness and contrast. Of two plain pictures, 1 where the colours
 * are the same; of a plain one and another, 0.
 */
export function thumbnailCorrelation(a: Uint8Array, b: Uint8Array): number {
  const [one, other] = [spread(a), spread(b)];
  if (one < PLAIN || other < PLAIN) {
    if (one >= PLAIN || other >= PLAIN) return 0;
    return meanDifference(a, b) <= PLAIN_DIFFERENCE ? 1 : 0;
  }
  const [meanA, meanB] = [mean(a), mean(b)];
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - meanA) * (b[i]! - meanB);
  return sum / (a.length * one * other);
}

function mean(values: Uint8Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function spread(values: Uint8Array): number {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, x) => sum + (x - center) ** 2, 0) / values.length);
}

/** The greatest difference of a channel's means. */
function meanDifference(a: Uint8Array, b: Uint8Array): number {
  const plane = a.length / 3;
  const differences = [0, 1, 2].map((c) => {
    const [one, other] = [a, b].map((values) => mean(values.subarray(c * plane, (c + 1) * plane)));
    return Math.abs(one! - other!);
  });
  return Math.max(...differences);
}

const BANDS = 4;
const BAND_VALUES = 1 << 16;
/** Unrelated pictures start here, and looking so far would cost as much as comparing all. */
export const MOST_DISTANCE = 16;

/**
 * Calls `visit` for each pair i > j whose hashes differ in at most `distance` bits, once, by
 * multi-index hashing (Norouzi et al. 2012, section 2): such hashes agree in one of four bands of 16
 * bits up to distance / 4 bits, so that looking up the neighbours of each band's value finds them.
 *
 * hashes    [2 N] halves of N hashes; 0 <= distance <= 16
 */
export function forEachNearPair(
  hashes: Uint32Array,
  distance: number,
  visit: (i: number, j: number, distance: number) => void,
): void {
  const count = hashes.length / 2;
  const bands = Array.from({ length: BANDS }, (_, band) => new Band(hashes, band));
  const masks = masksUpTo(Math.floor(distance / BANDS));
  // A pair can agree in several bands.
  const seen = new Int32Array(count).fill(-1);
  for (let i = 0; i < count; i++) {
    for (const { values, starts, order } of bands) {
      for (const mask of masks) {
        const value = values[i]! ^ mask;
        for (let at = starts[value]!; at < starts[value + 1]!; at++) {
          const j = order[at]!;
          // Entries of one value are in ascending order.
          if (j >= i) break;
          if (seen[j] === i) continue;
          seen[j] = i;
          const bits = hammingDistance(hashes, i, j);
          if (bits <= distance) visit(i, j, bits);
        }
      }
    }
  }
}

/** Bits in which hashes i and j differ. */
export function hammingDistance(hashes: Uint32Array, i: number, j: number): number {
  return (
    bitCount(hashes[2 * i]! ^ hashes[2 * j]!) + bitCount(hashes[2 * i + 1]! ^ hashes[2 * j + 1]!)
  );
}

function bitCount(value: number): number {
  let x = value - ((value >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Hashes sorted by one of their four 16-bit values. */
class Band {
  /** [N] */
  readonly values: Uint16Array;
  /** Hashes with value v stand in `order` from starts[v] to starts[v + 1]. */
  readonly starts: Int32Array = new Int32Array(BAND_VALUES + 1);
  readonly order: Int32Array;

  constructor(hashes: Uint32Array, band: number) {
    const count = hashes.length / 2;
    const [half, shift] = [band >> 1, (band & 1) * 16];
    this.values = Uint16Array.from({ length: count }, (_, i) => hashes[2 * i + half]! >>> shift);
    this.order = new Int32Array(count);
    for (const value of this.values) this.starts[value + 1]! += 1;
    for (let v = 0; v < BAND_VALUES; v++) this.starts[v + 1]! += this.starts[v]!;
    const next = this.starts.slice();
    this.values.forEach((value, i) => (this.order[next[value]!++] = i));
  }
}

/** All 16-bit numbers with at most so many ones. */
function masksUpTo(ones: number): Uint16Array {
  const all = Uint16Array.from({ length: BAND_VALUES }, (_, i) => i);
  return all.filter((mask) => bitCount(mask) <= ones);
}
