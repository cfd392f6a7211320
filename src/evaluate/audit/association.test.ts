import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { normalizeRows, type Embeddings } from "../../arrays/embeddings.ts";
import { createRandom } from "../../arrays/random.ts";
import { associationOf, associationTest } from "./association.ts";
import { rankingSkew, skewByChance } from "./skew.ts";
import { wordTests } from "./texts/word-lists.ts";

const random = createRandom("association");

function rows(count: number, dim = 6): Embeddings {
  const data = Float32Array.from({ length: count * dim }, () => random.next() * 2 - 1);
  return normalizeRows({ data, count, dim });
}

function cosine(a: Embeddings, i: number, b: Embeddings, j: number): number {
  let sum = 0;
  for (let at = 0; at < a.dim; at++) sum += a.data[i * a.dim + at]! * b.data[j * b.dim + at]!;
  return sum;
}

/** s(w, A, B) from its definition. */
function naiveAssociation(w: Embeddings, i: number, a: Embeddings, b: Embeddings): number {
  const mean = (set: Embeddings): number => {
    let sum = 0;
    for (let j = 0; j < set.count; j++) sum += cosine(w, i, set, j);
    return sum / set.count;
  };
  return mean(a) - mean(b);
}

function subsets(count: number, size: number): number[][] {
  if (size === 0) return [[]];
  if (count < size) return [];
  const without = subsets(count - 1, size);
  return [...without, ...subsets(count - 1, size - 1).map((one) => [...one, count - 1])];
}

describe("associationTest", () => {
  it("has the effect and the exact p of Caliskan et al.'s definition", () => {
    const [x, y, a, b] = [rows(4), rows(3), rows(5), rows(2)];
    const s = [
      ...Array.from({ length: 4 }, (_, i) => naiveAssociation(x, i, a, b)),
      ...Array.from({ length: 3 }, (_, i) => naiveAssociation(y, i, a, b)),
    ];
    const statistic = (chosen: readonly number[]): number => {
      const inside = s.filter((_, i) => chosen.includes(i));
      const outside = s.filter((_, i) => !chosen.includes(i));
      const mean = (list: number[]): number =>
        list.reduce((sum, one) => sum + one, 0) / list.length;
      return mean(inside) - mean(outside);
    };
    const own = statistic([0, 1, 2, 3]);
    const mean = s.reduce((sum, one) => sum + one, 0) / 7;
    const deviation = Math.sqrt(s.reduce((sum, one) => sum + (one - mean) ** 2, 0) / 6);
    const all = subsets(7, 4).map(statistic);
    const result = associationTest({ x, y, a, b });
    assert.ok(result.exact);
    assert.deepEqual(result.counts, [4, 3]);
    assert.ok(Math.abs(result.effect - own / deviation) < 1e-6);
    const share = (test: (one: number) => boolean): number => all.filter(test).length / 35;
    assert.equal(
      result.p,
      share((one) => one >= own - 1e-9),
    );
    const two = associationTest({ x, y, a, b }, { sides: "two" });
    assert.equal(
      two.p,
      share((one) => Math.abs(one) >= Math.abs(own) - 1e-9),
    );
  });

  it("draws partitions where there are too many, near the exact p", () => {
    const associations = Float64Array.from(
      { length: 14 },
      (_, i) => random.next() + (i < 7 ? 0.2 : 0),
    );
    const inX = Uint8Array.from(associations, (_, i) => (i < 7 ? 1 : 0));
    const exact = associationOf(associations, inX, { permutations: 4000 });
    const drawn = associationOf(associations, inX, { permutations: 3000 });
    assert.deepEqual([exact.exact, drawn.exact], [true, false]);
    assert.equal(exact.effect, drawn.effect);
    assert.ok(Math.abs(exact.p - drawn.p) < 0.03, `${exact.p} and ${drawn.p}`);
    // The larger part is drawn by its complement.
    const other = associationOf(
      associations,
      inX.map((one) => 1 - one),
      { permutations: 3000, sides: "two" },
    );
    assert.ok(Math.abs(other.effect + exact.effect) < 1e-12);
  });

  it("refuses sets of different widths, an empty part and no permutations", () => {
    const one = rows(2);
    assert.throws(() => associationTest({ x: one, y: one, a: one, b: rows(2, 5) }), {
      name: "ShapeError",
    });
    assert.throws(
      () => associationOf(Float64Array.of(1, 2), Uint8Array.of(0, 0)),
      /received 0 of 2/,
    );
    assert.throws(
      () => associationOf(Float64Array.of(1, 2), Uint8Array.of(0, 1), { permutations: 0 }),
      /for permutations but received 0/,
    );
  });

  it("has no effect where nothing varies", () => {
    const result = associationOf(new Float64Array(6).fill(0.3), Uint8Array.of(1, 1, 1, 0, 0, 0));
    assert.equal(result.effect, NaN);
    assert.equal(result.p, 1);
  });
});

describe("word lists", () => {
  it("have the sizes of Caliskan et al.'s supplement, and no word twice", () => {
    const sizes = wordTests.map(({ x, y, a, b }) => [x, y, a, b].map(({ words }) => words.length));
    assert.deepEqual(sizes, [
      [25, 25, 25, 25],
      [18, 18, 8, 8],
      [8, 8, 8, 8],
      [8, 8, 8, 8],
      [8, 8, 8, 8],
      [8, 8, 8, 8],
    ]);
    for (const { x, y, a, b } of wordTests) {
      for (const { words } of [x, y, a, b]) assert.equal(new Set(words).size, words.length);
    }
  });
});

describe("skewByChance", () => {
  it("is the mean over random rankings, which is above zero at a small k", () => {
    const members = Int32Array.from({ length: 200 }, (_, i) => i % 4);
    const chance = skewByChance({ members, groupCount: 4 }, [8, 100, 500], { shuffles: 400 });
    assert.deepEqual(
      chance.atK.map(({ k }) => k),
      [8, 100],
    );
    const drawn = Array.from({ length: 4000 }, () => {
      const counts = [0, 0, 0, 0];
      const order = random.shuffle(Array.from({ length: 200 }, (_, i) => i % 4));
      for (const group of order.slice(0, 8)) counts[group] = counts[group]! + 1;
      return Math.log(Math.max(...counts) / 8 / 0.25);
    });
    const mean = drawn.reduce((sum, one) => sum + one, 0) / drawn.length;
    assert.ok(Math.abs(chance.atK[0]!.maxSkew.equalOpportunity - mean) < 0.03);
    assert.ok(chance.atK[1]!.maxSkew.equalOpportunity < mean);
  });

  it("does not rank samples without a group", () => {
    const scores = [9, 8, 7, 6, 5];
    const members = Int32Array.of(-1, 0, 0, 1, 1);
    const { atK } = rankingSkew({ scores, members, groupCount: 2 }, [2, 4]);
    assert.deepEqual(
      atK.map(({ k }) => k),
      [2],
    );
    assert.ok(Math.abs(atK[0]!.maxSkew.equalOpportunity - Math.LN2) < 1e-12);
    assert.throws(() => rankingSkew({ scores: [1], members, groupCount: 2 }, [1]), {
      name: "ShapeError",
    });
  });
});
