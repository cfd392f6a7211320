/** Names of examples to rows of numbers, in typed arrays: 16 to 24 bytes an example. Knows no rows. */

/** What a table was saved as: the 64-bit hash of each row's name, row by row. */
type IdHashes = Int32Array;

/**
 * Rows 0, 1, 2, ... in the order in which names first appear. Names are kept as 64-bit hashes, in an
 * open-addressing table: two of n names share a row with probability n^2 / 2^65, 3e-6 for 10 million.
 */
export class IdTable {
  /** Names known. */
  count = 0;
  /** [2 x capacity] the halves of each row's hash. */
  #hashes: Int32Array = new Int32Array(2 * 64);
  /** Row + 1, or 0 where free; its length is a power of two, at least twice `count`. */
  #slots: Uint32Array = new Uint32Array(128);

  /** The row of a name, a new one where it was never seen. */
  row(id: string): number {
    const [high, low] = hash(id);
    const slot = this.#slotOf(high, low);
    const known = this.#slots[slot] as number;
    return known > 0 ? known - 1 : this.#append(high, low, slot);
  }

  /** The slot that holds the hash, or the free one where it belongs. */
  #slotOf(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    let slot = low & mask;
    for (;;) {
      const row = (this.#slots[slot] as number) - 1;
      if (row < 0) return slot;
      if (this.#hashes[2 * row] === high && this.#hashes[2 * row + 1] === low) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #append(high: number, low: number, slot: number): number {
    const row = this.count++;
    if (2 * row === this.#hashes.length) {
      const grown = new Int32Array(2 * this.#hashes.length);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[2 * row] = high;
    this.#hashes[2 * row + 1] = low;
    this.#slots[slot] = row + 1;
    if (2 * this.count > this.#slots.length) this.#index(2 * this.#slots.length);
    return row;
  }

  #index(slots: number): void {
    this.#slots = new Uint32Array(slots);
    for (let row = 0; row < this.count; row++) {
      const slot = this.#slotOf(
        this.#hashes[2 * row] as number,
        this.#hashes[2 * row + 1] as number,
      );
      this.#slots[slot] = row + 1;
    }
  }

  /** [2 x count] for `load`; shares the table's memory. */
  save(): IdHashes {
    return this.#hashes.subarray(0, 2 * this.count);
  }

  /** Replaces all rows. Returns false, and is empty, where two rows have the same hash. */
  load(hashes: IdHashes): boolean {
    const rows = hashes.length / 2;
    let slots = 128;
    while (slots < 2 * rows) slots *= 2;
    this.#hashes = new Int32Array(Math.max(slots, 128));
    this.#slots = new Uint32Array(slots);
    this.count = 0;
    for (let row = 0; row < rows; row++) {
      const [high, low] = [hashes[2 * row] as number, hashes[2 * row + 1] as number];
      const slot = this.#slotOf(high, low);
      if ((this.#slots[slot] as number) > 0) {
        this.load(new Int32Array(0));
        return false;
      }
      this.#append(high, low, slot);
    }
    return true;
  }
}

/** Two 32-bit lanes over the UTF-16 units, stirred together at the end; the same everywhere. */
export function hash(id: string): [number, number] {
  let a = 0x9e3779b9 | 0;
  let b = 0x7f4a7c15 | 0;
  for (let i = 0; i < id.length; i++) {
    const unit = id.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca6b);
    a = (a << 13) | (a >>> 19);
    b = Math.imul((b + unit) | 0, 0xc2b2ae35);
    b = (b << 17) | (b >>> 15);
  }
  a ^= id.length;
  b = (b + Math.imul(a, 0x27d4eb2f)) | 0;
  a = (a + b) | 0;
  const high = mix(a);
  return [high, mix((b + high) | 0)];
}

/** A bijection of 32 bits in which every input bit moves every output bit. */
function mix(x: number): number {
  let y = x ^ (x >>> 16);
  y = Math.imul(y, 0x7feb352d);
  y ^= y >>> 15;
  y = Math.imul(y, 0x846ca68b);
  return y ^ (y >>> 16);
}
