/** Finds the first entry with a key, in about 20 bytes an entry however long the keys are. */
import { NumberBlocks } from "../../arrays/growing.ts";

/** Keys that are compared without asking for them again. */
const RECENT = 1 << 10;

/**
 * An open hash table of entry numbers. It keeps 64 bits of hash for each; what has the same is asked
 * for and compared, so the answer is exact.
 */
export class KeyTable {
  /** Entry + 1; 0 is free. The length is a power of two. */
  #slots = new Uint32Array(1 << 10);
  #used = 0;
  readonly #hashes: NumberBlocks<Uint32Array> = new NumberBlocks(Uint32Array);
  readonly #checks: NumberBlocks<Uint32Array> = new NumberBlocks(Uint32Array);
  readonly #keyOf: (entry: number) => string | undefined;
  readonly #recentKeys: string[] = [];
  readonly #recentEntries: number[] = [];

  /** `keyOf` gives the key of an entry that was added. */
  constructor(keyOf: (entry: number) => string | undefined) {
    this.#keyOf = keyOf;
  }

  /** Adds the next entry under a key, or gives the entry that has the key already, which stays. */
  findOrAdd(key: string): number | undefined {
    const [hash, check] = hashesOf(key);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1;
      const alike = this.#checks.at(entry) === check && this.#hashes.at(entry) === hash;
      if (alike && this.#recentKey(entry) === key) return entry;
    }
    const entry = this.#hashes.length;
    this.#slots[slot] = entry + 1;
    this.#hashes.push(hash);
    this.#checks.push(check);
    this.#recentKeys[entry % RECENT] = key;
    this.#recentEntries[entry % RECENT] = entry;
    this.#used += 1;
    if (this.#used > 0.6 * this.#slots.length) this.#grow();
    return undefined;
  }

  /** The next entry has no key. */
  skip(): void {
    this.#hashes.push(0);
    this.#checks.push(0);
  }

  #recentKey(entry: number): string | undefined {
    if (this.#recentEntries[entry % RECENT] === entry) return this.#recentKeys[entry % RECENT];
    const key = this.#keyOf(entry);
    if (key !== undefined) {
      this.#recentEntries[entry % RECENT] = entry;
      this.#recentKeys[entry % RECENT] = key;
    }
    return key;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 * old.length);
    const mask = this.#slots.length - 1;
    for (const number of old) {
      if (number === 0) continue;
      let slot = this.#hashes.at(number - 1) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number;
    }
  }
}

/** Two hashes by MurmurHash3's mixing (A. Appleby), a UTF-16 unit at a time. */
function hashesOf(key: string): [number, number] {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  for (let i = 0; i < key.length; i++) {
    const k = Math.imul(key.charCodeAt(i), 0xcc9e2d51);
    a ^= k;
    a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
    b ^= k;
    b = (Math.imul((b << 17) | (b >>> 15), 5) + 0x561ccd1b) | 0;
  }
  return [avalanche(a ^ key.length), avalanche(b ^ key.length)];
}

function avalanche(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
