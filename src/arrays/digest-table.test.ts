import assert from "node:assert/strict";
import { test } from "node:test";
import { DigestTable } from "./digest-table.ts";
import { createRandom } from "./random.ts";

test("DigestTable counts as a Map does, while it grows", () => {
  const random = createRandom(4);
  const table = new DigestTable();
  const expected = new Map<string, number>();
  for (let i = 0; i < 30_000; i++) {
    const key = `shard/${random.integer(9000)} 🐈`;
    const count = (expected.get(key) ?? 0) + 1;
    expected.set(key, count);
    assert.equal(
      table.change(key, (before) => before + 1),
      count,
    );
  }
  assert.equal(table.size, expected.size);
  for (const [key, count] of expected) assert.equal(table.get(key), count);
  assert.equal(table.get("never"), 0);
});

test("DigestTable keeps the numbers that it is given, up to 2^32 - 1, and takes any string", () => {
  const table = new DigestTable();
  for (const [i, key] of ["", "\0", "a", "A", "a".repeat(100_000)].entries()) {
    table.set(key, 2 ** 32 - 1 - i);
    table.set(key, 2 ** 32 - 1 - i);
    assert.equal(table.get(key), 2 ** 32 - 1 - i);
  }
  assert.equal(table.size, 5);
});
