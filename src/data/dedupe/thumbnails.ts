/** Small pictures of a whole set in a few large arrays, and how alike two of them are. */
import { GrowingArray, RowBlocks } from "../../arrays/growing.ts";
import { THUMBNAIL } from "./perceptual-hash.ts";

/** Pictures whose values deviate less from their mean, root mean square, are plain: no contrast. */
const PLAIN = 4;
/** Plain pictures are alike when their means differ by no more. */
export const PLAIN_DIFFERENCE = 8;

/** Thumbnails [3, 8, 8] in order: 208 bytes each. */
export class Thumbnails {
  readonly #rows: RowBlocks<Uint8Array> = new RowBlocks(Uint8Array, THUMBNAIL);
  readonly #means: GrowingArray<Float64Array> = new GrowingArray(Float64Array);
  readonly #spreads: GrowingArray<Float64Array> = new GrowingArray(Float64Array);

  get count(): number {
    return this.#rows.count;
  }

  /** [3, 8, 8] uint8, copied. */
  push(thumbnail: Uint8Array): void {
    this.#rows.push(thumbnail);
    const mean = meanOf(thumbnail, 0, THUMBNAIL);
    this.#means.push(mean);
    let sum = 0;
    for (const value of thumbnail) sum += (value - mean) ** 2;
    this.#spreads.push(Math.sqrt(sum / THUMBNAIL));
  }

  isPlain(picture: number): boolean {
    return this.#spreads.at(picture) < PLAIN;
  }

  /** The means of a picture's three channels. */
  colour(picture: number): [number, number, number] {
    const row = this.#rows.row(picture);
    const plane = THUMBNAIL / 3;
    return [meanOf(row, 0, plane), meanOf(row, plane, plane), meanOf(row, 2 * plane, plane)];
  }

  /**
   * Pearson's correlation of two thumbnails over all values of all channels: unlike the hash it sees
   * colour, and it does not see brightness and contrast. Of two plain pictures, 1 where the colours
   * are the same, else 0; of a plain one and another, 0.
   */
  correlation(first: number, second: number): number {
    if (this.isPlain(first) || this.isPlain(second)) {
      if (!this.isPlain(first) || !this.isPlain(second)) return 0;
      return this.#colourDifference(first, second) <= PLAIN_DIFFERENCE ? 1 : 0;
    }
    const [a, b] = [this.#rows.row(first), this.#rows.row(second)];
    const [meanA, meanB] = [this.#means.at(first), this.#means.at(second)];
    let sum = 0;
    for (let i = 0; i < THUMBNAIL; i++) sum += (a[i]! - meanA) * (b[i]! - meanB);
    return sum / (THUMBNAIL * this.#spreads.at(first) * this.#spreads.at(second));
  }

  /** The greatest difference of a channel's means. */
  #colourDifference(first: number, second: number): number {
    const [a, b] = [this.colour(first), this.colour(second)];
    return Math.max(Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]), Math.abs(a[2] - b[2]));
  }
}

function meanOf(values: Uint8Array, from: number, length: number): number {
  let sum = 0;
  for (let i = from; i < from + length; i++) sum += values[i]!;
  return sum / length;
}
