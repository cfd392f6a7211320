/** Random numbers that a seed and an index fix, so that one input can be made again alone. */
export class Random {
  #state;

  /** @param {number} seed @param {number} index */
  constructor(seed, index) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 0;
    for (let i = 0; i < 4; i++) this.next();
  }

  /** An unsigned number of 32 bits (Marsaglia's xorshift over a Weyl sequence). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** 0 to limit - 1. @param {number} limit */
  below(limit) {
    return limit <= 0 ? 0 : this.next() % limit;
  }

  /** @template T @param {readonly T[]} items @returns {T} */
  pick(items) {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("internal: there is nothing to pick from");
    return item;
  }

  /** True with this probability. @param {number} probability */
  chance(probability) {
    return this.next() < probability * 2 ** 32;
  }
}
