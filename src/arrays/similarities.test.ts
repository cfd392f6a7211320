import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ShapeError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import {
  checkEmbeddings,
  checkSameDim,
  normalizeRows,
  rowsAt,
  rowsOf,
  type Embeddings,
} from "./embeddings.ts";
import { forEachRow, plainSimilarities, rankOf, softmax, topMatches } from "./similarities.ts";

function rows(...values: number[][]): Embeddings {
  const dim = values[0]?.length ?? 0;
  return { data: Float32Array.from(values.flat()), count: values.length, dim };
}

/** Repeatable numbers in [-1, 1) that follow no simple pattern. */
function wave(count: number, dim: number, phase = 0): Embeddings {
  const data = Float32Array.from({ length: count * dim }, (_, i) =>
    Math.sin(i * i + i + phase + 1),
  );
  return normalizeRows({ data, count, dim });
}

describe("checkEmbeddings", () => {
  it("refuses an array of another length", () => {
    assert.throws(
      () => checkEmbeddings("images", { data: new Float32Array(7), count: 2, dim: 4 }),
      {
        name: "ShapeError",
        message: /Expected images to hold count x dim = 2 x 4 numbers but received 7/,
      },
    );
    const fractional = { data: new Float32Array(3), count: 1.5, dim: 2 };
    assert.throws(() => checkEmbeddings("images", fractional), ShapeError);
  });

  it("refuses an empty set", () => {
    assert.throws(
      () => checkEmbeddings("images", { data: new Float32Array(0), count: 0, dim: 4 }),
      {
        name: "RangeError",
        message: /Expected at least one row for images but received none/,
      },
    );
  });

  it("names the row that is not finite", () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      assert.throws(() => checkEmbeddings("images", rows([1, 0], [0, bad])), {
        name: "RangeError",
        message: /Expected finite numbers for images but row 1 holds NaN or infinity/,
      });
    }
  });

  it("names the row that is not normalised, unless lengths are free", () => {
    const long = rows([1, 0], [3, 4]);
    assert.throws(() => checkEmbeddings("images", long), {
      name: "RangeError",
      message: /row 1 has length 5\.000; call normalizeRows first/,
    });
    checkEmbeddings("images", long, { unitRows: false });
    checkEmbeddings("images", rows([0.996, 0]));
  });

  it("compares widths", () => {
    assert.throws(() => checkSameDim(["images", "texts"], rows([1, 0]), rows([1, 0, 0])), {
      name: "ShapeError",
      message: /Expected images and texts to have equal width but received \[1, 2\] and \[1, 3\]/,
    });
  });
});

describe("normalizeRows", () => {
  it("refuses a row of zeros", () => {
    assert.throws(
      () => normalizeRows(rows([1, 1], [0, 0]), "texts"),
      /not all zeros for texts .* 1/,
    );
  });

  it("divides by the length and leaves the input alone", () => {
    const input = rows([3, 4], [0, -2]);
    assertClose(normalizeRows(input).data, [0.6, 0.8, 0, -1]);
    assertClose(input.data, [3, 4, 0, -2]);
  });
});

describe("plainSimilarities", () => {
  it("equals three nested loops at sizes around its blocks", () => {
    for (const [q, m, d] of [
      [1, 1, 1],
      [3, 5, 7],
      [2, 64, 3],
      [5, 66, 9],
      [4, 131, 2],
    ] as const) {
      const queries = wave(q, d);
      const candidates = wave(m, d, 0.5);
      const expected: number[] = [];
      for (let i = 0; i < q; i++) {
        for (let j = 0; j < m; j++) {
          let sum = 0;
          for (let c = 0; c < d; c++) {
            sum += (queries.data[i * d + c] ?? NaN) * (candidates.data[j * d + c] ?? NaN);
          }
          expected.push(Math.fround(sum));
        }
      }
      assert.deepEqual([...plainSimilarities(queries, candidates)], expected, `${q} ${m} ${d}`);
    }
  });
});

describe("forEachRow", () => {
  const queries = wave(7, 4);
  const candidates = wave(5, 4, 1);

  it("refuses a chunk size below 1 and a kernel that returns too little or NaN", () => {
    const visit = (): void => {};
    assert.throws(() => forEachRow(queries, candidates, { chunkSize: 0 }, visit), RangeError);
    const similarities = (): Float32Array => new Float32Array(3);
    assert.throws(() => forEachRow(queries, candidates, { similarities }, visit), {
      name: "ShapeError",
      message: /Expected 7 x 5 similarities from the kernel but received 3/,
    });
    const broken = (): Float32Array => new Float32Array(35).fill(NaN, 8, 9);
    assert.throws(() => forEachRow(queries, candidates, { similarities: broken }, visit), {
      name: "RangeError",
      message: /query 1 and candidate 3 gave NaN/,
    });
  });

  it("visits every query once with the same row, whatever the chunk", () => {
    const whole = plainSimilarities(queries, candidates);
    for (const chunkSize of [1, 2, 3, 7, 100]) {
      const seen: number[] = [];
      forEachRow(queries, candidates, { chunkSize }, (query, row) => {
        assert.equal(query * 5, seen.length);
        seen.push(...row);
      });
      assert.deepEqual(seen, [...whole]);
    }
  });

  it("has the candidates held once for all chunks, and let go after a failure too", () => {
    const calls: string[] = [];
    const kernel = Object.assign(
      (chunk: Embeddings, all: Embeddings) => {
        calls.push(all === candidates ? "product" : "other candidates");
        return plainSimilarities(chunk, all);
      },
      {
        holding: <R>(all: Embeddings, body: () => R): R => {
          calls.push(all === candidates ? "hold" : "other candidates");
          try {
            return body();
          } finally {
            calls.push("let go");
          }
        },
      },
    );
    forEachRow(queries, candidates, { chunkSize: 3, similarities: kernel }, () => {});
    assert.deepEqual(calls, ["hold", "product", "product", "product", "let go"]);
    calls.length = 0;
    const stop = (): never => {
      throw new Error("enough");
    };
    assert.throws(() => forEachRow(queries, candidates, { similarities: kernel }, stop), /enough/);
    assert.deepEqual(calls, ["hold", "product", "let go"]);
  });

  it("hands the same candidates to every call of a plugged-in kernel", () => {
    const given: Embeddings[] = [];
    const similarities = (chunk: Embeddings, all: Embeddings): Float32Array => {
      given.push(all);
      return plainSimilarities(chunk, all);
    };
    forEachRow(queries, candidates, { chunkSize: 3, similarities }, () => {});
    assert.equal(given.length, 3);
    assert.ok(given.every((all) => all === candidates));
  });
});

describe("rankOf and topMatches", () => {
  it("counts from 1 and gives ties to the lower index", () => {
    const row = Float32Array.of(0.5, 0.9, 0.5, 0.1);
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => rankOf(row, index)),
      [2, 1, 3, 4],
    );
  });

  it("ranks a collapsed model as its indices, which is chance on average", () => {
    const row = new Float32Array(10).fill(0.3);
    assert.deepEqual(
      [0, 4, 9].map((index) => rankOf(row, index)),
      [1, 5, 10],
    );
  });

  it("agrees with a full sort", () => {
    const queries = wave(9, 3);
    const candidates = wave(40, 3, 2);
    candidates.data.copyWithin(30 * 3, 0, 10 * 3); // ten exact duplicates
    const all = plainSimilarities(queries, candidates);
    const top = topMatches(queries, candidates, 6, { chunkSize: 2 });
    for (let query = 0; query < 9; query++) {
      const row = all.subarray(query * 40, query * 40 + 40);
      const order = [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b);
      assert.deepEqual([...top.indices.subarray(query * 6, query * 6 + 6)], order.slice(0, 6));
      for (const [place, index] of order.entries()) assert.equal(rankOf(row, index), place + 1);
    }
  });

  it("returns all candidates when k exceeds them, and refuses k below 1", () => {
    assert.equal(topMatches(wave(2, 3), wave(4, 3), 10).k, 4);
    assert.throws(() => topMatches(wave(2, 3), wave(4, 3), 0), RangeError);
  });
});

describe("rows and shares", () => {
  it("refuses another width where one is asked for", () => {
    const two = rows([1, 0], [0, 1]);
    checkEmbeddings("rows", two, { width: 2 });
    assert.throws(() => checkEmbeddings("rows", two, { width: 3 }), {
      name: "ShapeError",
      message: /rows to have width 3 but received 2; use embeddings of one model/,
    });
  });

  it("takes rows by number as a copy, and a range as a view", () => {
    const three = rows([1, 2], [3, 4], [5, 6]);
    assert.deepEqual(rowsAt(three, [2, 0, 2]), rows([5, 6], [1, 2], [5, 6]));
    const view = rowsOf(three, 1, 3);
    assert.deepEqual([view.count, view.dim, ...view.data], [2, 2, 3, 4, 5, 6]);
    assert.equal(view.data.buffer, three.data.buffer);
  });

  it("shares 1 among logits, however large", () => {
    const expected = [Math.exp(-1), 1].map((power) => power / (1 + Math.exp(-1)));
    assertClose(Float64Array.from(softmax([999, 1000])), expected, { rtol: 1e-12, atol: 0 });
    assert.deepEqual([...softmax([-Infinity, 3])], [0, 1]);
    assert.equal(softmax([]).length, 0);
  });
});
