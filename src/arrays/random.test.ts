import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRandom } from "./random.ts";

describe("createRandom", () => {
  it("refuses seeds and ranges that are no numbers", () => {
    assert.throws(() => createRandom(NaN), /Expected a finite number for seed but received NaN/);
    for (const n of [0, -1, 1.5, 2 ** 33]) {
      assert.throws(() => createRandom(1).integer(n), /Expected an integer from 1 to 2\^32 for n/);
    }
  });
  it("gives the same numbers for the same seed on every machine", () => {
    const random = createRandom([7, "epoch", 3]);
    const drawn = Array.from({ length: 4 }, () => random.integer(1_000_000));
    assert.deepEqual(drawn, PINNED);
  });
  it("tallies the numbers that it would draw one by one, and goes on from there", () => {
    // Of three million some draws are beyond the last whole run, and are drawn again.
    for (const n of [0, 1, 2, 3, 1000, 65_537, 3_000_001]) {
      const [one, other] = [createRandom([n]), createRandom([n])];
      const [counts, expected] = [new Uint32Array(n).fill(2), new Uint32Array(n).fill(2)];
      one.tally(counts);
      for (let draw = 0; draw < n; draw++) expected[other.integer(n)]!++;
      assert.ok(Buffer.from(counts.buffer).equals(Buffer.from(expected.buffer)), `${n}`);
      assert.deepEqual(one.state(), other.state());
      assert.equal(one.next(), other.next());
    }
  });
  it("tells seeds apart by type, order and grouping", () => {
    const seeds = [1, "1", [1, 2], [2, 1], [12], ["ab"], ["a", "b"], "", [], -1, 0.5, 2 ** 40];
    const firsts = seeds.map((seed) => createRandom(seed).next());
    assert.equal(new Set(firsts).size, seeds.length);
    assert.equal(createRandom(0).next(), createRandom(-0).next());
  });
  it("continues from a state", () => {
    const random = createRandom("state");
    for (let i = 0; i < 10; i++) random.next();
    const state = JSON.parse(JSON.stringify(random.state())) as ReturnType<typeof random.state>;
    const expected = [random.next(), random.next()];
    const other = createRandom(0);
    other.restore(state);
    assert.deepEqual([other.next(), other.next()], expected);
  });
  it("is uniform: chi-squared of 64 bins, of pairs, and of shuffles", () => {
    const random = createRandom("uniform");
    const [values, pairs, orders] = [
      new Array(64).fill(0),
      new Array(64).fill(0),
      new Array(24).fill(0),
    ];
    const count = 64_000;
    for (let i = 0; i < count; i++) {
      values[Math.floor(random.next() * 64)] += 1;
      pairs[random.integer(8) * 8 + random.integer(8)] += 1;
    }
    for (let i = 0; i < 24_000; i++) {
      const [a, b, c] = random.shuffle([0, 1, 2, 3]);
      orders[
        a! * 6 +
          [0, 1, 2, 3].filter((x) => x !== a).indexOf(b!) * 2 +
          (c! > remaining(a!, b!, c!) ? 1 : 0)
      ] += 1;
    }
    // 99.99 % quantiles of chi-squared with 63 and 23 degrees of freedom are 113.5 and 55.
    assert.ok(chiSquared(values, count / 64) < 113.5);
    assert.ok(chiSquared(pairs, count / 64) < 113.5);
    assert.ok(chiSquared(orders, 1000) < 55);
  });
});

const PINNED = [990992, 825104, 234498, 86469];

function remaining(a: number, b: number, c: number): number {
  return 6 - a - b - c;
}

function chiSquared(counts: number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}
