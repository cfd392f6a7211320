import assert from "node:assert/strict";
import { test } from "node:test";

import { createRandom } from "../arrays/random.ts";
import { assertClose } from "../../test/support/close.ts";
import { supportAt, type Adapter, type Support } from "./adapter.ts";
import type { Embeddings } from "../arrays/embeddings.ts";
import { sampleEpisode, sampleSupport } from "./episode.ts";
import { fewShotCurve } from "./few-shot-curve.ts";
import { nearestNeighbors } from "./nearest-neighbors.ts";
import { prototypes } from "./prototypes.ts";
import { sampleEfficiency } from "./sample-efficiency.ts";
import { selectSetting, stratifiedFolds } from "./select-setting.ts";
import { tipAdapter } from "./tip-adapter.ts";

/** `perClass` noisy rows around each of `classes` directions, and those directions off by a little. */
function clusters(
  classes: number,
  perClass: number,
  noise: number,
): { pool: { embeddings: Embeddings; labels: number[] }; textWeights: Embeddings } {
  const dim = 12;
  const random = createRandom(["clusters", classes, perClass]);
  const draw = (): number[] => Array.from({ length: dim }, () => random.next() - 0.5);
  const centers = Array.from({ length: classes }, draw);
  const near = (center: number[], by: number): number[] => {
    const row = draw().map((value, d) => center[d]! + by * value);
    return row.map((value) => value / Math.hypot(...row));
  };
  const labels = Array.from({ length: classes * perClass }, (_, i) => i % classes);
  const flat = (rows: number[][]): Embeddings => ({
    data: Float32Array.from(rows.flat()),
    count: rows.length,
    dim,
  });
  return {
    pool: { embeddings: flat(labels.map((label) => near(centers[label]!, noise))), labels },
    textWeights: flat(centers.map((center) => near(center, 1))),
  };
}

test("an episode refuses classes with too few examples, and more shots than it was drawn with", () => {
  const labels = [0, 0, 0, 1, 1];
  const options = { labels, classCount: 2, seed: 1 };
  assert.throws(() => sampleEpisode({ ...options, shots: 2 }), {
    name: "RangeError",
    message: /more than 2 examples of class 1 but received 2/,
  });
  assert.throws(() => sampleEpisode({ ...options, shots: 0 }), /positive integer for shots/);
  assert.throws(() => sampleSupport({ ...options, shots: 3 }), /at least 3 examples of class 1/);
  const episode = sampleEpisode({ ...options, shots: 1 });
  assert.throws(() => episode.support(2), /at most 1 shots/);
});

test("an episode's queries are none of its support, fewer shots are a part of more", () => {
  const labels = Array.from({ length: 60 }, (_, i) => (i * 7) % 4);
  const options = { labels, classCount: 4, shots: 5, seed: 3 };
  const episode = sampleEpisode(options);
  const [few, many] = [episode.support(2), episode.support(5)];
  assert.ok(few.every((row) => many.includes(row)));
  for (const [rows, shots] of [
    [few, 2],
    [many, 5],
  ] as const) {
    const drawn = [0, 1, 2, 3].map((c) => rows.filter((row) => labels[row] === c).length);
    assert.deepEqual(drawn, [shots, shots, shots, shots]);
    assert.equal(new Set(rows).size, rows.length);
  }
  const all = [...many, ...episode.queries].sort((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: 60 }, (_, i) => i),
  );
  assert.deepEqual(sampleEpisode(options).support(5), many);
  assert.notDeepEqual(sampleEpisode({ ...options, seed: 4 }).support(5), many);
  const limited = sampleEpisode({ ...options, queriesPerClass: 3 }).queries;
  assert.equal(limited.length, 12);
  assert.ok(limited.every((row) => episode.queries.includes(row)));
});

test("folds share out every class, each row once", () => {
  const labels = [0, 1, 0, 1, 0, 1, 0, 0, 2, 2, 2];
  const parts = stratifiedFolds(labels, 3, 0);
  assert.deepEqual(
    parts.flat().sort((a, b) => a - b),
    labels.map((_, i) => i),
  );
  for (const label of [0, 1, 2]) {
    const sizes = parts.map((part) => part.filter((row) => labels[row] === label).length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }
});

test("one shot takes the fixed setting, more are chosen by what is held out", () => {
  const { pool, textWeights } = clusters(5, 8, 1.5);
  const whole: Support = { ...pool, classCount: 5, textWeights };
  assert.throws(() => selectSetting(tipAdapter(), whole, { folds: 1 }), /at least 2 for folds/);
  const { textWeights: _, ...images } = whole;
  assert.throws(() => selectSetting(tipAdapter(), images), /textWeights for tipAdapter/);
  const single = supportAt(whole, sampleSupport({ ...whole, shots: 1, seed: 0 }));
  const fixed = { setting: { alpha: 1.17, beta: 1 }, accuracy: null };
  assert.deepEqual(selectSetting(tipAdapter(), single), fixed);
  // Texts that are turned round are worse than none; the support alone can tell.
  const data = textWeights.data.map((value) => -value);
  const misleading = { ...whole, textWeights: { ...textWeights, data } };
  const { setting, accuracy } = selectSetting(prototypes(), misleading);
  assert.ok(setting.textShare < 0.5, `chose ${setting.textShare}`);
  assert.ok((accuracy ?? 0) > 0.5);
  assert.deepEqual(selectSetting(prototypes(), misleading), { setting, accuracy });
});

test("a choice of k on examples with wrong labels prefers more neighbours to one", () => {
  const { pool } = clusters(3, 40, 0.6);
  const labels = pool.labels.map((label, i) => (i % 4 === 0 ? (label + 1) % 3 : label));
  const votes = nearestNeighbors({ voting: "plurality" });
  const { setting } = selectSetting(votes, { ...pool, labels, classCount: 3 });
  assert.ok(setting.k >= 5, `chose ${setting.k}`);
});

test("a curve rises with the shots, repeats itself, and keeps what intervals are made of", () => {
  const { pool, textWeights } = clusters(6, 24, 2.5);
  const task = { pool, classCount: 6, textWeights };
  const options = { shots: [1, 4, 16], seeds: [0, 1, 2], queriesPerClass: 6 };
  const rises = <S>(adapter: Adapter<S>): void => {
    const curve = fewShotCurve(adapter, task, options);
    assert.equal(curve.points.length, 9);
    assert.ok(curve.accuracy[2]! > curve.accuracy[0]!, curve.accuracy.join(", "));
    for (const { accuracy, correct, queries } of curve.points) {
      assert.equal(queries.length, 36);
      assertClose([accuracy], [correct.reduce((sum, one) => sum + one, 0) / 36]);
    }
    const own = curve.points.filter(({ shots }) => shots === 4).map(({ accuracy }) => accuracy);
    assertClose([curve.accuracy[1]!], [(own[0]! + own[1]! + own[2]!) / 3], { rtol: 1e-12 });
    assert.deepEqual(fewShotCurve(adapter, task, options), curve);
  };
  rises(prototypes());
  rises(tipAdapter());
  assert.throws(() => fewShotCurve(prototypes(), task, { seeds: [] }), /one seed/);
  assert.throws(() => fewShotCurve(prototypes(), task), /more than 32 examples of class 0/);
});

test("queries of a set of their own leave the whole pool to draw from", () => {
  const { pool, textWeights } = clusters(4, 8, 1);
  const queries = clusters(4, 8, 1).pool;
  const task = { pool, queries, classCount: 4, textWeights };
  const curve = fewShotCurve(prototypes(), task, { shots: [8], seeds: [0], select: false });
  assert.deepEqual(curve.points[0]?.setting, { textShare: 0.5 });
  assert.equal(curve.points[0]?.correct.length, 32);
});

test("sample efficiency is a ratio of shots at equal accuracy, or its bound", () => {
  const baseline = { shots: [1, 2, 4, 8], accuracy: [0.1, 0.3, 0.5, 0.7] };
  const curve = { shots: [1, 2, 4, 8], accuracy: [0.3, 0.5, 0.6, 0.65] };
  const found = sampleEfficiency(curve, baseline);
  assert.deepEqual(
    found.map(({ bound }) => bound),
    ["atLeast", "exact", "exact", "atMost"],
  );
  assertClose(
    found.map(({ ratio }) => ratio),
    [1, 2, 2, 1],
    { rtol: 1e-12 },
  );
  // A quarter of the way from 2 to 4 shots in accuracy is 2^(1/4) of the way in shots.
  const between = sampleEfficiency(curve, { shots: [16], accuracy: [0.525] });
  assertClose([between[0]!.ratio], [16 / (2 * 2 ** 0.25)], { rtol: 1e-12 });
  assertClose(
    sampleEfficiency(baseline, baseline).map(({ ratio }) => ratio),
    [1, 1, 1, 1],
  );
  assert.throws(() => sampleEfficiency(curve, { shots: [1], accuracy: [] }), /each of 1 shots/);
  for (const shots of [[], [0], [2, 1]]) {
    const accuracy = shots.map(() => 0.5);
    assert.throws(() => sampleEfficiency({ shots, accuracy }, baseline), /ascending shots above 0/);
  }
});
