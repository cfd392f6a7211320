/** Near pairs in typed arrays, in the order of their pictures: 29 bytes a pair and no object. */
import { GrowingArray } from "../../arrays/growing.ts";

/** Two pictures by number, `second` the later one, and what speaks for a duplicate. */
export interface NearPair {
  first: number;
  second: number;
  /** Bits in which their hashes differ, and the correlation of their thumbnails. */
  distance: number;
  correlation: number;
  /** With a model: only where it was above its threshold. */
  cosine?: number;
}

export class PairList {
  readonly #first: GrowingArray<Uint32Array> = new GrowingArray(Uint32Array);
  readonly #second: GrowingArray<Uint32Array> = new GrowingArray(Uint32Array);
  readonly #distance: GrowingArray<Uint8Array> = new GrowingArray(Uint8Array);
  readonly #correlation: GrowingArray<Float64Array> = new GrowingArray(Float64Array);
  /** NaN where there is none. */
  readonly #cosine: GrowingArray<Float64Array> = new GrowingArray(Float64Array);

  get length(): number {
    return this.#first.length;
  }

  push({ first, second, distance, correlation, cosine }: NearPair): void {
    this.#first.push(first);
    this.#second.push(second);
    this.#distance.push(distance);
    this.#correlation.push(correlation);
    this.#cosine.push(cosine ?? NaN);
  }

  at(index: number): NearPair {
    const cosine = this.#cosine.at(index);
    return {
      first: this.#first.at(index),
      second: this.#second.at(index),
      distance: this.#distance.at(index),
      correlation: this.#correlation.at(index),
      ...(!Number.isNaN(cosine) && { cosine }),
    };
  }

  /** By `second`, then by `first`, of `pictures` pictures. Of a pair that occurs twice, its cosine too. */
  *sorted(pictures: number): Generator<NearPair> {
    const byFirst = countingOrder(this.#first.view, pictures);
    const order = countingOrder(this.#second.view, pictures, byFirst);
    let waiting: NearPair | undefined;
    for (const index of order) {
      const pair = this.at(index);
      if (waiting?.first === pair.first && waiting.second === pair.second) {
        waiting = { ...waiting, ...pair };
        continue;
      }
      if (waiting !== undefined) yield waiting;
      waiting = pair;
    }
    if (waiting !== undefined) yield waiting;
  }
}

/** The places of `values`, all below `bound`, in ascending order of the values; stable. */
function countingOrder(
  values: Uint32Array,
  bound: number,
  before: Uint32Array = Uint32Array.from({ length: values.length }, (_, i) => i),
): Uint32Array {
  const next = new Uint32Array(bound + 1);
  for (const value of values) next[value + 1]! += 1;
  for (let value = 0; value < bound; value++) next[value + 1]! += next[value]!;
  const order = new Uint32Array(values.length);
  for (const place of before) order[next[values[place]!]!++] = place;
  return order;
}
