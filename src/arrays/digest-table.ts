/** Many strings, each with a number, in typed arrays: only their digests are kept. */
import { hash } from "node:crypto";

/** Each grows by itself, so that growing needs little more memory than what is there. */
const PARTS = 256;
const FIRST_SLOTS = 8;
/** Slots in use, at most. */
const FULL = 0.75;
/** 32-bit words of a digest. */
const WORDS = 4;

/**
 * A number for each string, from 1 to 2^32 - 1; 0 for one that is not there. Strings are told apart by
 * the first 128 bits of their SHA-256: that two of n share them has probability n^2 / 2^129, 1.5e-23
 * for a hundred million.
 *
 * memory   27 to 54 bytes a string, whatever its length; no limit of V8's is near
 */
export class DigestTable {
  /** Strings that are there. */
  size = 0;
  readonly #parts: Part[] = Array.from({ length: PARTS }, () => new Part());

  get(key: string): number {
    const digest = digestOf(key);
    const part = this.#parts[digest[0]! & (PARTS - 1)]!;
    return part.values[part.slotOf(digest)]!;
  }

  /** value   1 to 2^32 - 1 */
  set(key: string, value: number): void {
    this.change(key, () => value);
  }

  /** Gives a string the number that `next` makes of its present one; returns the new one. */
  change(key: string, next: (before: number) => number): number {
    const digest = digestOf(key);
    const part = this.#parts[digest[0]! & (PARTS - 1)]!;
    const slot = part.slotOf(digest);
    const before = part.values[slot]!;
    const value = next(before);
    part.values[slot] = value;
    if (before === 0 && value !== 0) {
      part.take(slot, digest);
      this.size += 1;
    }
    return value;
  }
}

/** A view that the next call overwrites. */
const digestWords = new Uint32Array(WORDS);

function digestOf(key: string): Uint32Array {
  const bytes = hash("sha256", key, "buffer");
  for (let word = 0; word < WORDS; word++) digestWords[word] = bytes.readUInt32LE(4 * word);
  return digestWords;
}

/** Open addressing with linear probing; a slot is free where its number is 0. */
class Part {
  count = 0;
  values: Uint32Array = new Uint32Array(FIRST_SLOTS);
  #digests: Uint32Array = new Uint32Array(WORDS * FIRST_SLOTS);

  /** The slot that holds the digest, or the free one where it belongs. */
  slotOf(digest: Uint32Array, from = 0): number {
    const mask = this.values.length - 1;
    for (let slot = digest[from + 1]! & mask; ; slot = (slot + 1) & mask) {
      if (this.values[slot] === 0 || this.#holds(slot, digest, from)) return slot;
    }
  }

  #holds(slot: number, digest: Uint32Array, from: number): boolean {
    for (let word = 0; word < WORDS; word++) {
      if (this.#digests[WORDS * slot + word] !== digest[from + word]) return false;
    }
    return true;
  }

  /** Marks a slot, whose number was just set, as the digest's. */
  take(slot: number, digest: Uint32Array): void {
    this.#digests.set(digest, WORDS * slot);
    this.count += 1;
    if (this.count > FULL * this.values.length) this.#grow();
  }

  #grow(): void {
    const [values, digests] = [this.values, this.#digests];
    this.values = new Uint32Array(2 * values.length);
    this.#digests = new Uint32Array(2 * digests.length);
    for (const [old, value] of values.entries()) {
      if (value === 0) continue;
      const slot = this.slotOf(digests, WORDS * old);
      this.values[slot] = value;
      this.#digests.set(digests.subarray(WORDS * old, WORDS * old + WORDS), WORDS * slot);
    }
  }
}
