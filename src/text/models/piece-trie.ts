import { PairTable } from "./pair-table.ts";

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
