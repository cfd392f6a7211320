/** How often texts occur, without keeping them. */
import { DigestTable } from "../arrays/digest-table.ts";

/** Texts by how often they occur: exact counts, and the text itself of the commonest ones only. */
export class TextCounts {
  /** Texts that occur more than once. */
  repeated = 0;
  readonly #counts: DigestTable = new DigestTable();
  readonly #listed: number;
  /** The commonest repeated texts, the commonest first; of equally common ones the first to be so. */
  readonly #commonest: { text: string; count: number }[] = [];

  /** Of the `listed` commonest texts, at least one, the words are kept. */
  constructor(listed: number) {
    this.#listed = listed;
  }

  /** Counts a text; returns how often it has occurred. */
  add(text: string): number {
    const count = this.#counts.change(text, (before) => before + 1);
    if (count === 1) return count;
    if (count === 2) this.repeated += 1;
    this.#rank(text, count);
    return count;
  }

  /** A text that ends among the commonest is here at its last occurrence, and is listed from then on. */
  #rank(text: string, count: number): void {
    const list = this.#commonest;
    const known = list.findIndex((entry) => entry.text === text);
    if (known >= 0) list.splice(known, 1);
    else if (list.length === this.#listed && count <= list.at(-1)!.count) return;
    const place = list.findIndex((entry) => entry.count < count);
    list.splice(place < 0 ? list.length : place, 0, { text, count });
    if (list.length > this.#listed) list.pop();
  }

  get commonest(): readonly { text: string; count: number }[] {
    return this.#commonest;
  }
}
