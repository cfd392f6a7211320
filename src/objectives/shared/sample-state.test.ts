import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { fromData, scope, tensor, type Tensor } from "../../torch/index.ts";
import { hash, IdTable } from "./id-table.ts";
import { SampleState, type SavedSamples } from "./sample-state.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-samples-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const nextFile = (): string => join(folder, `deep/er/${files++}.bin`);
const source = "a checkpoint";

const numbers = (rows: Tensor): number[] => [...rows.toFloat32Array()];

/** The state of a checkpoint outside its file. */
function copyOf(state: SampleState): SavedSamples {
  const { values, hashes } = state.save();
  return { values: values.clone(), hashes: hashes.clone() };
}

test("refuses no numbers and no rows; leaves another's file alone", () => {
  assert.throws(() => new SampleState({ file: "x", initial: [] }), /numbers for initial/);
  assert.throws(() => new SampleState({ file: "x", initial: [0], capacity: 0 }), /capacity/);
  const foreign = join(folder, "notes.txt");
  writeFileSync(foreign, "not yours");
  const state = new SampleState({ file: foreign, initial: [0] });
  assert.throws(() => state.rows(["a"]), { code: "LIMN_SCRATCH", message: /another file/ });
  assert.equal(readFileSync(foreign, "utf8"), "not yours");
  const impossible = new SampleState({ file: join(foreign, "under-a-file"), initial: [0] });
  assert.throws(() => impossible.rows(["a"]), {
    code: "LIMN_STORAGE",
    message: /for writing .*under-a-file but received/,
  });
});

test("refuses checkpoints that hold something else", () => {
  scope(() => {
    const state = new SampleState({ file: nextFile(), initial: [0, 0] });
    const hashes = fromData(Int32Array.of(1, 2, 3, 4), [2, 2]);
    const load = (values: Tensor, other = hashes): void =>
      state.load({ values, hashes: other }, source);
    const wrong = { name: "CheckpointError", file: source };
    assert.throws(() => load(tensor([1, 2]).reshape(2, 1)), wrong);
    assert.throws(() => load(tensor([1, 2, 3, 4, 5, 6]).reshape(3, 2)), wrong);
    assert.throws(() => load(fromData(Float64Array.of(1, 2, 3, 4), [2, 2])), wrong);
    assert.throws(() => load(tensor([1, 2, NaN, 4]).reshape(2, 2)), /NaN/);
    const same = fromData(Int32Array.of(1, 2, 1, 2), [2, 2]);
    assert.throws(() => load(tensor([1, 2, 3, 4]).reshape(2, 2), same), /one hash/);
    state.dispose();
  });
});

test("a file cut or replaced under a running process is an error, not a crash", () => {
  scope(() => {
    const cut = new SampleState({ file: nextFile(), initial: [0] });
    const rows = cut.rows(["a"]);
    truncateSync(cut.file, 70);
    const wrong = { code: "LIMN_SCRATCH", message: /cut or replaced/ };
    assert.throws(() => cut.gather(rows), wrong);
    assert.throws(() => cut.scatter(rows, tensor([1]).reshape(1, 1)), wrong);
    cut.dispose();
    const replaced = new SampleState({ file: nextFile(), initial: [0], capacity: 1 });
    replaced.rows(["a"]);
    rmSync(replaced.file);
    writeFileSync(replaced.file, "x");
    assert.throws(() => replaced.rows(["a", "b"]), wrong);
    replaced.dispose();
  });
});

test("new examples have the initial numbers; others what was written last", () => {
  scope(() => {
    const state = new SampleState({ file: nextFile(), initial: [-Infinity, 0.5], capacity: 2 });
    assert.deepEqual(numbers(state.gather(state.rows(["a", "b"]))), [
      -Infinity,
      0.5,
      -Infinity,
      0.5,
    ]);
    const rows = state.rows(["b", "c", "b"]);
    state.scatter(rows, tensor([1, 2, 3, 4, 5, 6]).reshape(3, 2));
    const found = state.gather(state.rows(["a", "b", "c", "d"]));
    assert.deepEqual(numbers(found), [-Infinity, 0.5, 5, 6, 3, 4, -Infinity, 0.5]);
    assert.equal(state.count, 4);
    assert.equal(statSync(state.file).size, 64 + 4 * 4 * 2);
    state.dispose();
    assert.ok(!existsSync(state.file));
  });
});

test("a leftover of an earlier process is replaced by an empty file", () => {
  scope(() => {
    const file = nextFile();
    const first = new SampleState({ file, initial: [0] });
    first.scatter(first.rows(["a"]), tensor([9]).reshape(1, 1));
    const second = new SampleState({ file, initial: [0] });
    assert.deepEqual(numbers(second.gather(second.rows(["a"]))), [0]);
    second.dispose();
  });
});

test("120,000 examples: growth, resume bit for bit, other order of names", () => {
  const [total, batch] = [120_000, 5000];
  const state = new SampleState({ file: nextFile(), initial: [-1, -2, -3] });
  const name = (i: number): string => `shard-${Math.floor(i / 1000)}.tar:${i % 1000}`;
  const names = Array.from({ length: total }, (_, i) => name(i));
  const valueOf = (i: number): number[] => [i, i + 0.25, -i];
  for (let start = 0; start < total; start += batch) {
    scope(() => {
      const rows = state.rows(names.slice(start, start + batch));
      const values = Array.from({ length: batch }, (_, i) => valueOf(start + i)).flat();
      state.scatter(rows, tensor(values).reshape(batch, 3));
    });
  }
  assert.equal(state.count, total);
  scope(() => {
    const saved = copyOf(state);
    const again = new SampleState({ file: nextFile(), initial: [-1, -2, -3] });
    again.rows(["something else"]);
    again.load(saved, source);
    const { values, hashes } = again.save();
    assert.ok(values.equals(saved.values) && hashes.equals(saved.hashes));
    const some = [77_777, 3, 119_999, 0, 3];
    for (const one of [state, again]) {
      const rows = one.rows([...some.map(name), "new"]);
      assert.deepEqual(numbers(one.gather(rows)), [...some.flatMap(valueOf), -1, -2, -3]);
      assert.equal(one.count, total + 1);
      one.dispose();
    }
  });
});

test("an empty state saves and loads", () => {
  scope(() => {
    const state = new SampleState({ file: nextFile(), initial: [1, 2] });
    const saved = copyOf(state);
    assert.deepEqual(saved.values.shape, [0, 2]);
    state.load(saved, source);
    assert.equal(state.count, 0);
    state.dispose();
  });
});

test("hashes are the same on every machine, and spread", () => {
  assert.deepEqual([hash(""), hash("a"), hash("train-17")], pinned);
  const table = new IdTable();
  const words = ["", "0", "00", "a", "b", "ab", "ba", "\u00e9", "e\u0301", "\ud83d\ude00"];
  assert.deepEqual(
    words.map((word) => table.row(word)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.deepEqual(
    words.map((word) => table.row(word)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  // 200,000 names have 4.7 pairs that share 32 bits where these are even.
  const seen = Array.from({ length: 2 }, () => new Set<number>());
  for (let i = 0; i < 200_000; i++)
    for (const [k, half] of hash(`x${i}`).entries()) seen[k]?.add(half);
  for (const halves of seen) assert.ok(halves.size > 200_000 - 25, String(halves.size));
});

const pinned = [
  [219903082, 1476392327],
  [-212197093, -683384120],
  [-1487641983, 1849943760],
];
