import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { StorageError } from "../../errors.ts";
import { fromData, memory, randn, scope, type Tensor } from "../../torch/index.ts";
import { KeyIndex } from "./key-index.ts";
import type { RowDType } from "./row-file.ts";
import { RowStore } from "./row-store.ts";
import { RowWriter } from "./row-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-rows-"));
let files = 0;

interface Written {
  file: string;
  keys: string[];
  rows: Tensor;
}

/** A file of `count` rows of `width` random numbers, appended in pieces. */
function written(count: number, width: number, dtype: RowDType = "float32"): Written {
  const file = join(folder, `${files++}.rows`);
  const keys = Array.from({ length: count }, (_, i) => `shard.tar#${i}`);
  const rows = randn([count, width]).mul_(20).abs();
  const writer = new RowWriter(file, { dtype, shape: [width], key: "k" });
  for (let at = 0; at < count; at += 7) {
    const piece = keys.slice(at, at + 7);
    writer.append(piece, rows.narrow(0, at, piece.length));
  }
  writer.finish({ skipped: 3 });
  return { file, keys, rows };
}

function opened(file: string, key = "k"): RowStore {
  const store = RowStore.open(file, key);
  assert.ok(store instanceof RowStore, "reason" in store ? store.reason : "");
  return store;
}

function reason(file: string, key = "k"): string {
  const store = RowStore.open(file, key);
  assert.ok(!(store instanceof RowStore), "a file that must not be used was opened");
  return store.reason;
}

/** A copy of `file` with `change` made to its bytes. */
function changed(file: string, change: (bytes: Buffer) => Buffer | void): string {
  const copy = join(folder, `${files++}.rows`);
  const bytes = readFileSync(file);
  writeFileSync(copy, change(bytes) ?? bytes);
  return copy;
}

test("a file that is not what was written is refused with the reason", () => {
  const { file } = written(40, 6);
  const { length } = readFileSync(file);
  assert.match(reason(join(folder, "absent.rows")), /there is none yet/);
  assert.match(reason(file, "another"), /of another key \(k\)/);
  assert.match(reason(folder), /it is a folder, not a file/);
  for (const kept of [0, 10, 500, length - 1]) {
    assert.match(reason(changed(file, (bytes) => bytes.subarray(0, kept))), /truncated/);
  }
  const foreign = changed(file, () => Buffer.from("[]".repeat(100)));
  assert.match(reason(foreign), /no file of cached rows/);
  const shortened = changed(file, (bytes) => Buffer.concat([bytes.subarray(8)]));
  assert.match(reason(shortened), /damaged: \d+ bytes where \d+ were written/);
  const flip = (at: number): string =>
    reason(changed(file, (bytes) => void (bytes[at] = bytes[at]! ^ 1)));
  assert.match(flip(0), /its rows changed/);
  assert.match(flip(40 * 6 * 4 - 1), /its rows changed/);
  assert.match(flip(40 * 6 * 4), /its index changed/);
  assert.match(flip(length - 70), /its index changed/);
  assert.match(flip(length - 12), /its format is 0 and not 1/);
});

test("a missing key is named, and rows of another width are refused", () => {
  const { file } = written(5, 3);
  const store = opened(file);
  assert.throws(() => store.rows(["shard.tar#0", "b#1"]), { code: "LIMN_DATA", key: "b#1" });
  assert.equal(store.has("b#1"), false);
  const writer = new RowWriter(join(folder, "w.rows"), { dtype: "float32", shape: [3], key: "k" });
  assert.throws(() => writer.append(["a"], randn([1, 4])), { code: "LIMN_SHAPE" });
  assert.throws(() => writer.append(["a"], randn([2, 3])), { code: "LIMN_SHAPE" });
  writer.discard();
  store.close();
  const beside = join(file, "x.rows");
  const about = { dtype: "float32", shape: [3], key: "k" } as const;
  assert.throws(() => new RowWriter(beside, about), { code: "LIMN_STORAGE" });
});

test("features beyond float16 are refused where rows are stored as such", () => {
  const file = join(folder, "large.rows");
  const writer = new RowWriter(file, { dtype: "float16", shape: [2], key: "k" });
  writer.append(["a"], fromData(Float32Array.of(65504, NaN), [1, 2]));
  assert.throws(() => writer.append(["b"], fromData(Float32Array.of(1, 7e4), [1, 2])), {
    name: "RangeError",
    message: /up to 65504, the largest of float16, for .*large\.rows .* precision to float32$/,
  });
  writer.discard();
});

test("rows come back in the order asked for", () => {
  const { file, keys, rows } = written(300, 5);
  const store = opened(file);
  assert.deepEqual([store.count, store.header.skipped], [300, 3]);
  const wanted = [299, 0, 7, 7, 150];
  const found = store.rows(wanted.map((i) => keys[i]!));
  assert.deepEqual(found.shape, [5, 5]);
  const expected = rows.indexSelect(0, fromData(Int32Array.from(wanted)));
  assert.deepEqual(found.data(), expected.data());
  assert.equal(store.rows([]).size(0), 0);
  store.close();
});

test("float16 keeps 11 bits and uint8 comes back as it is", () => {
  const half = written(20, 8, "float16");
  const store = opened(half.file);
  const back = store.rows(half.keys);
  assert.equal(back.dtype, "float32");
  const exact = half.rows.toFloat32Array();
  back.toFloat32Array().forEach((value, i) => {
    assert.ok(Math.abs(value - exact[i]!) <= exact[i]! * 2 ** -11);
  });
  store.close();
  const bytes = written(9, 3 * 4 * 4, "uint8");
  const pixels = opened(bytes.file);
  const found = pixels.rows(bytes.keys);
  assert.equal(found.dtype, "uint8");
  assert.deepEqual(found.data(), bytes.rows.to("uint8").data());
  pixels.close();
});

test("a key that comes again keeps its first row", () => {
  const file = join(folder, "again.rows");
  const writer = new RowWriter(file, { dtype: "float32", shape: [1], key: "k" });
  writer.append(["a", "b", "a"], fromData(Float32Array.of(1, 2, 3), [3, 1]));
  writer.append(["b", "c"], fromData(Float32Array.of(4, 5), [2, 1]));
  writer.finish({ skipped: 0 });
  const store = opened(file);
  assert.deepEqual([...store.rows(["a", "b", "c"]).data()], [1, 2, 5]);
  store.close();
});

test("rows over several blocks are checked, each of them", () => {
  const { file } = written(3000, 256);
  opened(file).close();
  for (const at of [0, 1 << 20, (2 << 20) + 5, 3000 * 256 * 4 - 1]) {
    assert.match(reason(changed(file, (b) => void (b[at] = b[at]! ^ 128))), /its rows changed/);
  }
});

test("nothing appears before it is complete, and the last of two writers wins", () => {
  const inside = mkdtempSync(join(folder, "race-"));
  const file = join(inside, "view-0.rows");
  const about = { dtype: "float32", shape: [1], key: "k" } as const;
  const [first, second] = [new RowWriter(file, about), new RowWriter(file, about)];
  first.append(["a"], fromData(Float32Array.of(1), [1, 1]));
  second.append(["a", "b"], fromData(Float32Array.of(3, 4), [2, 1]));
  assert.match(reason(file), /there is none yet/);
  first.finish({ skipped: 0 });
  const early = opened(file);
  second.finish({ skipped: 0 });
  const late = opened(file);
  assert.deepEqual([early.count, late.count], [1, 2]);
  assert.deepEqual([...early.rows(["a"]).data()], [1]);
  assert.deepEqual([...late.rows(["b"]).data()], [4]);
  const third = new RowWriter(file, about);
  third.discard();
  assert.deepEqual(readdirSync(inside), ["view-0.rows"]);
  copyFileSync(file, `${file}.copy`);
  early.close();
  late.close();
});

test("closing unmaps", () => {
  const { file, keys } = written(50, 4);
  const before = memory().tensors;
  const store = opened(file);
  scope(() => void store.rows(keys));
  store.close();
  assert.equal(memory().tensors, before);
});

test("an index finds its keys however many there are", () => {
  const index = new KeyIndex();
  const keys = Array.from({ length: 5000 }, (_, i) => `part-${i % 7}#${i}`);
  for (const key of keys) assert.equal(index.add(key), true);
  assert.equal(index.add(keys[17]!), false);
  const again = KeyIndex.fromBytes(index.toBytes())!;
  assert.equal(again.count, 5000);
  keys.forEach((key, i) => assert.equal(again.get(key), i));
  assert.equal(again.get("part-0#1"), -1);
  const twice = Buffer.concat([index.toBytes().subarray(0, 8), index.toBytes().subarray(0, 8)]);
  assert.equal(KeyIndex.fromBytes(twice), undefined);
});

test("a file that is cut while it is open is an error with its name, at any length", () => {
  for (const count of [10, 3000]) {
    const { file, keys } = written(count, 6);
    const store = opened(file);
    assert.equal(
      scope(() => store.rows(keys.slice(-1)).count),
      6,
    );
    for (const left of [24 * count - 1, 100, 0]) {
      truncateSync(file, left);
      assert.throws(
        () => store.rows(keys.slice(-1)),
        (error: Error) =>
          error instanceof StorageError &&
          error.file === file &&
          error.message.includes(`keep its first ${24 * count} bytes`) &&
          error.message.includes(`cut to ${left};`),
      );
    }
    store.close();
  }
});
