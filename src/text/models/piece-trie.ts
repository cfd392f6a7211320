/** Compact tables for large vocabularies: numbers under pairs of numbers, and a trie of pieces. */

/** Pieces by their UTF-16 code units, to find all that start at a place of a text. */
export class PieceTrie {
  readonly #children: PairTable;
  /** Per node: the number of the piece that ends there, or -1. */
  readonly #ends: number[] = [-1];

  /** A piece that is there twice has its last number. */
  constructor(pieces: Iterable<readonly [piece: string, number: number]>, expected = 1024) {
    this.#children = new PairTable(expected * 4);
    for (const [piece, number] of pieces) {
      let node = 0;
      for (let i = 0; i < piece.length; i++) {
        const unit = piece.charCodeAt(i);
        let child = this.#children.get(node, unit);
        if (child < 0) {
          child = this.#ends.push(-1) - 1;
          this.#children.set(node, unit, child);
        }
        node = child;
      }
      if (node > 0) this.#ends[node] = number;
    }
  }

  /** Calls `visit` with the end and the number of every piece at `start`, shortest first. */
  visit(text: string, start: number, visit: (end: number, number: number) => void): void {
    let node = 0;
    for (let i = start; i < text.length;) {
      node = this.#children.get(node, text.charCodeAt(i));
      if (node < 0) return;
      i++;
      const number = this.#ends[node] ?? -1;
      if (number >= 0) visit(i, number);
    }
  }

  /** Where the longest piece at `start` ends, or -1 where none is. */
  longest(text: string, start: number): number {
    let end = -1;
    this.visit(text, start, (at) => {
      end = at;
    });
    return end;
  }
}

/**
 * Whole numbers under pairs of whole numbers, in three typed arrays: half a million merges take
 * 12 MB, where a Map of doubles takes ten times that.
 */
export class PairTable {
  #first: Int32Array;
  #second: Int32Array;
  #value: Int32Array;
  #mask: number;
  #size = 0;

  /** expected   pairs that there will be; more are taken too */
  constructor(expected: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(8, expected * 2)));
    this.#mask = capacity - 1;
    this.#first = new Int32Array(capacity).fill(-1);
    this.#second = new Int32Array(capacity);
    this.#value = new Int32Array(capacity);
  }

  /** The value of a pair of numbers from 0 on, or -1 where there is none. */
  get(first: number, second: number): number {
    const slot = this.#slot(first, second);
    return this.#first[slot] === -1 ? -1 : (this.#value[slot] ?? -1);
  }

  set(first: number, second: number, value: number): void {
    if (this.#size * 2 >= this.#first.length) this.#grow();
    const slot = this.#slot(first, second);
    if (this.#first[slot] === -1) this.#size++;
    this.#first[slot] = first;
    this.#second[slot] = second;
    this.#value[slot] = value;
  }

  /** Where a pair is, or the free place where it belongs. */
  #slot(first: number, second: number): number {
    let slot = Math.imul(Math.imul(first, 0x9e3779b1) ^ second, 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & this.#mask;
    while (this.#first[slot] !== -1) {
      if (this.#first[slot] === first && this.#second[slot] === second) break;
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #grow(): void {
    const larger = new PairTable(this.#first.length);
    for (const [i, first] of this.#first.entries()) {
      if (first !== -1) larger.set(first, this.#second[i] ?? 0, this.#value[i] ?? 0);
    }
    this.#first = larger.#first;
    this.#second = larger.#second;
    this.#value = larger.#value;
    this.#mask = larger.#mask;
  }
}
