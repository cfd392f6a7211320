/** Lists of numbers that grow without copying, in few bytes each: for what there are millions of. */

const CHUNK = 1 << 16;

/** The chunks of a list; `Make` says what a number takes. */
export class GrowingArray<T extends Uint32Array | Float64Array> {
  readonly #make: (length: number) => T;
  readonly #chunks: T[] = [];
  #length = 0;

  constructor(make: (length: number) => T) {
    this.#make = make;
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    const within = this.#length % CHUNK;
    if (within === 0) this.#chunks.push(this.#make(CHUNK));
    this.#chunks[this.#chunks.length - 1]![within] = value;
    this.#length += 1;
  }

  /** `index` is below the length. */
  at(index: number): number {
    return this.#chunks[Math.floor(index / CHUNK)]![index % CHUNK]!;
  }

  set(index: number, value: number): void {
    this.#chunks[Math.floor(index / CHUNK)]![index % CHUNK] = value;
  }
}

/** Whole numbers below 2^32. */
export const growingUint32 = (): GrowingArray<Uint32Array> =>
  new GrowingArray((length) => new Uint32Array(length));

/** Any numbers; whole ones are exact up to 2^53. */
export const growingFloat64 = (): GrowingArray<Float64Array> =>
  new GrowingArray((length) => new Float64Array(length));
