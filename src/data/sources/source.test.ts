import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { DataError } from "../../errors.ts";
import { expandBraces, expandPaths } from "../paths/expand-paths.ts";
import { openSource } from "./open-source.ts";
import { linesOf, tarOf, workspace } from "./samples.test.helper.ts";
import { checkSourceSpec, type SourceSpec } from "./source-spec.ts";

const { top, write } = workspace("source");

describe("source descriptions", () => {
  const cases: [unknown, RegExp][] = [
    [null, /Expected an object such as/],
    [
      { kind: "webdatset", shards: "x" },
      /source\.kind but received "webdatset".*Did you mean "webdataset"/,
    ],
    [{ kind: "webdataset", shard: "x" }, /received "shard"; .*Did you mean "shards"/],
    [{ kind: "webdataset" }, /Expected a value for source\.shards but received nothing/],
    [
      { kind: "webdataset", shards: [] },
      /Expected a string or a list of strings for source\.shards/,
    ],
    [{ kind: "table", file: "a.csv", format: "cvs" }, /one of csv, tsv, jsonl.*Did you mean "csv"/],
    [{ kind: "folder", directory: "x", captionPerLine: "yes" }, /Expected true or false for/],
  ];
  for (const [value, message] of cases) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      assert.throws(() => checkSourceSpec(value), message);
    });
  }
});

describe("shard patterns", () => {
  it("expand as in a shell", () => {
    assert.deepEqual(expandBraces("a-{000..002}.tar"), ["a-000.tar", "a-001.tar", "a-002.tar"]);
    assert.deepEqual(expandBraces("{8..11}"), ["8", "9", "10", "11"]);
    assert.deepEqual(expandBraces("{08..12..2}"), ["08", "10", "12"]);
    assert.deepEqual(expandBraces("{2..0}"), ["2", "1", "0"]);
    assert.deepEqual(expandBraces("{a,b{1..2},}x"), ["ax", "b1x", "b2x", "x"]);
    assert.deepEqual(expandBraces("{single}{0..1}"), ["{single}0", "{single}1"]);
    assert.throws(() => expandBraces("{0..99999999}"), /at most 1000000 names for a range/);
  });
  it("look up globs in order and keep plain names that do not exist", () => {
    for (const name of ["g/b/2.tar", "g/b/1.tar", "g/a/1.tar", "g/a/1.txt", "g/.h/1.tar"])
      write(name, "");
    const found = expandPaths([join(top, "g/*/[12].tar"), join(top, "none-{0..1}.tar")]);
    assert.deepEqual(
      found.map((path) => path.slice(top.length + 1)),
      ["g/a/1.tar", "g/b/1.tar", "g/b/2.tar", "none-0.tar", "none-1.tar"],
    );
    assert.throws(() => expandPaths(join(top, "absent/*.tar")), /Expected a readable folder/);
  });
  it("that match nothing are an error", async () => {
    const shards = join(top, "*.nothing");
    await assert.rejects(openSource({ kind: "webdataset", shards }), /Expected at least one shard/);
  });
});

describe("shards", () => {
  const files = {
    "a.jpg": "A",
    "a.txt": " caption a\n",
    "b.png": "B",
    "b.json": '{"captions": ["one", "", "two"], "label": "cat", "id": 3}',
    "c.jpg": "C",
    "c.txt": "from text",
    "c.json": '{"caption": "from json"}',
    "d.webp": "D",
    "d.cls": "7",
    "e.txt": "an image is missing",
    "f.jpg": "F",
    "f.json": "{not json",
    "g.jpg": "",
    "g.txt": "empty image",
  };
  const expected = [
    "a: caption a",
    "b: one | two (cat)",
    "c: from text",
    "d:  (7)",
    "e!no image among its files (txt); those of a sample lie side by side (tar --sort=name)",
  ];
  for (const compressed of [false, true]) {
    it(`${compressed ? "compressed" : "plain"}: give captions, labels and what is wrong`, async () => {
      const bytes = compressed ? gzipSync(tarOf(files)) : tarOf(files);
      // Compression is told by content: the name says nothing here.
      const shards = write(`fields-${compressed}.tar`, bytes);
      const lines = await linesOf({ kind: "webdataset", shards });
      assert.deepEqual(lines.slice(0, 5), expected);
      assert.match(lines[5]!, /^f!its JSON record is not JSON/);
      assert.equal(lines[6], "g!the image file is empty");
      assert.equal(lines.length, 7);
    });
  }
  it("may keep one caption per line, and other keys", async () => {
    const shards = write(
      "lines.tar",
      tarOf({ "a.jpg": "A", "a.txt": "one\r\n\ntwo\n", "b.jpg": "B", "b.json": '{"t": "x"}' }),
    );
    const lines = await linesOf({
      kind: "webdataset",
      shards,
      captionPerLine: true,
      captionKeys: ["t"],
    });
    assert.deepEqual(lines, ["a: one | two", "b: x"]);
  });
  it("that are missing, cut or no archives are one bad sample each", async () => {
    const whole = tarOf({ "a.jpg": "A", "a.txt": "a", "b.jpg": "B".repeat(2000), "b.txt": "b" });
    const shards = [
      join(top, "missing.tar"),
      write("cut.tar", whole.subarray(0, 512 * 7)),
      write("cut.tar.gz", gzipSync(whole).subarray(0, -20)),
      write("text.tar", "no archive at all ".repeat(100)),
      top,
      write("whole.tar", whole),
    ];
    const lines = await linesOf({ kind: "webdataset", shards });
    assert.deepEqual(lines, [
      "!the shard does not exist",
      "a: a",
      "b!the archive is cut inside b.jpg (at byte 2560)",
      "a: a",
      "b!the compressed shard is cut in the middle",
      "!a header has a wrong checksum: this is no tar archive, or a damaged one (at byte 0)",
      "!this is a folder, not a shard",
      "a: a",
      "b: b",
    ]);
  });
});

describe("tables", () => {
  for (const name of ["x.jpg", "sub/y.png"]) write(`t/${name}`, name);
  it("join rows of one image, and read JSON arrays and quotes", async () => {
    const file = write(
      "t/a.csv",
      '\ufeffimage,caption,kind\nx.jpg,"a, ""b""",1\nsub/y.png,"[""p"", ""q""]",2\nx.jpg,"two\nlines",1\n',
    );
    const lines = await linesOf({ kind: "table", file, label: "kind" });
    assert.deepEqual(lines, ['x.jpg: a, "b" | two\nlines (1)', "sub/y.png: p | q (2)"]);
  });
  it("may name their columns, separator and root", async () => {
    const file = write("b.tsv", 'filepath\ttitle\nx.jpg\ta "b" c\n\nx.jpg\t[d]\n');
    const spec: SourceSpec = {
      kind: "table",
      file,
      image: "filepath",
      caption: "title",
      root: join(top, "t"),
    };
    assert.deepEqual(await linesOf(spec), ['x.jpg: a "b" c | [d]']);
  });
  it("as JSON lines report the lines that are not usable", async () => {
    const file = write(
      "t/c.jsonl",
      '{"image":"x.jpg","caption":["a","b"]}\n\nnonsense\n[1]\n{"caption":"c"}\n{"image":"sub/y.png","caption":{"a":1}}\n{"image":"gone.jpg","caption":"d"}\n{"image":"sub/y.png"}\n',
    );
    const lines = await linesOf({ kind: "table", file });
    assert.equal(lines[0], "x.jpg: a | b");
    assert.match(lines[1]!, /^!line 3: not JSON/);
    assert.deepEqual(lines.slice(2), [
      "!line 4: not a JSON object",
      '!line 5: no image path in "image"',
      'sub/y.png!line 6: "caption" is neither a string nor a list of strings',
      "gone.jpg!the file does not exist",
      "sub/y.png: ",
    ]);
  });
  it("that lack a column or do not exist are an error", async () => {
    const file = write("t/d.csv", "images,caption\nx.jpg,a\n");
    await assert.rejects(
      openSource({ kind: "table", file }),
      /Expected a column "image".*Did you mean "images"/,
    );
    for (const name of ["absent.csv", "absent.jsonl"]) {
      await assert.rejects(
        openSource({ kind: "table", file: join(top, name) }),
        (error: unknown) => {
          assert.ok(
            error instanceof DataError && /no such file/.test(error.message),
            String(error),
          );
          return true;
        },
      );
    }
    await assert.rejects(
      openSource({ kind: "table", file: "a.parquet" }),
      /received Parquet; describe it by .* for a\.parquet/,
    );
  });
});

describe("folders", () => {
  it("are listed in one order, with captions and labels", async () => {
    for (const name of [
      "f/cat/2.jpg",
      "f/cat/1.JPG",
      "f/dog/a.b.png",
      "f/.hidden.png",
      "f/readme.md",
    ])
      write(name, "i");
    write("f/cat/1.txt", "one\n");
    write("f/dog/a.b.txt", "x\ny");
    const lines = await linesOf({
      kind: "folder",
      directory: join(top, "f"),
      labelFromFolder: true,
      captionPerLine: true,
    });
    assert.deepEqual(lines, ["cat/1: one (cat)", "cat/2:  (cat)", "dog/a.b: x | y (dog)"]);
  });
  it("that cannot be read are an error", async () => {
    await assert.rejects(
      openSource({ kind: "folder", directory: join(top, "absent") }),
      /Expected a readable folder for source\.directory but received ENOENT/,
    );
  });
});

describe("a shard cut between two files", () => {
  for (const name of ["cut.tar", "cut.tar.gz"]) {
    it(`gives its whole samples and says so: ${name}`, async () => {
      const whole = tarOf({ "a.png": "a", "a.txt": "one", "b.png": "b", "b.txt": "two" });
      const cut = whole.subarray(0, 2 * 1024);
      const shards = write(`between/${name}`, name.endsWith(".gz") ? gzipSync(cut) : cut);
      const lines = await linesOf({ kind: "webdataset", shards });
      assert.equal(lines[0], "a: one");
      assert.match(lines[1] ?? "", /^!the shard ends without the mark .* it may have been cut/);
    });
  }
});
