import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRandom } from "../../arrays/random.ts";
import { forEachNearPair, hammingDistance, planBands } from "./hamming-join.ts";

/** Hashes as data has them: every other one is an earlier one with up to `changes` bits changed. */
function clustered(count: number, changes: number, seed: number): Uint32Array {
  const random = createRandom(seed);
  const hashes = new Uint32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const from = 2 * random.integer(Math.max(1, i));
    const fresh = i % 2 === 0;
    for (const half of [0, 1]) {
      hashes[2 * i + half] = fresh ? random.integer(2 ** 32) : hashes[from + half]!;
    }
    for (let k = fresh ? 0 : random.integer(changes + 1); k > 0; k--) {
      hashes[2 * i + random.integer(2)]! ^= 1 << random.integer(32);
    }
  }
  return hashes;
}

function byComparingAll(hashes: Uint32Array, distance: number): string[] {
  const pairs: string[] = [];
  for (let i = 0; i < hashes.length / 2; i++) {
    for (let j = 0; j < i; j++) {
      const bits = hammingDistance(hashes, i, j);
      if (bits <= distance) pairs.push(`${i} ${j} ${bits}`);
    }
  }
  return pairs.toSorted();
}

function found(hashes: Uint32Array, distance: number): string[] {
  const pairs: string[] = [];
  forEachNearPair(hashes, distance, (i, j, bits) => pairs.push(`${i} ${j} ${bits}`));
  return pairs.toSorted();
}

describe("forEachNearPair", () => {
  it("counts bits", () => {
    const hashes = Uint32Array.of(0, 0, 0xffffffff, 0xffffffff, 0x80000001, 1);
    assert.equal(hammingDistance(hashes, 0, 1), 64);
    assert.equal(hammingDistance(hashes, 0, 2), 3);
  });
  it("finds each near pair once, as comparing all does, in one band and in many", () => {
    const bands = new Set<number>();
    for (const count of [0, 1, 2, 3, 40, 400, 3000]) {
      const hashes = clustered(count, 20, 3);
      for (const distance of [0, 1, 3, 10, 16]) {
        bands.add(planBands(count, distance).length);
        const expected = byComparingAll(hashes, distance);
        assert.deepEqual(found(hashes, distance), expected, `${count} hashes, ${distance} bits`);
        if (count >= 400) assert.ok(expected.length > 10);
      }
    }
    assert.ok(bands.size >= 3, `${[...bands].join()} bands`);
  });
  it("finds them in wide keys, in several regions of them", () => {
    // 70,000 hashes are beyond comparing all: of 60 planted groups the pairs are known.
    const random = createRandom(5);
    const count = 70_000;
    const hashes = Uint32Array.from({ length: 2 * count }, () => random.integer(2 ** 32));
    const planted = Array.from({ length: 60 }, () => random.integer(count));
    const expected: string[] = [];
    for (const [n, at] of planted.entries()) {
      const copy = (at + 1 + random.integer(count - 1)) % count;
      hashes.copyWithin(2 * copy, 2 * at, 2 * at + 2);
      const places = Array.from({ length: 64 }, (_, i) => i);
      random.shuffle(places);
      for (const place of places.slice(0, n % 11)) {
        hashes[2 * copy + (place >> 5)]! ^= 1 << (place & 31);
      }
      expected.push(`${Math.max(at, copy)} ${Math.min(at, copy)} ${n % 11}`);
    }
    const all = found(hashes, 10);
    const changedAgain = new Set(all);
    const missing = expected.filter((pair) => !changedAgain.has(pair));
    // A picture planted twice is no longer the copy that it was.
    assert.ok(missing.length <= 1, missing.join());
    assert.equal(all.length, changedAgain.size);
    for (const pair of all) {
      const [i, j, bits] = pair.split(" ").map(Number) as [number, number, number];
      assert.equal(hammingDistance(hashes, i, j), bits);
      assert.ok(i > j && bits <= 10);
    }
  });
  it("splits the bits so that no near pair is missed, whatever the number of hashes", () => {
    for (let digits = 0; digits <= 8; digits++) {
      for (let distance = 0; distance <= 16; distance++) {
        const bands = planBands(10 ** digits, distance);
        const used = bands.flatMap(({ positions }) => positions);
        assert.equal(new Set(used).size, used.length);
        assert.ok(used.every((position) => position < 64));
        // Pigeonhole: were a pair beyond the radius in every band, it would differ in too many bits.
        const beyond = bands.reduce((sum, { radius }) => sum + radius + 1, 0);
        const whole = bands.every(({ positions, radius }) => radius < positions.length);
        assert.ok(beyond > distance || !whole, `10^${digits} hashes, ${distance} bits`);
      }
    }
  });
});
