import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { checkPackTarget, packDataset } from "./pack.ts";

const root = mkdtempSync(join(tmpdir(), "limn-pack-"));
after(() => rmSync(root, { recursive: true }));

const image = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
  .png()
  .toBuffer();

/** A folder of pictures with captions. */
function pictures(name: string, ...keys: string[]): string {
  const folder = join(root, name);
  mkdirSync(folder);
  for (const key of keys) {
    writeFileSync(join(folder, `${key}.png`), image);
    writeFileSync(join(folder, `${key}.txt`), `caption of ${key}`);
  }
  return folder;
}

test("shards do not go beside older ones, into their source, or where anything lies", async () => {
  const directory = pictures("pictures", "a", "b", "c");
  const source = { kind: "folder", directory } as const;
  const shards = join(root, "shards");
  await packDataset({ source, directory: shards, samplesPerShard: 2 });
  const before = readdirSync(shards);
  const packed = {
    kind: "webdataset",
    shards: join(shards, "shard-{000000..000001}.tar"),
  } as const;
  for (const [from, to, message] of [
    [
      source,
      shards,
      /one with shard-000000\.tar and shard-000001\.tar, which would be read together/,
    ],
    [
      packed,
      shards,
      /one with shard-000000\.tar and shard-000001\.tar, which would be read together/,
    ],
    [source, directory, /Expected another place than that of .*pictures for writing .* the same;/],
    [source, join(directory, "shards"), /received one inside/],
  ] as const) {
    const expected = { name: "StorageError", file: to, message };
    await assert.rejects(checkPackTarget({ source: from, directory: to }), expected);
    await assert.rejects(packDataset({ source: from, directory: to }), expected);
  }
  assert.deepEqual(readdirSync(shards), before);
  assert.equal(readdirSync(directory).length, 6);
});

test("a source without a usable sample leaves no folder", async () => {
  const directory = pictures("empty", "a");
  writeFileSync(join(directory, "a.png"), "no picture");
  const to = join(root, "never");
  await assert.rejects(packDataset({ source: { kind: "folder", directory }, directory: to }), {
    name: "DataError",
    message: /at least one usable sample/,
  });
  assert.ok(!readdirSync(root).some((name) => name.includes("never")));
});

test("the same source gives the same bytes", async () => {
  const source = { kind: "folder", directory: pictures("same", "a", "b") } as const;
  const [one, two] = await Promise.all(
    ["one", "two"].map(async (name) => {
      const { shards } = await packDataset({ source, directory: join(root, name) });
      return shards.map((file) => readFileSync(file));
    }),
  );
  assert.deepEqual(one, two);
});
