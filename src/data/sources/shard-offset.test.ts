import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { blocksOf, rawHeader, tarOf, workspace } from "./samples.test.helper.ts";
import { shardPart } from "./shard.ts";
import type { Entry } from "./source.ts";
import { tarEnd, tarEntry } from "./tar-format.ts";

const { write } = workspace("shard-offset");
const jpg = (key: string): Buffer => tarEntry(`${key}.jpg`, Buffer.from(key));
const txt = (key: string, size = 3): Buffer => tarEntry(`${key}.txt`, Buffer.alloc(size, "t"));
const link = (name: string, to: string, type: "1" | "2"): Buffer =>
  rawHeader(name, { type, link: to });
const globalRecord = (record: string): Buffer =>
  Buffer.concat([rawHeader("g", { type: "g", size: record.length }), blocksOf(record)]);

async function all(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const read: Entry[] = [];
  for await (const entry of entries) read.push(entry);
  return read;
}

const joined = (...members: Buffer[]): Buffer => Buffer.concat([...members, tarEnd()]);

/** Archives, and which of their entries have no byte. */
const archives: Record<string, { bytes: Buffer; without?: number[] }> = {
  plain: { bytes: joined(jpg("a"), txt("a"), jpg("b"), txt("b", 1000), txt("c"), jpg("d")) },
  "long names": {
    bytes: joined(
      jpg("a"),
      jpg("long/".repeat(50)),
      jpg("猫"),
      rawHeader("././@LongLink", { type: "L", size: 5 }),
      blocksOf("n.jpg"),
      rawHeader("cut", { size: 1 }),
      blocksOf("N"),
      jpg("z"),
    ),
  },
  links: {
    bytes: joined(
      jpg("a"),
      link("b.jpg", "a.jpg", "1"),
      txt("b"),
      jpg("c"),
      link("c.txt", "b.txt", "2"),
      link("x.jpg", "a.jpg", "2"),
      link("d.jpg", "a.jpg", "1"),
      txt("d"),
      link("y.jpg", "a.jpg", "1"),
      jpg("e"),
      link("z.jpg", "a.jpg", "2"),
    ),
    // Links that join no sample.
    without: [3, 5, 7],
  },
  "one key twice, folders, and the shard's own files": {
    bytes: joined(
      tarEntry("__meta__.json", Buffer.from("{}")),
      rawHeader("f/", { type: "5" }),
      jpg("f/a"),
      rawHeader("g/", { type: "5" }),
      tarEntry("._b.jpg", Buffer.from("mac")),
      jpg("b"),
      jpg("f/a"),
      jpg("f/a"),
      txt("c"),
    ),
  },
  "global records that are passed over": {
    bytes: joined(
      globalRecord("13 comment=x\n"),
      jpg("a"),
      jpg("b"),
      globalRecord("13 comment=y\n"),
      jpg("c"),
    ),
  },
  "global records that count": {
    bytes: joined(
      jpg("a"),
      jpg("b"),
      globalRecord("9 size=1\n"),
      jpg("c"),
      rawHeader("d.jpg", { size: 0 }),
      blocksOf("D"),
    ),
    without: [2, 3],
  },
  "a cut": {
    bytes: joined(jpg("a"), jpg("b"), jpg("c"), txt("c")).subarray(0, 7 * 512 + 1),
    without: [2],
  },
  "a cut behind whole files": {
    bytes: joined(jpg("a"), jpg("b"), jpg("c"), jpg("dd")).subarray(0, 7 * 512 + 1),
    without: [3],
  },
  "no mark at the end": { bytes: Buffer.concat([jpg("a"), jpg("b")]), without: [2] },
  "two archives": { bytes: joined(jpg("a"), jpg("b"), tarEnd(), jpg("c")), without: [2] },
};

describe("a plain shard is read from any of its entries", () => {
  for (const [name, { bytes, without = [] }] of Object.entries(archives)) {
    it(`as if it was read from its start: ${name}`, async () => {
      const part = shardPart(write(`${name}.tar`, bytes));
      const entries = await all(part.read());
      assert.ok(entries.length > 2);
      const lacking = [...entries.keys()].filter((index) => entries[index]!.byte === undefined);
      assert.deepEqual(lacking, without);
      for (const [index, { byte }] of entries.entries()) {
        assert.deepEqual(await all(part.readFrom!(index, byte)), entries.slice(index));
        assert.deepEqual(await all(part.readFrom!(index)), entries.slice(index), "without a byte");
      }
    });
  }
  it("without a look at what stands before", async () => {
    const path = write("before.tar", archives.plain!.bytes);
    const part = shardPart(path);
    const entries = await all(part.read());
    const bytes = readFileSync(path);
    // The first name is kept: by it a shard is told from other archives.
    writeFileSync(path, bytes.fill(0xff, 100, entries[1]!.byte));
    assert.deepEqual(await all(part.readFrom!(1, entries[1]!.byte)), entries.slice(1));
    assert.notDeepEqual(await all(part.read()), entries);
  });
  it("and from its start where nothing begins at the byte", async () => {
    const { bytes } = archives.plain!;
    const part = shardPart(write("wrong.tar", bytes));
    const entries = await all(part.read());
    const inName = entries[1]!.byte! + 1;
    for (const byte of [1, 512, inName, bytes.length - 1024, bytes.length, 2 ** 52]) {
      assert.deepEqual(await all(part.readFrom!(1, byte)), entries.slice(1), `byte ${byte}`);
    }
    const damaged = Buffer.from(bytes);
    damaged[entries[2]!.byte! + 3]! ^= 1;
    const other = shardPart(write("damaged.tar", damaged));
    const found = await all(other.read());
    assert.match(found.at(-1)!.problem!.reason, /wrong checksum/);
    assert.deepEqual(await all(other.readFrom!(2, entries[2]!.byte)), found.slice(2));
  });
});

it("a compressed shard has no such bytes and passes over one that is given", async () => {
  const part = shardPart(write("a.tar.gz", gzipSync(tarOf({ "a.jpg": "A", "b.jpg": "B" }))));
  const entries = await all(part.read());
  assert.deepEqual(
    entries.map((entry) => "byte" in entry),
    [false, false],
  );
  assert.deepEqual(await all(part.readFrom!(1, 1024)), entries.slice(1));
});
