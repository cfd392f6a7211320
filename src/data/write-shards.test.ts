import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { PackSample } from "./sample.ts";
import { openSource } from "./sources/open-source.ts";
import { readSamples } from "./sources/read-sample.ts";
import { scanTar } from "./sources/tar-file.ts";
import { writeShards } from "./write-shards.ts";

const top = mkdtempSync(join(tmpdir(), "limn-shards-"));
after(() => rmSync(top, { recursive: true }));

const sample = (key: string, more: Partial<PackSample> = {}): PackSample => ({
  key,
  image: Buffer.from(`image of ${key}`),
  extension: "png",
  captions: [`caption of ${key}`],
  ...more,
});

describe("writeShards", () => {
  it("refuses a size, a key with a dot and a repeated key, and leaves no half shard", async () => {
    const directory = join(top, "refused");
    await assert.rejects(
      writeShards({ samples: [], directory, samplesPerShard: 0 }),
      /Expected a positive integer for samplesPerShard but received 0/,
    );
    for (const key of ["a.b", "", "x/", "/x", "a\\b"]) {
      await assert.rejects(
        writeShards({ samples: [sample(key)], directory, samplesPerShard: 2 }),
        /Expected a relative name without "\." in its last part for key but received/,
      );
    }
    const samples = ["a", "b", "c", "a"].map((key) => sample(key));
    await assert.rejects(
      writeShards({ samples, directory, samplesPerShard: 3 }),
      /Expected unique keys but received "a" twice/,
    );
    assert.equal(existsSync(directory), false);
  });
  it("names the folder when the disk is full, and leaves nothing", async () => {
    const directory = join(top, "full");
    function* samples(): Generator<PackSample> {
      yield* ["a", "b", "c"].map((key) => sample(key));
      throw Object.assign(new Error("full"), { code: "ENOSPC" });
    }
    await assert.rejects(writeShards({ samples: samples(), directory, samplesPerShard: 2 }), {
      name: "StorageError",
      file: directory,
      message: /free disk space for writing .*full but received ENOSPC; free some space/,
    });
    assert.equal(existsSync(directory), false);
    assert.deepEqual(
      readdirSync(top).filter((name) => name.includes("full")),
      [],
    );
  });
  it("refuses a folder with older shards, or anything else, before a sample is read", async () => {
    const directory = join(top, "older");
    const samples = ["a", "b", "c"].map((key) => sample(key));
    await writeShards({ samples, directory, samplesPerShard: 1 });
    const before = readdirSync(directory);
    function* never(): Generator<PackSample> {
      yield assert.fail("a sample was read");
    }
    const write = (to: string): Promise<unknown> =>
      writeShards({ samples: never(), directory: to, samplesPerShard: 2, prefix: "other" });
    await assert.rejects(write(directory), {
      name: "StorageError",
      file: directory,
      message:
        `Expected a new or empty folder for writing ${directory} but received one with ` +
        "shard-000000.tar, shard-000001.tar and shard-000002.tar, which would be read together with " +
        "the new files; choose another folder, or move them away (nothing was changed)",
    });
    assert.deepEqual(readdirSync(directory), before);
    const theirs = join(top, "theirs");
    mkdirSync(theirs);
    writeFileSync(join(theirs, "notes.txt"), "mine");
    await assert.rejects(write(theirs), /one with notes\.txt, which would be read together/);
    assert.deepEqual(readdirSync(theirs), ["notes.txt"]);
  });
  it("reports a folder that cannot be written", async (t) => {
    if (process.getuid?.() === 0) return t.skip("root may write everywhere");
    const directory = join(top, "readonly");
    mkdirSync(directory);
    chmodSync(directory, 0o500);
    await assert.rejects(
      writeShards({ samples: [sample("a")], directory, samplesPerShard: 2 }),
      /write permission for writing .*; choose another place/,
    );
  });
  it("writes what the source reads back, the same bytes every time", async () => {
    const samples = [
      sample("plain"),
      sample("folder/猫", { extension: "jpg", captions: ["eins", "zwei"] }),
      sample("labelled", { extension: "webp", label: "cat", meta: { id: 7, group: "animals" } }),
      sample("silent", { captions: [] }),
    ];
    const directory = join(top, "written");
    const first = await writeShards({ samples, directory, samplesPerShard: 3, prefix: "train" });
    assert.deepEqual(first, {
      shards: ["train-000000.tar", "train-000001.tar"].map((name) => join(directory, name)),
      samples: 4,
    });
    const bytes = first.shards.map((path) => readFileSync(path));
    const again = { samples, directory: join(top, "again"), samplesPerShard: 3, prefix: "train" };
    const second = await writeShards(again);
    assert.deepEqual(
      second.shards.map((path) => readFileSync(path)),
      bytes,
    );
    const source = await openSource({
      kind: "webdataset",
      shards: join(directory, "train-{000000..000001}.tar"),
    });
    const read = [];
    for await (const found of readSamples(source)) {
      assert.ok("ref" in found);
      const { record: _, ...text } = found.text;
      read.push({ key: found.ref.key, image: Buffer.from(found.image), ...text });
    }
    assert.deepEqual(
      read,
      samples.map(({ key, image, captions, label, meta }) => ({
        key,
        image,
        captions,
        ...(label === undefined ? {} : { label, meta }),
      })),
    );
  });
  it("writes key.txt for every sample with a caption, and numbers as they are", async () => {
    const directory = join(top, "texts");
    const meta = { hash: 6391326009969271747n, label: 3, ["__proto__"]: { x: 1 } };
    const samples = [
      sample("a", { captions: ["first", "second"] }),
      sample("b", { label: "3", meta }),
      sample("c", { captions: [], label: "undefined" }),
    ];
    const { shards } = await writeShards({ samples, directory, samplesPerShard: 9 });
    const archive = readFileSync(shards[0]!);
    const fd = openSync(shards[0]!, "r");
    const texts = [...scanTar(fd)]
      .filter(({ name }) => !name.endsWith(".png"))
      .map(({ name, offset, size }) => [name, archive.toString("utf8", offset, offset + size)]);
    closeSync(fd);
    assert.deepEqual(texts, [
      ["a.txt", "first"],
      ["a.json", '{"captions":["first","second"]}'],
      ["b.txt", "caption of b"],
      [
        "b.json",
        '{"hash":6391326009969271747,"label":3,"__proto__":{"x":1},"captions":["caption of b"]}',
      ],
      ["c.json", '{"captions":[],"label":"undefined"}'],
    ]);
  });
});
