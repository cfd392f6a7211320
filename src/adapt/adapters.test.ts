import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { createRandom } from "../arrays/random.ts";
import { assertClose } from "../../test/support/close.ts";
import { correctOnes, type Adapter, type Support } from "./adapter.ts";
import type { Embeddings } from "../arrays/embeddings.ts";
import { plainSimilarities } from "../arrays/similarities.ts";
import { nearestNeighbors, type Voting } from "./nearest-neighbors.ts";
import { prototypes } from "./prototypes.ts";
import { tipAdapter } from "./tip-adapter.ts";

const embeddings = (rows: number[][]): Embeddings => ({
  data: Float32Array.from(rows.flat()),
  count: rows.length,
  dim: rows[0]!.length,
});

const unit = (row: number[]): number[] => row.map((value) => value / Math.hypot(...row));

/** [angle in degrees] as a unit vector of the plane. */
const at = (degrees: number): number[] => [
  Math.cos((degrees * Math.PI) / 180),
  Math.sin((degrees * Math.PI) / 180),
];

const plane = (angles: number[], labels: number[], texts?: number[]): Support => ({
  embeddings: embeddings(angles.map(at)),
  labels,
  classCount: Math.max(...labels) + 1,
  ...(texts === undefined ? {} : { textWeights: embeddings(texts.map(at)) }),
});

function randomRows(count: number, dim: number, seed: number): number[][] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () =>
    unit(Array.from({ length: dim }, () => random.next() - 0.5)),
  );
}

test("refuses a support and queries that no classifier can be made of", () => {
  const fine = plane([0, 90], [0, 1]);
  const fit = (change: Partial<Support>): unknown => prototypes().fit({ ...fine, ...change });
  assert.throws(() => fit({ labels: [0] }), /one label for each of 2 rows .* received 1/);
  assert.throws(() => fit({ labels: [0, 2] }), /labels from 0 to 1 but received 2 at 1/);
  assert.throws(() => fit({ labels: [0, 0] }), /example of every class .* none of class 1/);
  assert.throws(() => fit({ classCount: 0 }), /positive integer for classCount/);
  assert.throws(
    () =>
      fit({
        embeddings: embeddings([
          [1, 0],
          [3, 0],
        ]),
      }),
    /row 1 has length 3/,
  );
  assert.throws(
    () =>
      fit({
        embeddings: embeddings([
          [1, 0],
          [NaN, 0],
        ]),
      }),
    /row 1 holds NaN/,
  );
  assert.throws(() => fit({ textWeights: embeddings([at(0)]) }), /each of 2 classes .* received 1/);
  assert.throws(
    () =>
      fit({
        textWeights: embeddings([
          [1, 0, 0],
          [1, 0, 0],
        ]),
      }),
    {
      name: "ShapeError",
      message: /textWeights to have width 2 but received 3/,
    },
  );
  const classifier = prototypes().fit(fine);
  assert.throws(() => classifier.scores(embeddings([[1, 0, 0]])), /queries to have width 2/);
  const broken = { similarities: () => new Float32Array(1) };
  assert.throws(
    () =>
      prototypes(broken)
        .fit(fine)
        .scores(embeddings([at(3)])),
    {
      name: "ShapeError",
      message: /1 x 2 similarities from the kernel but received 1/,
    },
  );
});

test("refuses settings out of range, and text that is not there", () => {
  const images = plane([0, 90], [0, 1]);
  assert.throws(() => prototypes().fit(images, { textShare: 0.5 }), /textWeights for prototypes/);
  assert.throws(() => prototypes().fit(images, { textShare: 2 }), /from 0 to 1 for textShare/);
  const votes = nearestNeighbors({ voting: "softmax" });
  assert.throws(() => votes.fit(images, { k: 0, temperature: 1 }), /integer for k/);
  assert.throws(
    () => votes.fit(images, { k: 1, temperature: 0 }),
    /positive number for temperature/,
  );
  assert.throws(() => tipAdapter().fit(images), /textWeights for tipAdapter/);
  assert.throws(() => tipAdapter({ logitScale: 0 }), /positive number for logitScale/);
  const both = plane([0, 90], [0, 1], [0, 90]);
  assert.throws(() => tipAdapter().fit(both, { alpha: -1, beta: 1 }), /at least 0 for alpha/);
  assert.throws(() => tipAdapter().fit(both, { alpha: 1, beta: 0 }), /positive number for beta/);
});

test("the support is held while chunks of queries go by", () => {
  const count = 150_000;
  const data = new Float32Array(2 * count);
  for (let row = 0; row < count; row++) data[2 * row + (row % 2)] = 1;
  const support = { ...plane([0], [0], [0, 90]), classCount: 2 };
  Object.assign(support, {
    embeddings: { data, count, dim: 2 },
    labels: Int32Array.from({ length: count }, (_, row) => row % 2),
  });
  const queries = embeddings(Array.from({ length: 20 }, (_, i) => at(i)));
  const held: unknown[] = [];
  let calls = 0;
  const similarities = Object.assign(
    (asked: Embeddings, candidates: Embeddings) => {
      calls++;
      return plainSimilarities(asked, candidates);
    },
    {
      holding: <R>(candidates: Embeddings, body: () => R): R => {
        held.push(candidates);
        return body();
      },
    },
  );
  tipAdapter({ similarities }).fit(support).scores(queries);
  // Three chunks of at most eight queries, each against the texts and the support.
  assert.equal(calls, 6);
  assert.deepEqual(held, [support.embeddings, support.textWeights]);
});

test("a prototype is the direction of its class's mean, blended with the text's", () => {
  const support = plane([0, 20, 100, 140], [0, 0, 1, 1], [40, 120]);
  const query = embeddings([at(30)]);
  const cosines = (...angles: number[]): number[] =>
    angles.map((angle) => Math.cos(((angle - 30) * Math.PI) / 180));
  const scores = (textShare: number): Float32Array =>
    prototypes().fit(support, { textShare }).scores(query);
  const close = { rtol: 1e-6, atol: 1e-6 };
  assertClose(scores(0), cosines(10, 120), close);
  assertClose(scores(1), cosines(40, 120), close);
  // Halfway between unit vectors lies halfway between their angles.
  assertClose(scores(0.5), cosines(25, 120), close);
});

test("neighbours vote by number, nearness or rank", () => {
  const support = plane([0, 10, 20, 50], [1, 0, 0, 1]);
  const query = embeddings([at(1)]);
  const scores = (voting: Voting, k: number): Float32Array =>
    nearestNeighbors({ voting }).fit(support, { k, temperature: 0.1 }).scores(query);
  assertClose(scores("rank", 3), [1 / 2 + 1 / 3, 1]);
  assert.deepEqual([...scores("plurality", 3)].map(Math.floor), [2, 1]);
  // Two votes each: the nearest neighbour, of class 1, decides.
  const tied = scores("plurality", 4);
  assert.deepEqual([...tied].map(Math.floor), [2, 2]);
  assert.ok(tied[1]! > tied[0]!);
  assert.deepEqual(scores("plurality", 40), tied);
  const cos = (degrees: number): number => Math.cos((degrees * Math.PI) / 180);
  const weight = (degrees: number): number => Math.exp((cos(degrees) - cos(1)) / 0.1);
  assertClose(scores("softmax", 3), [weight(9) + weight(19), 1], { rtol: 1e-5 });
});

test("Tip-Adapter adds its cache to the zero-shot logits: naive float64 loops", () => {
  const [rows, texts, queries] = [randomRows(9, 6, 1), randomRows(3, 6, 2), randomRows(5, 6, 3)];
  const labels = [0, 1, 2, 0, 1, 2, 0, 0, 1];
  const support: Support = {
    embeddings: embeddings(rows),
    labels,
    classCount: 3,
    textWeights: embeddings(texts),
  };
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, d) => sum + x * b[d]!, 0);
  const naive = queries.flatMap((query) =>
    texts.map((text, c) => {
      const cache = rows.map((row, m) =>
        labels[m] === c ? Math.exp(-3.5 * (1 - dot(query, row))) : 0,
      );
      return 50 * dot(query, text) + 2 * cache.reduce((sum, one) => sum + one, 0);
    }),
  );
  const adapter = tipAdapter({ logitScale: 50 });
  const scores = adapter.fit(support, { alpha: 2, beta: 3.5 }).scores(embeddings(queries));
  assertClose(scores, naive, { rtol: 1e-5, atol: 1e-5 });
  const zeroShot = adapter.fit(support, { alpha: 0, beta: 1 }).scores(embeddings(queries));
  const expected = plainSimilarities(embeddings(queries), embeddings(texts));
  assertClose(
    zeroShot,
    expected.map((value) => 50 * value),
  );
});

test("one preparation serves every setting as a fit of its own does", () => {
  const support: Support = {
    embeddings: embeddings(randomRows(24, 5, 4)),
    labels: Array.from({ length: 24 }, (_, i) => i % 4),
    classCount: 4,
    textWeights: embeddings(randomRows(4, 5, 5)),
  };
  const queries = embeddings(randomRows(7, 5, 6));
  const same = <S>(adapter: Adapter<S>): void => {
    const scorer = adapter.prepare(support, queries);
    const settings = [adapter.fixed(support), ...adapter.grid(support)];
    for (const setting of [...settings, ...settings.slice(0, 3)]) {
      assert.deepEqual(scorer(setting), adapter.fit(support, setting).scores(queries));
    }
  };
  same(prototypes());
  same(tipAdapter());
  for (const voting of ["plurality", "softmax", "rank"] as const)
    same(nearestNeighbors({ voting }));
});

test("votes and means equal scikit-learn's", () => {
  const file = new URL("../../../test/goldens/few-shot.json", import.meta.url);
  const golden = JSON.parse(readFileSync(file, "utf8")) as {
    rtol: number;
    atol: number;
    classCount: number;
    dim: number;
    temperature: number;
    support: string;
    labels: number[];
    queries: string;
    votes: { voting: Voting; k: number; shares: number[][] }[];
    nearestMean: number[];
  };
  const unpack = (text: string): Embeddings => {
    const bytes = Buffer.from(text, "base64");
    const data = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    );
    return { data, count: data.length / golden.dim, dim: golden.dim };
  };
  const { classCount, labels, temperature } = golden;
  const support = { embeddings: unpack(golden.support), labels, classCount };
  const queries = unpack(golden.queries);
  for (const { voting, k, shares } of golden.votes) {
    const scores = nearestNeighbors({ voting }).fit(support, { k, temperature }).scores(queries);
    const votes = voting === "plurality" ? scores.map(Math.floor) : scores;
    for (const [query, expected] of shares.entries()) {
      const own = votes.subarray(query * classCount, (query + 1) * classCount);
      const total = own.reduce((sum, one) => sum + one, 0);
      assertClose(
        own.map((one) => one / total),
        expected,
        golden,
        `${voting}, k = ${k}`,
      );
    }
  }
  const scores = prototypes().fit(support).scores(queries);
  assert.ok(correctOnes(scores, golden.nearestMean).every((one) => one === 1));
});
