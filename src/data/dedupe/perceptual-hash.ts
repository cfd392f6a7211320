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

/** Unrelated pictures start here, and looking so far would cost as much as comparing all. */
export const MOST_DISTANCE = 16;
