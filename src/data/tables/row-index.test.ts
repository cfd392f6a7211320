import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { createRandom } from "../../arrays/random.ts";
import { type ByteSource, FileBytes, memoryBytes } from "./table-bytes.ts";
import { openJson } from "./json-lines.ts";
import { KeyTable } from "./row-keys.ts";
import { RowIndex } from "./row-index.ts";

const top = mkdtempSync(join(tmpdir(), "limn-rows-"));
after(() => rmSync(top, { recursive: true }));

async function indexOf(source: ByteSource): Promise<RowIndex> {
  const open = openJson(source, { file: "t.jsonl", wanted: {} });
  return RowIndex.build({ source, ...open }, ({ image }) =>
    typeof image === "string" ? image : undefined,
  );
}

/** `line image caption` of each row of an entry, or why it has none. */
const shown = (index: RowIndex, entry: number): string[] =>
  index
    .rowsOf(entry)
    .map(({ line, cells, reason }) =>
      cells ? `${line} ${String(cells.image)} ${String(cells.caption)}` : `${line} ${reason}`,
    );

describe("an index of rows", () => {
  it("joins rows with one key, however far apart, and keeps bad rows in their places", async () => {
    // More distinct pictures than keys are kept for comparing, in an order without pattern.
    const random = createRandom(7);
    const rows: { image: string; caption: string }[] = [];
    for (let i = 0; i < 6000; i++) {
      rows.push({ image: `picture ${random.integer(2500)}`, caption: String(i) });
    }
    const lines = rows.map((row, i) => (i % 1000 === 500 ? "{bad" : JSON.stringify(row)));
    const text = lines.join("\n\n");
    const file = join(top, "t.jsonl");
    writeFileSync(file, text);
    const expected: string[][] = [];
    const places = new Map<string, string[]>();
    for (const [i, { image, caption }] of rows.entries()) {
      const line = 2 * i + 1;
      if (i % 1000 === 500) expected.push([`${line} bad`]);
      else {
        const known = places.get(image) ?? [];
        if (known.length === 0) expected.push(known);
        places.set(image, known);
        known.push(`${line} ${image} ${caption}`);
      }
    }
    for (const source of [new FileBytes(file), memoryBytes(Buffer.from(text))]) {
      const index = await indexOf(source);
      assert.equal(index.length, expected.length);
      const order = Array.from(expected, (_, i) => i);
      for (const entry of createRandom(1).shuffle(order)) {
        const found = shown(index, entry).map((row) => row.replace(/ not JSON.*/, " bad"));
        assert.deepEqual(found, expected[entry]);
      }
    }
  });
  it("says so when the file was changed since", async () => {
    const file = join(top, "changed.jsonl");
    const line = (i: number): string => `{"image":"${i}","caption":"${"c".repeat(200)}"}\n`;
    writeFileSync(file, Array.from({ length: 10_000 }, (_, i) => line(i)).join(""));
    const index = await indexOf(new FileBytes(file));
    writeFileSync(file, "");
    assert.throws(() => index.rowsOf(0), /was changed while it was read/);
  });
  it("does not read a row that is too long", async () => {
    const long = `{"image":"a","caption":"${"x".repeat(17 << 20)}"}`;
    const text = `{"image":"b","caption":"c"}\n${long}\n{"image":"d","caption":"e"}`;
    const index = await indexOf(memoryBytes(Buffer.from(text)));
    assert.deepEqual(
      [0, 1, 2].map((i) => shown(index, i)[0]),
      ["1 b c", `2 a row of more than ${16 << 20} bytes`, "3 d e"],
    );
  });
});

describe("a table of keys", () => {
  it("compares the keys where their hashes are alike", () => {
    // The keys that were asked for when all were taken for alike show that comparing decides.
    const keys: string[] = [];
    const table = new KeyTable((entry) => keys[entry]);
    for (let i = 0; i < 5000; i++) {
      assert.equal(table.findOrAdd(`key ${i}`), undefined);
      keys.push(`key ${i}`);
      if (i % 7 === 0) {
        table.skip();
        keys.push("");
      }
    }
    for (const [entry, key] of keys.entries()) {
      if (key !== "") assert.equal(table.findOrAdd(key), entry);
    }
    keys[0] = "another";
    assert.equal(table.findOrAdd("key 0"), undefined, "the entry's own key decides");
  });
});
