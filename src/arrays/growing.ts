/** Numbers that arrive one after another, in typed arrays: no object for each. Knows not what they mean. */

type Numbers = Uint8Array | Uint32Array | Int32Array | Float32Array | Float64Array;

interface MadeOf<T extends Numbers> {
  new (length: number): T;
}

/** Growing in steps of half its size: up to a third of the memory is free room. */
const GROWTH = 1.5;

/** A list of numbers in one array, which grows. */
export class GrowingArray<T extends Numbers> {
  length = 0;
  readonly #made: MadeOf<T>;
  #data: T;

  constructor(made: MadeOf<T>, capacity = 1024) {
    this.#made = made;
    this.#data = new made(capacity);
  }

  push(value: number): void {
    if (this.length === this.#data.length) this.#reserve(this.length + 1);
    this.#data[this.length++] = value;
  }

  append(values: ArrayLike<number>): void {
    const end = this.length + values.length;
    if (end > this.#data.length) this.#reserve(end);
    this.#data.set(values, this.length);
    this.length = end;
  }

  #reserve(least: number): void {
    const grown = new this.#made(Math.max(least, Math.ceil(this.#data.length * GROWTH)));
    grown.set(this.#data);
    this.#data = grown;
  }

  /** The number at `index`, which was pushed before. */
  at(index: number): number {
    return this.#data[index]!;
  }

  /** What was pushed: a view, valid until the next `push`. */
  get view(): T {
    return this.#data.subarray(0, this.length) as T;
  }
}

/** Rows of one width, in blocks that never move: nothing is copied when more come. */
export class RowBlocks<T extends Numbers> {
  count = 0;
  /** [B][rowsPerBlock x width] */
  readonly blocks: T[] = [];
  readonly rowsPerBlock: number;
  readonly width: number;
  readonly #made: MadeOf<T>;

  /** Blocks of about `blockLength` numbers. */
  constructor(made: MadeOf<T>, width: number, blockLength = 1 << 22) {
    this.#made = made;
    this.width = width;
    this.rowsPerBlock = Math.max(1, Math.floor(blockLength / width));
  }

  /** [width], copied. */
  push(row: ArrayLike<number>): void {
    const at = this.count % this.rowsPerBlock;
    if (at === 0) this.blocks.push(new this.#made(this.rowsPerBlock * this.width));
    this.blocks.at(-1)!.set(row, at * this.width);
    this.count += 1;
  }

  /** [width] a view. */
  row(index: number): T {
    const at = (index % this.rowsPerBlock) * this.width;
    const block = this.blocks[Math.floor(index / this.rowsPerBlock)]!;
    return block.subarray(at, at + this.width) as T;
  }
}

const BLOCK = 1 << 16;

/** A list of numbers in blocks that never move, each of which can be changed. */
export class NumberBlocks<T extends Numbers> {
  length = 0;
  readonly #made: MadeOf<T>;
  readonly #blocks: T[] = [];

  constructor(made: MadeOf<T>) {
    this.#made = made;
  }

  push(value: number): void {
    const within = this.length % BLOCK;
    if (within === 0) this.#blocks.push(new this.#made(BLOCK));
    this.#blocks[this.#blocks.length - 1]![within] = value;
    this.length += 1;
  }

  /** `index` is below the length. */
  at(index: number): number {
    return this.#blocks[Math.floor(index / BLOCK)]![index % BLOCK]!;
  }

  set(index: number, value: number): void {
    this.#blocks[Math.floor(index / BLOCK)]![index % BLOCK] = value;
  }
}
