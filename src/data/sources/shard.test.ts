import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { openSource } from "./open-source.ts";
import { blocksOf, linesOf, rawHeader, tarOf, workspace } from "./samples.test.helper.ts";
import { tarEnd, tarEntry } from "./tar-format.ts";

const { top, write } = workspace("shard");
const kind = "webdataset";
const both = (bytes: Uint8Array, name = "x"): string[] => [
  write(`${name}.tar`, bytes),
  write(`${name}.tar.gz`, gzipSync(bytes)),
];

describe("what is no shard", () => {
  it("is named, with how to unpack it", async () => {
    const hex = (text: string): Buffer =>
      Buffer.concat([Buffer.from(text, "hex"), Buffer.alloc(600)]);
    const cases: [string, Buffer, RegExp][] = [
      ["a.tar.zst", hex("28b52ffd"), /packed by zstd, .* unpack it: zstd -dc shard > shard\.tar$/],
      ["a.tar.xz", hex("fd377a585a00"), /packed by xz, .* xz -dc/],
      ["a.tar.bz2", hex("425a6839"), /packed by bzip2, .* bzip2 -dc/],
      ["a.tar", hex("504b0304"), /^!it is a zip archive, .* unpack it and give the folder$/],
      ["b.tar", Buffer.alloc(0), /^!the shard is empty \(0 bytes\)$/],
    ];
    for (const [name, bytes, message] of cases) {
      const lines = await linesOf({ kind, shards: write(name, bytes) });
      assert.equal(lines.length, 1);
      assert.match(lines[0]!, message);
    }
    assert.deepEqual(await linesOf({ kind, shards: write("none.tar", tarEnd()) }), []);
  });
  it("is named: what a download leaves, and archives of files without endings", async () => {
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n";
    const cases: [string | Buffer, RegExp][] = [
      [pointer, /^!it is a Git LFS pointer in place of the file \(git lfs pull/],
      ["\n<!doctype html><p>404", /^!it is a web page, as a failed download leaves one/],
      [`<HTML>${"x".repeat(3000)}`, /^!it is a web page/],
      ["Entry not found", /^!it is text, "Entry not found", as a failed download leaves it/],
      [
        tarOf({ "images/0001": "A", "images/0002": "B" }),
        /^!none of its 2 files has an ending, such as images\/0001; those of a sample are named key\.jpg/,
      ],
    ];
    for (const [contents, message] of cases) {
      for (const name of ["page.tar", "page.tar.gz"]) {
        const lines = await linesOf({ kind, shards: write(name, contents) });
        assert.equal(lines.length, 1);
        assert.match(lines[0]!, message);
      }
    }
  });
  it("is refused and not waited for", async (t) => {
    if (process.platform === "win32") return t.skip("needs mkfifo");
    const pipe = join(top, "pipe.tar");
    execFileSync("mkfifo", [pipe]);
    assert.deepEqual(await linesOf({ kind, shards: pipe }), ["!it is a pipe, not a file"]);
  });
  it("is no address: what limn reads is said at once", async () => {
    for (const shards of [
      "https://example.com/{0..9}.tar",
      "pipe:cat a.tar",
      "s3://b/a.tar",
      "a.tar::b.tar",
    ]) {
      await assert.rejects(openSource({ kind, shards }), {
        code: "LIMN_DATA",
        message: /^Expected the path of a shard for source\.shards but received .*; limn /,
      });
    }
    const odd = write("a::b.tar", tarOf({ "a.jpg": "A" }));
    assert.deepEqual(await linesOf({ kind, shards: odd }), ["a: "]);
  });
});

describe("names in archives", () => {
  it("that systems add belong to no sample and split none", async () => {
    const files = {
      "data/._a.jpg": "mac",
      "data/a.jpg": "A",
      "data/._a.txt": "mac",
      "data/a.txt": "one",
      "._b.jpg": "mac",
      "b.jpg": "B",
      "__MACOSX/._b.txt": "mac",
      ".DS_Store": "mac",
      "x/Thumbs.db": "windows",
      "b.txt": "two",
      "./c.jpg": "C",
      "c.txt": "three",
    };
    for (const shards of both(tarOf(files))) {
      assert.deepEqual(await linesOf({ kind, shards }), ["data/a: one", "b: two", "c: three"]);
    }
  });
  it("may begin in a folder with a dot, but for those that programs fill", async () => {
    const files = {
      "home/.cache/set/a.jpg": "A",
      "home/.cache/set/a.txt": "one",
      ".data/.b.jpg": "hidden",
      "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg": "thumbnail",
      "x/.ipynb_checkpoints/a-checkpoint.jpg": "copy",
      ".data/c.jpg": "C",
      ".data/c.txt": "three",
    };
    for (const shards of both(tarOf(files))) {
      assert.deepEqual(await linesOf({ kind, shards }), [
        "home/.cache/set/a: one",
        ".data/c: three",
      ]);
    }
  });
  it("are refused where no system has them: windows of samples hold them", async () => {
    for (const shards of both(tarOf({ [`${"long/".repeat(900)}a.jpg`]: "A" }))) {
      assert.match(
        (await linesOf({ kind, shards }))[0]!,
        /^!a name of 4505 characters, which is none/,
      );
    }
  });
  it("are bytes: two that are not UTF-8 stay two", async () => {
    const name = (byte: number, ending: string): Buffer =>
      Buffer.concat([Buffer.from("caf"), Buffer.of(byte), Buffer.from(ending)]);
    const pax = (path: Buffer): Buffer[] => {
      const record = Buffer.concat([Buffer.from("17 path="), path, Buffer.from("\n")]);
      return [
        rawHeader("pax", { type: "x", size: record.length }),
        blocksOf(record),
        rawHeader("cut"),
      ];
    };
    const archive = Buffer.concat([
      ...[0xe8, 0xe9].flatMap((byte) => [
        rawHeader(name(byte, ".jpg"), { size: 1 }),
        blocksOf("A"),
        rawHeader(name(byte, ".txt"), { size: 3 }),
        blocksOf(`${byte}`),
      ]),
      rawHeader("././@LongLink", { type: "L", size: 9 }),
      blocksOf(name(0xea, ".jpg")),
      rawHeader("cut", { size: 1 }),
      blocksOf("A"),
      ...pax(name(0xeb, ".jpg")),
      tarEnd(),
    ]);
    for (const shards of both(archive)) {
      assert.deepEqual(await linesOf({ kind, shards }), [
        "caf%E8: 232",
        "caf%E9: 233",
        "caf%EA: ",
        "caf%EB!the image file is empty",
      ]);
    }
  });
});

describe("members without contents of their own", () => {
  it("are named: links, and sparse files, behind which the archive goes on", async () => {
    const sparse = rawHeader("s.jpg", { type: "S", size: 3 });
    const map = Buffer.alloc(512);
    const archive = Buffer.concat([
      rawHeader("folder/", { type: "5" }),
      rawHeader("a.jpg", { size: 1 }),
      blocksOf("A"),
      rawHeader("passed.jpg", { type: "2", link: "a.jpg" }),
      rawHeader("a.txt", { size: 3 }),
      blocksOf("one"),
      rawHeader("b.jpg", { type: "1", link: "a.jpg" }),
      rawHeader("b.txt", { size: 3 }),
      blocksOf("two"),
      withMore(sparse),
      map,
      blocksOf("hole"),
      rawHeader("c.jpg", { size: 1 }),
      blocksOf("C"),
      tarEnd(),
    ]);
    for (const shards of both(archive)) {
      assert.deepEqual(await linesOf({ kind, shards }), [
        "a: one",
        "passed!passed.jpg is a link to a.jpg, which limn does not follow; pack with tar --hard-dereference -h",
        "b!b.jpg is a link to a.jpg, which limn does not follow; pack with tar --hard-dereference -h",
        "s!s.jpg is stored as a sparse file, which limn does not read",
        "c: ",
      ]);
    }
  });
});

describe("what stands where a sample is expected", () => {
  it("links alone are bad samples, as are pipes and the rest of other volumes", async () => {
    const archive = Buffer.concat([
      rawHeader("a.jpg", { type: "2", link: "../a.jpg" }),
      rawHeader("a.txt", { type: "2", link: "../a.txt" }),
      rawHeader("pipe.png", { type: "6" }),
      rawHeader("rest.jpg", { type: "M", size: 3 }),
      blocksOf("end"),
      rawHeader("odd.jpg", { type: "Z", size: 3 }),
      blocksOf("odd"),
      rawHeader("b.txt", { type: "1", link: "c.txt" }),
      rawHeader("c.jpg", { size: 1 }),
      blocksOf("C"),
      tarEnd(),
    ]);
    for (const shards of both(archive, "apart")) {
      assert.deepEqual(await linesOf({ kind, shards }), [
        "a!a.jpg is a link to ../a.jpg, which limn does not follow; pack with tar --hard-dereference -h",
        "pipe!pipe.png is a device or a pipe",
        "rest!rest.jpg is the rest of a file that begins in another volume; join the volumes with tar -M",
        'odd!odd.jpg is a member of the unknown type "Z"',
        "c: ",
      ]);
    }
  });
  it("the first form of sparse files in pax is told from whole files", async () => {
    const records = Buffer.from("22 GNU.sparse.size=9\n29 GNU.sparse.numblocks=1\n");
    const archive = Buffer.concat([
      rawHeader("x", { type: "x", size: records.length }),
      blocksOf(records),
      rawHeader("a.jpg", { size: 1 }),
      blocksOf("A"),
      tarEnd(),
    ]);
    for (const shards of both(archive)) {
      assert.deepEqual(await linesOf({ kind, shards }), [
        "a!a.jpg is stored as a sparse file, which limn does not read",
      ]);
    }
  });
  it("a file that a sample has already begins the next, as in open_clip", async () => {
    const files: [string, string][] = [
      ...(["one", "two"] as const).flatMap((text): [string, string][] => [
        ["image.jpg", text],
        ["image.txt", text],
      ]),
      ["b.txt", "three"],
      ["b.jpg", "3"],
      ["b.jpg", "4"],
      ["c.jpg", "5"],
      ["c.json", '{"caption":"five"}'],
      ["c.json", "{}"],
    ];
    const entries = files.map(([name, contents]) => tarEntry(name, Buffer.from(contents)));
    for (const shards of both(Buffer.concat([...entries, tarEnd()]), "repeated")) {
      assert.deepEqual(await linesOf({ kind, shards }), [
        "image: one",
        "image: two",
        "b: three",
        "b: ",
        "c: five",
        "c!no image among its files (json); those of a sample lie side by side (tar --sort=name)",
      ]);
    }
  });
  it("of several pictures the one that open_clip takes is the sample's", async () => {
    const files = { "a.jpeg": "1", "a.webp": "22", "a.png": "333", "b.webp": "22", "b.jpeg": "1" };
    const source = await openSource({ kind, shards: write("several.tar", tarOf(files)) });
    const sizes = [];
    for await (const { ref } of source.parts[0]!.read()) sizes.push(ref?.image.size);
    assert.deepEqual(sizes, [3, 1]);
  });
});

describe("gzip", () => {
  const archive = tarOf({ "a.jpg": "A", "a.txt": "one", "b.jpg": "B", "b.txt": "two" });
  const packed = gzipSync(archive);
  const lines = (name: string, bytes: Uint8Array): Promise<string[]> =>
    linesOf({ kind, shards: write(`${name}.tar.gz`, bytes) });
  it("is read member behind member, whatever lies behind the last", async () => {
    const pieces = [];
    for (let i = 0; i < archive.length; i += 700) {
      pieces.push(gzipSync(archive.subarray(i, i + 700)));
    }
    const named = Buffer.from(gzipSync(Buffer.alloc(0)));
    named[3] = 4 + 8 + 16 + 2;
    const fields = Buffer.from("\x03\0abcname\0comment\0\0\0", "latin1");
    const many = Buffer.concat([named.subarray(0, 10), fields, named.subarray(10), ...pieces]);
    const tails = ["", "\0\0\0", "garbage", "\x1f\x8bxx", "\x1f"];
    for (const tail of tails) {
      for (const whole of [packed, many]) {
        const bytes = Buffer.concat([whole, Buffer.from(tail, "latin1")]);
        assert.deepEqual(await lines("members", bytes), ["a: one", "b: two"], tail);
      }
    }
  });
  it("that is damaged gives what lies before the damage", async () => {
    const wrongSum = Buffer.from(packed);
    wrongSum[packed.length - 5]! ^= 255;
    assert.deepEqual(await lines("sum", wrongSum), [
      "a: one",
      "b!the compressed shard is damaged (incorrect data check)",
    ]);
    assert.deepEqual(await lines("cut", packed.subarray(0, -4)), [
      "a: one",
      "b!the compressed shard is cut in the middle",
    ]);
    assert.deepEqual(await lines("start", packed.subarray(0, 12)), [
      "!the compressed shard is cut in the middle",
    ]);
  });
});

/** A sparse header that says that its map goes on in another block. */
function withMore(header: Buffer): Buffer {
  header[482] = 1;
  header.write("        ", 148, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

it("archives that were joined are reported, zeros behind one are not", async () => {
  const one = Buffer.concat([tarOf({ "a.jpg": "A" }), Buffer.alloc(7 * 512)]);
  for (const shards of both(Buffer.concat([one, tarOf({ "b.jpg": "B" })]), "joined")) {
    assert.deepEqual(await linesOf({ kind, shards }), [
      "a: ",
      "!another archive begins behind the end mark, at byte 5632, and is not read; give archives as a list",
    ]);
  }
  for (const end of [Buffer.alloc(512 * 100), Buffer.from("signature"), Buffer.alloc(512, "x")]) {
    for (const shards of both(Buffer.concat([one, end]), "alone")) {
      assert.deepEqual(await linesOf({ kind, shards }), ["a: "]);
    }
  }
});

describe("sizes that are announced", () => {
  it("take no memory: what is too large is passed over as it is unpacked", async () => {
    const zeros = Buffer.alloc(1 << 20);
    const parts = [rawHeader("a.jpg", { size: 300 << 20 })];
    for (let i = 0; i < 300; i++) parts.push(zeros);
    parts.push(rawHeader("a.txt", { size: 3 }), blocksOf("one"));
    parts.push(rawHeader("b.jpg", { size: 1 }), blocksOf("B"));
    parts.push(rawHeader("b.json", { size: 2 << 20 }), zeros, zeros);
    parts.push(rawHeader("b.txt", { size: 3 }), blocksOf("two"), tarEnd());
    const shards = write("bomb.tar.gz", gzipSync(Buffer.concat(parts), { level: 1 }));
    parts.length = 0;
    const before = process.resourceUsage().maxRSS;
    const lines = await linesOf({ kind, shards });
    assert.match(lines[0]!, /^a!a\.jpg has 314572800 bytes, more than the 67108864 that a sample/);
    assert.deepEqual(lines.slice(1), ["b: two"]);
    const grown = (process.resourceUsage().maxRSS - before) / 1024;
    assert.ok(grown < 100, `${grown} MiB`);
  });
  it("are bounded for a sample with many pictures, and the file is no larger than it says", async () => {
    const third = Buffer.alloc(30 << 20);
    const header = (name: string): Buffer => rawHeader(name, { size: third.length });
    const archive = Buffer.concat([
      header("a.jpg"),
      third,
      header("a.png"),
      third,
      header("a.gif"),
      third,
      tarEnd(),
    ]);
    const shards = write("three.tar.gz", gzipSync(archive, { level: 1 }));
    assert.deepEqual(await linesOf({ kind, shards }), ["a: "]);
    const cut = write(
      "cut.tar",
      Buffer.concat([rawHeader("a.jpg", { size: 0o77777777777 }), blocksOf("A")]),
    );
    assert.deepEqual(await linesOf({ kind, shards: cut }), [
      "!the archive is cut inside a.jpg (at byte 512)",
    ]);
  });
});
