/** Names of pictures (`Batch.imageIds`) of several sets in order, four bytes each and no string. */
import { GrowingArray } from "../../arrays/growing.ts";

/** Pictures that follow one another in one shard, table or folder. */
interface Part {
  name: string;
  /** The picture that it begins with. */
  start: number;
}

export class PictureNames {
  /** Each picture's number in its part: names are `part#number`. */
  readonly #numbers: GrowingArray<Uint32Array> = new GrowingArray(Uint32Array);
  readonly #parts: Part[] = [];
  /** The picture that each set begins with. */
  readonly #sets: number[] = [];

  get count(): number {
    return this.#numbers.length;
  }

  /** Those that are pushed from here on are of a new set. */
  startSet(): void {
    this.#sets.push(this.count);
  }

  push(id: string): void {
    const end = id.lastIndexOf("#");
    const name = id.slice(0, end);
    if (this.#parts.at(-1)?.name !== name) this.#parts.push({ name, start: this.count });
    this.#numbers.push(Number(id.slice(end + 1)));
  }

  nameOf(picture: number): string {
    const part = this.#parts[lastFrom(this.#parts.length, (i) => this.#parts[i]!.start, picture)]!;
    return `${part.name}#${this.#numbers.at(picture)}`;
  }

  setOf(picture: number): number {
    return lastFrom(this.#sets.length, (i) => this.#sets[i]!, picture);
  }

  /** Pictures of a set. */
  sizeOf(set: number): number {
    return (this.#sets[set + 1] ?? this.count) - this.#sets[set]!;
  }
}

/** The last of the ascending starts that is not behind `picture`: of empty stretches, the last. */
function lastFrom(length: number, startOf: (i: number) => number, picture: number): number {
  let [low, high] = [0, length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (startOf(middle) <= picture) low = middle;
    else high = middle - 1;
  }
  return low;
}
