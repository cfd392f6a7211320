/** Which pictures hang together, and which are near an evaluation set: in typed arrays. */
import { GrowingArray } from "../../arrays/growing.ts";

/** Connected groups of pictures: a forest whose roots are the groups' first pictures. */
export class Groups {
  /** [N] towards the root; a root's own number. */
  readonly #parents: Uint32Array;
  /** [N] 1 for the roots of groups of two and more. */
  readonly #joined: Uint8Array;

  constructor(pictures: number) {
    this.#parents = Uint32Array.from({ length: pictures }, (_, i) => i);
    this.#joined = new Uint8Array(pictures);
  }

  join(first: number, second: number): void {
    const [a, b] = [this.rootOf(first), this.rootOf(second)];
    this.#parents[Math.max(a, b)] = Math.min(a, b);
    this.#joined[Math.min(a, b)] = 1;
  }

  /** The first picture of a picture's group. */
  rootOf(picture: number): number {
    let root = picture;
    while (this.#parents[root] !== root) root = this.#parents[root]!;
    // Shorter ways for the next search.
    for (let at = picture; at !== root;) {
      const up = this.#parents[at]!;
      this.#parents[at] = root;
      at = up;
    }
    return root;
  }

  isJoined(root: number): boolean {
    return this.#joined[root] === 1;
  }
}

/** For each picture of the set, the first picture of an evaluation set that is near it. */
export class NearEvaluation {
  /** [N] that picture's number + 1; 0 for none. */
  readonly #near: Uint32Array;
  /** Pairs of one hash within the set, one after the other. */
  readonly #copies: GrowingArray<Uint32Array> = new GrowingArray(Uint32Array);

  constructor(pictures: number) {
    this.#near = new Uint32Array(pictures);
  }

  /** A near pair; pairs come in the order of their second pictures. */
  add(first: number, second: number, distance: number): void {
    if (second < this.#near.length) {
      if (distance === 0) this.#copies.append([first, second]);
    } else this.#near[first] ||= second + 1;
  }

  /** Pictures of one hash and the same colours are compared with others through the first of them. */
  finish(): void {
    const copies = this.#copies.view;
    for (let at = 0; at < copies.length; at += 2) {
      this.#near[copies[at + 1]!] ||= this.#near[copies[at]!]!;
    }
  }

  nearestTo(picture: number): number | undefined {
    const near = this.#near[picture]!;
    return near === 0 ? undefined : near - 1;
  }
}
