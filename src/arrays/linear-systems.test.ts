import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import { normalizeRows, type Embeddings } from "./embeddings.ts";
import { fitLine } from "./fit-line.ts";
import { dot, orthonormalBasis, positiveSolver } from "./linear-systems.ts";
import { projectionAway } from "./projection.ts";
import { createRandom } from "./random.ts";

const random = createRandom("linear systems");

function randomRows(count: number, dim: number): Float64Array[] {
  return Array.from({ length: count }, () =>
    Float64Array.from({ length: dim }, () => random.next() * 2 - 1),
  );
}

/** A' A + I, which is positive definite. */
function positive(dim: number): Float64Array {
  const rows = randomRows(dim, dim);
  return Float64Array.from({ length: dim * dim }, (_, at) => {
    const [i, j] = [Math.floor(at / dim), at % dim];
    const sum = rows.reduce((total, row) => total + row[i]! * row[j]!, 0);
    return sum + (i === j ? 1 : 0);
  });
}

describe("orthonormalBasis", () => {
  it("refuses rows of different lengths and numbers that are not finite", () => {
    assert.throws(() => orthonormalBasis([[1, 2], [1]]), {
      name: "ShapeError",
      message: "Expected rows of 2 numbers for a basis but received 1.",
    });
    assert.throws(() => orthonormalBasis([[1, NaN]]), /Expected finite numbers for a basis/);
  });

  it("spans the rows with unit rows at right angles, of dependent rows the first", () => {
    const rows = randomRows(5, 12);
    const dependent = rows[0]!.map((value, i) => 2 * value - 0.5 * rows[3]![i]!);
    const basis = orthonormalBasis([...rows, dependent, new Float64Array(12)]);
    assert.equal(basis.length, 5);
    for (const [i, a] of basis.entries()) {
      for (const [j, b] of basis.entries()) {
        assertClose([dot(a, b)], [i === j ? 1 : 0], { atol: 1e-14 });
      }
    }
    for (const row of rows) {
      const inside = new Float64Array(12);
      for (const unit of basis) {
        const along = dot(row, unit);
        for (let i = 0; i < 12; i++) inside[i] = inside[i]! + along * unit[i]!;
      }
      assertClose(inside, row, { rtol: 1e-12, atol: 1e-14 });
    }
  });

  it("keeps right angles between rows that hardly differ", () => {
    const [row] = randomRows(1, 40);
    const near = Array.from({ length: 6 }, (_, i) =>
      row!.map((value, at) => value + (at === i ? 1e-6 : 0)),
    );
    const basis = orthonormalBasis(near);
    assert.equal(basis.length, 6);
    assertClose([dot(basis[0]!, basis[5]!)], [0], { atol: 1e-13 });
  });
});

describe("positiveSolver", () => {
  it("refuses other shapes and matrices that are not positive definite", () => {
    assert.throws(() => positiveSolver(new Float64Array(5), 2), {
      name: "ShapeError",
      message: "Expected 2 x 2 numbers for a matrix but received 5.",
    });
    assert.throws(
      () => positiveSolver(Float64Array.of(1, 2, 2, 1), 2),
      /its leading 2 x 2 part is not/,
    );
    const solve = positiveSolver(Float64Array.of(1, 0, 0, 1), 2);
    assert.throws(() => solve([1]), /Expected 2 numbers for a right side but received 1/);
  });

  it("gives x for which A x is b", () => {
    for (const dim of [1, 2, 7, 60]) {
      const matrix = positive(dim);
      const [x] = randomRows(1, dim);
      const b = Float64Array.from({ length: dim }, (_, i) =>
        dot(matrix.subarray(i * dim, (i + 1) * dim), x!),
      );
      assertClose(positiveSolver(matrix, dim)(b), x!, { rtol: 1e-9, atol: 1e-10 });
    }
  });
});

describe("projectionAway", () => {
  const unit = (rows: readonly Float64Array[]): Embeddings =>
    normalizeRows({
      data: Float32Array.from(rows.flatMap((row) => [...row])),
      count: rows.length,
      dim: rows[0]!.length,
    });

  it("leaves nothing along the directions, and what is at right angles as it was", () => {
    const spurious = unit(randomRows(4, 16));
    const texts = unit(randomRows(3, 16));
    const project = projectionAway({ spurious, candidates: texts, pairs: [] }, "orthogonal");
    const once = project(texts);
    for (let row = 0; row < once.count; row++) {
      const projected = once.data.subarray(row * 16, (row + 1) * 16);
      for (let at = 0; at < spurious.count; at++) {
        const direction = spurious.data.subarray(at * 16, (at + 1) * 16);
        assertClose([dot(projected, direction)], [0], { atol: 1e-6 });
      }
    }
    assertClose(project(once).data, once.data, { atol: 1e-6 });
  });

  it("brings pairs together where it is calibrated", () => {
    const [spurious, candidates] = [unit(randomRows(1, 16)), unit(randomRows(2, 16))];
    const project = projectionAway({ spurious, candidates, pairs: [[0, 1]] }, "calibrated");
    const { data } = project(candidates);
    const cosine = dot(data.subarray(0, 16), data.subarray(16));
    const before = dot(candidates.data.subarray(0, 16), candidates.data.subarray(16));
    assert.ok(before < 0.9 && cosine > 0.999, `${before} became ${cosine}`);
  });

  it("refuses to leave nothing, and pairs of prompts that are not there", () => {
    const all = unit(randomRows(3, 3));
    assert.throws(
      () => projectionAway({ spurious: all, candidates: all, pairs: [] }, "orthogonal")(all),
      /more than 3 directions but nothing of row 0 is left; project away from fewer/,
    );
    const directions = { spurious: all, candidates: all, pairs: [[0, 3]] as const };
    assert.throws(() => projectionAway(directions, "calibrated"), /below 3 but received 0 and 3/);
  });
});

describe("fitLine", () => {
  it("refuses lists of different lengths", () => {
    assert.throws(() => fitLine([1, 2], [1]), { name: "ShapeError" });
    assert.throws(() => fitLine([1, 2], [1, 2], [1]), { name: "ShapeError" });
  });

  it("counts a point of weight w as w points", () => {
    const [x, y, weights] = [
      [1, 2, 4, 7],
      [0, 1, 1, 3],
      [2, 0, 1, 3],
    ];
    const repeat = (list: number[]): number[] =>
      list.flatMap((value, i) => new Array<number>(weights[i]!).fill(value));
    assert.deepEqual(fitLine(x, y, weights), fitLine(repeat(x), repeat(y)));
  });

  it("has no slope where all x are equal", () => {
    assert.equal(fitLine([3, 3, 3], [0, 1, 0]).slope, NaN);
  });
});
