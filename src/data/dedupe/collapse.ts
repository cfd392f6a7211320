/** Copies of one picture in one set, as one: those with the same hash and the same colours. */
import type { Looks } from "./describe-pictures.ts";
import type { PairList } from "./pair-list.ts";
import { PLAIN_DIFFERENCE, type Thumbnails } from "./thumbnails.ts";

/** The pictures that stand for themselves or for copies, by their hashes. */
export interface Leaders {
  /** [2 U] halves of U hashes, all different. */
  hashes: Uint32Array;
  /** [U + 1] the pictures of hash u stand in `members` from starts[u] to starts[u + 1], in order. */
  starts: Uint32Array;
  members: Uint32Array;
}

/**
 * Of pictures of one set with one hash, each that correlates with an earlier one that stands for
 * itself is paired with the first such. Those of the others are apart from each other.
 */
export function collapse(
  { hashes, thumbnails }: Pick<Looks, "hashes" | "thumbnails">,
  setOf: (picture: number) => number,
  correlation: number,
  pairs: PairList,
): Leaders {
  const order = orderByHash(hashes);
  const count = order.length;
  const members = new Uint32Array(count);
  const starts = new Uint32Array(count + 1);
  const own = new Uint32Array(2 * count);
  let [unique, taken] = [0, 0];
  for (let from = 0; from < count;) {
    const [low, high] = [hashes[2 * order[from]!]!, hashes[2 * order[from]! + 1]!];
    const search = new FirstAlike(thumbnails, correlation);
    let set = setOf(order[from]!);
    let at = from;
    for (; at < count; at++) {
      const picture = order[at]!;
      if (hashes[2 * picture] !== low || hashes[2 * picture + 1] !== high) break;
      if (setOf(picture) !== set) {
        set = setOf(picture);
        search.clear();
      }
      const first = search.find(picture);
      if (first === undefined) {
        search.add(picture);
        members[taken++] = picture;
      } else {
        const alike = thumbnails.correlation(first, picture);
        pairs.push({ first, second: picture, distance: 0, correlation: alike });
      }
    }
    own.set([low, high], 2 * unique);
    starts[++unique] = taken;
    from = at;
  }
  return {
    hashes: own.slice(0, 2 * unique),
    starts: starts.slice(0, unique + 1),
    members: members.slice(0, taken),
  };
}

/**
 * The first of the pictures added so far that a picture correlates with. Plain pictures all have one
 * hash, so they are kept by the cells of a grid of colours: only those nearby can be alike.
 */
class FirstAlike {
  readonly #thumbnails: Thumbnails;
  readonly #least: number;
  #others: number[] = [];
  #plain: Map<number, number[]> = new Map();

  constructor(thumbnails: Thumbnails, least: number) {
    this.#thumbnails = thumbnails;
    this.#least = least;
  }

  clear(): void {
    this.#others = [];
    this.#plain = new Map();
  }

  find(picture: number): number | undefined {
    const alike = (other: number): boolean =>
      this.#thumbnails.correlation(other, picture) >= this.#least;
    if (!this.#inGrid(picture)) return this.#others.find(alike);
    let first: number | undefined;
    for (const cell of cellsAround(this.#thumbnails.colour(picture))) {
      const found = this.#plain.get(cell)?.find(alike);
      if (found !== undefined && (first === undefined || found < first)) first = found;
    }
    return first;
  }

  add(picture: number): void {
    if (!this.#inGrid(picture)) {
      this.#others.push(picture);
      return;
    }
    const cell = cellOf(this.#thumbnails.colour(picture).map(gridStep));
    const known = this.#plain.get(cell);
    if (known === undefined) this.#plain.set(cell, [picture]);
    else known.push(picture);
  }

  /** With a threshold that even unlike pictures reach, there is nothing to leave out. */
  #inGrid(picture: number): boolean {
    return this.#least > 0 && this.#thumbnails.isPlain(picture);
  }
}

function gridStep(value: number): number {
  return Math.floor(value / PLAIN_DIFFERENCE) + 1;
}

function cellOf([red = 0, green = 0, blue = 0]: readonly number[]): number {
  return (red << 16) | (green << 8) | blue;
}

/** The cells of colours that may be as near as `PLAIN_DIFFERENCE`. */
function* cellsAround(colour: readonly number[]): Generator<number> {
  const [red = 0, green = 0, blue = 0] = colour.map(gridStep);
  for (const r of [red - 1, red, red + 1]) {
    for (const g of [green - 1, green, green + 1]) {
      for (const b of [blue - 1, blue, blue + 1]) yield cellOf([r, g, b]);
    }
  }
}

/** [N] the pictures sorted by hash, those of one hash in order: a radix sort by 16 bits at a time. */
function orderByHash(hashes: Uint32Array): Uint32Array {
  const count = hashes.length / 2;
  let order = Uint32Array.from({ length: count }, (_, i) => i);
  let sorted = new Uint32Array(count);
  for (let digit = 0; digit < 4; digit++) {
    const [half, shift] = [digit >> 1, (digit & 1) * 16];
    const next = new Uint32Array((1 << 16) + 1);
    const valueOf = (picture: number): number => (hashes[2 * picture + half]! >>> shift) & 0xffff;
    for (let i = 0; i < count; i++) next[valueOf(i) + 1]! += 1;
    for (let value = 0; value < 1 << 16; value++) next[value + 1]! += next[value]!;
    for (const picture of order) sorted[next[valueOf(picture)]!++] = picture;
    [order, sorted] = [sorted, order];
  }
  return order;
}
