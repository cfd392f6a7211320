/** Which row a key has: 64-bit hashes in the order of the rows, looked up by open addressing. */
import { hash } from "node:crypto";
import { endianness } from "node:os";

const FIRST_CAPACITY = 1024;
/** Stored hashes are little-endian words on every machine. */
const SWAPS = endianness() === "BE";

/**
 * Two keys with one hash would share a row; among 100 million keys that happens once in 3,700 sets.
 * Takes 16 to 32 bytes for each key.
 */
export class KeyIndex {
  /** Hash of row i at 2 i (high) and 2 i + 1 (low). */
  #hashes = new Uint32Array(2 * FIRST_CAPACITY);
  /** Row + 1, or 0 where free; a power of two of slots, at most half of them taken. */
  #slots = new Uint32Array(2 * FIRST_CAPACITY);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The key's row, or -1. */
  get(key: string): number {
    return this.#slots[this.#find(...hashOf(key))]! - 1;
  }

  /** Gives the key the next row; false where it has one already. */
  add(key: string): boolean {
    const [high, low] = hashOf(key);
    return this.#insert(high, low);
  }

  #insert(high: number, low: number): boolean {
    const slot = this.#find(high, low);
    if (this.#slots[slot] !== 0) return false;
    const row = this.#count++;
    this.#hashes[2 * row] = high;
    this.#hashes[2 * row + 1] = low;
    this.#slots[slot] = row + 1;
    if (2 * this.#count >= this.#hashes.length) this.#resize(2 * this.#hashes.length);
    return true;
  }

  /** The slot of a hash, or the free one where it would go. */
  #find(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]! - 1;
      if (row < 0) return slot;
      if (this.#hashes[2 * row] === high && this.#hashes[2 * row + 1] === low) return slot;
    }
  }

  #resize(length: number): void {
    const hashes = new Uint32Array(length);
    hashes.set(this.#hashes.subarray(0, 2 * this.#count));
    this.#hashes = hashes;
    this.#slots = new Uint32Array(length);
    for (let row = 0; row < this.#count; row++) {
      this.#slots[this.#find(hashes[2 * row]!, hashes[2 * row + 1]!)] = row + 1;
    }
  }

  /** The hashes in the order of the rows, 8 bytes each. */
  toBytes(): Uint8Array {
    const bytes = Buffer.from(this.#hashes.slice(0, 2 * this.#count).buffer);
    return SWAPS ? bytes.swap32() : bytes;
  }

  /** What `toBytes` gave; undefined where a hash stands twice. */
  static fromBytes(bytes: Uint8Array): KeyIndex | undefined {
    const copy = Buffer.from(bytes);
    if (SWAPS) copy.swap32();
    const words = new DataView(copy.buffer, copy.byteOffset, copy.byteLength);
    const little = !SWAPS;
    const index = new KeyIndex();
    let length = 2 * FIRST_CAPACITY;
    while (length <= bytes.length / 4) length *= 2;
    index.#resize(length);
    for (let at = 0; at < bytes.length; at += 8) {
      if (!index.#insert(words.getUint32(at, little), words.getUint32(at + 4, little))) {
        return undefined;
      }
    }
    return index;
  }
}

function hashOf(key: string): [high: number, low: number] {
  const digest = hash("sha256", key, "buffer");
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)];
}
