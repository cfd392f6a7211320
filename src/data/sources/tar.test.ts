import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { type Group, Grouper, splitName } from "./sample-groups.ts";
import { scanTar, streamTar, type TarFileEntry } from "./tar-file.ts";
import { tarEnd, tarEntries, tarEntry, TarError } from "./tar-format.ts";

interface Golden {
  cases: {
    name: string;
    gzip: string;
    entries: { name: string; offset: number; size: number; sha: string }[];
    groups: { key: string; fields: Record<string, string> }[];
  }[];
  largeHeaders: { format: string; size: number; header: string }[];
}

// From test/goldens/generate/data_tar.py: Python's tarfile and webdataset.
const golden = JSON.parse(
  readFileSync(new URL("../../../../test/goldens/data-tar.json", import.meta.url), "utf8"),
) as Golden;

const folder = mkdtempSync(join(tmpdir(), "limn-tar-"));
after(() => rmSync(folder, { recursive: true }));

function withFile<T>(name: string, bytes: Uint8Array, use: (path: string) => T): T {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return use(path);
}

function scan(archive: Uint8Array): TarFileEntry[] {
  return withFile("scan.tar", archive, (path) => {
    const file = openSync(path, "r");
    try {
      return [...scanTar(file)];
    } finally {
      closeSync(file);
    }
  });
}

async function stream(archive: Uint8Array): Promise<TarFileEntry[]> {
  const entries: TarFileEntry[] = [];
  const path = withFile("stream.tar.gz", gzipSync(archive), (file) => file);
  for await (const entry of streamTar(path, () => Infinity)) entries.push(entry);
  return entries;
}

const sha = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex").slice(0, 16);

describe("damaged archives", () => {
  const whole = Buffer.concat([
    tarEntry("a.jpg", new Uint8Array(700).fill(1)),
    tarEntry(`${"long".repeat(60)}.txt`, new Uint8Array(10).fill(2)),
    tarEntry("b.jpg", new Uint8Array(512).fill(3)),
    tarEnd(),
  ]);
  it("are read up to the cut, wherever it is, and say where it was", () => {
    const complete = scan(whole);
    assert.equal(complete.length, 3);
    for (let length = 0; length < whole.length; length += 37) {
      const found: string[] = [];
      let error: unknown;
      try {
        withFile("cut.tar", whole.subarray(0, length), (path) => {
          const file = openSync(path, "r");
          for (const { name } of scanTar(file)) found.push(name);
          closeSync(file);
        });
      } catch (caught) {
        error = caught;
      }
      const fitting = complete.filter(({ offset, size }) => offset + size <= length);
      assert.deepEqual(
        found,
        fitting.map(({ name }) => name),
        `cut at ${length}`,
      );
      // Only between two files, or in padding, can a cut go unnoticed.
      if (error !== undefined)
        assert.ok(error instanceof TarError && /is cut inside/.test(error.message));
    }
  });
  it("with a wrong checksum are refused", () => {
    const damaged = Buffer.from(whole);
    damaged[3] = 0x58;
    assert.throws(() => scan(damaged), /wrong checksum: this is no tar archive, or a damaged one/);
    assert.throws(() => scan(Buffer.alloc(1024, 0x41)), /wrong checksum/);
  });
  it("that are compressed and cut fail as streams do", async () => {
    const cut = gzipSync(whole).subarray(0, 100);
    const path = withFile("cut.tar.gz", cut, (file) => file);
    await assert.rejects(async () => {
      for await (const _ of streamTar(path, () => Infinity));
    }, /unexpected end of file/);
  });
});

describe("archives of Python's tarfile and webdataset", () => {
  for (const { name, gzip, entries, groups } of golden.cases) {
    const archive = gunzipSync(Buffer.from(gzip, "base64"));
    it(`${name}: names, offsets, sizes and contents`, async () => {
      const files = <T extends TarFileEntry>(all: T[]): T[] => all.filter(({ absent }) => !absent);
      const found = files(scan(archive)).map(({ start: _, ...entry }) => ({
        ...entry,
        sha: sha(archive.subarray(entry.offset, entry.offset + entry.size)),
      }));
      assert.deepEqual(found, entries);
      const streamed = files(await stream(archive)).map(({ start: _, bytes, ...entry }) => ({
        ...entry,
        sha: sha(bytes!),
      }));
      assert.deepEqual(streamed, entries);
    });
    it(`${name}: samples as webdataset groups them`, () => {
      const grouper = new Grouper();
      const found: Group[] = [];
      for (const entry of scan(archive)) {
        found.push(...grouper.push(entry));
      }
      found.push(...grouper.finish());
      // webdataset passes links over without a word.
      const seen = found.filter(({ fields }) => [...fields.values()].some((file) => !file.absent));
      const plain = seen.map(({ key, fields }) => ({
        key,
        fields: Object.fromEntries(
          [...fields].map(([extension, { offset, size }]) => [
            extension,
            sha(archive.subarray(offset, offset + size)),
          ]),
        ),
      }));
      // webdataset takes `dir/.hidden.jpg` for a sample, and `./` for a part of the key.
      const expected = groups
        .filter((group) => group.key !== "dir/")
        .map((group) => ({ ...group, key: group.key.replace(/^\.\//, "") }));
      assert.deepEqual(plain, expected);
    });
  }
  it("reads sizes beyond eight gigabytes, in base 256 and in pax", () => {
    for (const { format, size, header } of golden.largeHeaders) {
      const bytes = Buffer.from(header, "base64");
      const walk = tarEntries();
      let step = walk.next();
      while (step.done !== true && "read" in step.value) {
        const { offset, length } = step.value.read;
        step = walk.next(bytes.subarray(offset, offset + length));
      }
      assert.ok(step.done !== true && "entry" in step.value);
      assert.equal(step.value.entry.size, size, `${format} ${size}`);
    }
  });
});

describe("our own archives", () => {
  it("come back as they were written", () => {
    const names = [
      "a.jpg",
      "x/".repeat(60) + "b.jpg",
      "猫 🐈.txt",
      `${"n".repeat(300)}.json`,
      "z.txt",
    ];
    const files = names.map((name, i) => [name, Buffer.alloc(i * 511, i)] as const);
    const archive = Buffer.concat([
      ...files.map(([name, bytes]) => tarEntry(name, bytes)),
      tarEnd(),
    ]);
    const found = scan(archive);
    assert.deepEqual(
      found.map(({ name, offset, size }) => [name, archive.subarray(offset, offset + size)]),
      files,
    );
  });
});

describe("splitName", () => {
  it("ends the key at the first dot of the last part", () => {
    assert.deepEqual(splitName("a.b/c.seg.PNG"), { key: "a.b/c", extension: "seg.png" });
    assert.equal(splitName("a.b/c"), undefined);
    assert.equal(splitName(".hidden"), undefined);
  });
});
