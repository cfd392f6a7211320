import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRandom } from "../../arrays/random.ts";
import { hammingDistance } from "./hamming-join.ts";
import { findNearPairs } from "./near-pictures.ts";
import type { NearPair } from "./pair-list.ts";
import { PictureNames } from "./picture-names.ts";
import { Thumbnails } from "./thumbnails.ts";

interface Given {
  hashes: Uint32Array;
  thumbnails: Thumbnails;
}

/** Pictures of few hashes and few looks, a third of them plain, as shops' sets are. */
function pictures(count: number): Given {
  const random = createRandom("near");
  const kinds = Array.from({ length: 12 }, () => [
    random.integer(2 ** 32),
    random.integer(2 ** 32),
  ]);
  const looks = Array.from({ length: 6 }, () =>
    Array.from({ length: 192 }, () => random.integer(200)),
  );
  const hashes = new Uint32Array(2 * count);
  const thumbnails = new Thumbnails();
  for (let i = 0; i < count; i++) {
    if (random.next() < 0.35) {
      // Of close colours, on both sides of the grid's lines.
      const colour = [0, 1, 2].map(() => random.integer(40));
      thumbnails.push(Uint8Array.from({ length: 192 }, (_, k) => colour[Math.floor(k / 64)]!));
      continue;
    }
    hashes.set(kinds[random.integer(kinds.length)]!, 2 * i);
    if (random.next() < 0.4) hashes[2 * i]! ^= 1 << random.integer(32);
    const look = looks[random.integer(looks.length)]!;
    const bright = random.integer(50);
    thumbnails.push(Uint8Array.from(look, (value) => value + bright));
  }
  return { hashes, thumbnails };
}

/** The rule in plain loops: copies go with the first like them, all others are compared with all. */
function naive(
  { hashes, thumbnails }: Given,
  setOf: (picture: number) => number,
  { distance, correlation }: { distance: number; correlation: number },
): NearPair[] {
  const leaders: number[] = [];
  const pairs: NearPair[] = [];
  for (let i = 0; i < thumbnails.count; i++) {
    const pair = (first: number): NearPair => ({
      first,
      second: i,
      distance: hammingDistance(hashes, first, i),
      correlation: thumbnails.correlation(first, i),
    });
    const near = leaders.map(pair).filter((one) => one.correlation >= correlation);
    const copy = near.find((one) => one.distance === 0 && setOf(one.first) === setOf(i));
    if (copy === undefined) {
      pairs.push(...near.filter((one) => one.distance <= distance));
      leaders.push(i);
    } else pairs.push(copy);
  }
  return pairs;
}

describe("findNearPairs", () => {
  const given = pictures(500);
  const setOf = (picture: number): number => Math.floor(picture / 200);
  for (const [distance, correlation] of [
    [0, 0.9],
    [10, 0.9],
    [16, 0.2],
    [3, 0],
    [3, -0.5],
  ] as const) {
    it(`finds what plain loops find: ${distance} bits, correlation ${correlation}`, () => {
      const thresholds = { distance, correlation, cosine: 1 };
      const looks = { ...given, embeddings: undefined };
      const found = [...findNearPairs(looks, setOf, thresholds)];
      const expected = naive(given, setOf, thresholds);
      assert.deepEqual(found, expected);
      assert.ok(found.length > 300 && found.some(({ distance: bits }) => bits === 0));
      if (distance > 0) assert.ok(found.some(({ distance: bits }) => bits > 0));
    });
  }
  it("joins what the hash and what a model found", () => {
    const { hashes, thumbnails } = pictures(30);
    const data = Float32Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 1 : -1));
    const looks = { hashes, thumbnails, embeddings: { data, count: 30, dim: 1 } };
    const similarities = (
      a: { data: Float32Array; count: number },
      b: { data: Float32Array; count: number },
    ): Float32Array =>
      Float32Array.from(
        { length: a.count * b.count },
        (_, k) => a.data[Math.floor(k / b.count)]! * b.data[k % b.count]!,
      );
    const thresholds = { distance: 10, correlation: 0.9, cosine: 0.5 };
    const found = [...findNearPairs(looks, () => 0, thresholds, { similarities })];
    const names = found.map(({ first, second }) => second * 30 + first);
    assert.deepEqual(
      names,
      [...new Set(names)].toSorted((a, b) => a - b),
    );
    const byHash = [...findNearPairs({ ...looks, embeddings: undefined }, () => 0, thresholds)];
    for (const pair of byHash) {
      const again = found.find(
        ({ first, second }) => first === pair.first && second === pair.second,
      );
      assert.equal(again?.distance, pair.distance);
    }
    const withCosine = found.filter(({ cosine }) => cosine === 1);
    assert.ok(withCosine.every(({ first, second }) => (second - first) % 2 === 0));
    assert.ok(withCosine.length > byHash.length && found.length > withCosine.length);
  });
});

describe("PictureNames", () => {
  it("gives back names, sets and sizes, also of sets without pictures", () => {
    const names = new PictureNames();
    const ids = [["a/b.tar#0", "a/b.tar#2", "c#1.tar#7"], [], ["c#1.tar#0", "d#4294967294"]];
    for (const set of ids) {
      names.startSet();
      for (const id of set) names.push(id);
    }
    const all = Array.from({ length: names.count }, (_, i) => i);
    assert.deepEqual(
      all.map((i) => names.nameOf(i)),
      ids.flat(),
    );
    assert.deepEqual(
      all.map((i) => names.setOf(i)),
      [0, 0, 0, 2, 2],
    );
    assert.deepEqual(
      [0, 1, 2].map((set) => names.sizeOf(set)),
      [3, 0, 2],
    );
  });
});
