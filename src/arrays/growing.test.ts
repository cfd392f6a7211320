import assert from "node:assert/strict";
import { test } from "node:test";
import { GrowingArray, RowBlocks } from "./growing.ts";

test("GrowingArray keeps what was pushed and appended, from no room at all", () => {
  for (const capacity of [0, 1, 7]) {
    const list = new GrowingArray(Uint32Array, capacity);
    const expected: number[] = [];
    for (let i = 0; i < 200; i++) {
      list.push(i * i);
      expected.push(i * i);
      const more = Array.from({ length: i % 5 }, (_, k) => k);
      list.append(more);
      expected.push(...more);
    }
    assert.deepEqual([...list.view], expected);
    assert.equal(list.length, expected.length);
    assert.equal(list.at(100), expected[100]);
  }
});

test("RowBlocks gives rows back over the ends of blocks, and one that is wider than a block", () => {
  for (const [width, blockLength] of [
    [3, 10],
    [4, 4],
    [5, 2],
  ] as const) {
    const rows = new RowBlocks(Float32Array, width, blockLength);
    const made = (i: number): number[] => Array.from({ length: width }, (_, k) => i * 10 + k);
    for (let i = 0; i < 25; i++) rows.push(made(i));
    assert.equal(rows.count, 25);
    for (let i = 0; i < 25; i++) assert.deepEqual([...rows.row(i)], made(i));
    assert.ok(rows.blocks.every(({ length }) => length <= Math.max(width, blockLength)));
  }
});
