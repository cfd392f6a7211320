/** Pixels that nobody keeps: memory of its own for every picture costs as much as some steps on it. */

/** Larger pieces are not kept: a rare large picture must not hold memory for ever. */
const MOST_KEPT = 16 << 20;

/** One piece of memory for what a function computes and is done with before it returns. */
export class Scratch {
  #kept = new Uint8Array(0);

  /** `length` bytes, of any content, until the next call. */
  take(length: number): Uint8Array {
    if (length > MOST_KEPT) return new Uint8Array(length);
    if (length > this.#kept.length) this.#kept = new Uint8Array(Math.min(MOST_KEPT, 2 * length));
    return this.#kept.subarray(0, length);
  }
}
