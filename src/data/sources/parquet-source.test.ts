import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parquetWriteFile } from "hyparquet-writer";
import { openSource } from "./open-source.ts";
import type { Entry } from "./source.ts";
import { readSamples } from "./read-sample.ts";
import type { SourceSpec } from "./source-spec.ts";

/** What other programs wrote, and what is in it: test/goldens/generate/parquet.py. */
const goldens = fileURLToPath(new URL("../../../../test/goldens/parquet", import.meta.url));

interface Row {
  key: string;
  bad?: true;
  image?: string;
  captions?: string[];
  label?: string | null;
  meta?: unknown;
}
const expected = JSON.parse(readFileSync(join(goldens, "expected.json"), "utf8")) as {
  files: Record<string, Row[]>;
  alike: string[];
  rows: Row[];
};

const top = mkdtempSync(join(tmpdir(), "limn-parquet-"));
after(() => rmSync(top, { recursive: true }));

async function read(spec: SourceSpec): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const sample of readSamples(await openSource(spec))) {
    if ("problem" in sample) rows.push({ key: sample.problem.key ?? "", bad: true });
    else {
      const { captions, label, meta } = sample.text;
      rows.push({
        key: sample.ref.key,
        image: createHash("sha256").update(sample.image).digest("hex").slice(0, 16),
        captions,
        label: label ?? null,
        meta: meta ?? {},
      });
    }
  }
  return rows;
}

/** Integers of 64 bits are strings in the goldens, and no test cares for the order of keys. */
const plain = (row: Row): Row => ({
  ...row,
  ...(row.bad ? {} : { meta: JSON.parse(JSON.stringify(row.meta ?? {}, digits)) as unknown }),
});
const digits = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? String(value) : value;

async function entriesOf(read: AsyncIterable<Entry>): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of read) entries.push(entry);
  return entries;
}

describe("Parquet with pictures", () => {
  const files = Object.entries(expected.files).filter(([name]) => name !== "paths");
  const alike = expected.alike.map((name): [string, Row[]] => [name, expected.rows]);
  for (const [name, rows] of [...files, ...alike]) {
    it(`gives every row of ${name}`, async () => {
      const found = await read({ kind: "parquet", files: join(goldens, `${name}.parquet`) });
      // Rows without a key of their own are named by their file and number.
      const named = rows.map((row) =>
        /^\d{1,2}$/.test(row.key) ? { ...row, key: `${name}/${row.key}` } : row,
      );
      assert.deepEqual(found.map(plain), named.map(plain));
    });
  }
  it("is read from any row on", async () => {
    const source = await openSource({
      kind: "parquet",
      files: join(goldens, "small-pages.parquet"),
    });
    const part = source.parts[0]!;
    const all = await entriesOf(part.read());
    for (const first of [0, 1, 9, 10, 19, 27, 28]) {
      assert.deepEqual(await entriesOf(part.readFrom!(first)), all.slice(first));
    }
  });
  it("says which rows a damaged file lost, and reads the next file", async () => {
    const bytes = readFileSync(join(goldens, "none.parquet"));
    // A header in the second of three groups of rows.
    const damaged = Buffer.from(bytes);
    const place = bytes.indexOf("PNG", bytes.length / 3) - 40;
    damaged.fill(0xff, place, place + 40);
    const file = join(top, "damaged.parquet");
    writeFileSync(file, damaged);
    const whole = join(goldens, "none.parquet");
    const source = await openSource({ kind: "parquet", files: [file, whole] });
    const first = await entriesOf(source.parts[0]!.read());
    assert.equal(first.length, 11);
    assert.match(first[10]!.problem!.reason, /^what follows row 10 is lost: /);
    assert.equal((await entriesOf(source.parts[1]!.read())).length, 28);
    for (const from of [5, 10]) {
      assert.deepEqual(await entriesOf(source.parts[0]!.readFrom!(from)), first.slice(from));
    }
  });
});

describe("Parquet with paths", () => {
  it("joins rows of one picture, and reads pictures from the file's folder", async () => {
    copyFileSync(join(goldens, "paths.parquet"), join(top, "paths.parquet"));
    for (const i of [0, 1]) writeFileSync(join(top, `${i}.png`), "picture");
    const source = await openSource({ kind: "parquet", files: join(top, "paths.parquet") });
    assert.ok(source.listed);
    assert.equal(source.parts[0]!.list!.length, 3);
    const found = await read({ kind: "parquet", files: join(top, "paths.parquet") });
    assert.deepEqual(
      found.map(({ key, captions }) => (captions === undefined ? key : { key, captions })),
      [...expected.files["paths"]!.slice(0, 2), "2.png"],
    );
  });
});

describe("Parquet that is not as it should be", () => {
  const write = (name: string, data: Record<string, unknown[]>): string => {
    const file = join(top, name);
    const columnData = Object.entries(data).map(([column, values]) => ({
      name: column,
      data: values,
    }));
    parquetWriteFile({ filename: file, columnData });
    return file;
  };
  it("is refused in one sentence", async () => {
    const cases: [SourceSpec, RegExp][] = [
      [{ kind: "parquet", files: join(top, "none.parquet") }, /received no such file for .*none/],
      [{ kind: "parquet", files: join(top, "*.nothing") }, /at least one file for source\.files/],
      [
        { kind: "parquet", files: write("a.parquet", { x: ["a"], text: ["b"] }) },
        /column "image" in .* received x, text; name the column in source\.image/,
      ],
      [
        {
          kind: "parquet",
          files: write("b.parquet", {
            jpg: [new Uint8Array(3)],
            png: [new Uint8Array(3)],
            text: ["b"],
          }),
        },
        /one column of images .* received jpg, png/,
      ],
      [
        { kind: "parquet", files: write("c.parquet", { URL: ["http://x"], TEXT: ["b"] }) },
        /download the pictures first/,
      ],
    ];
    writeFileSync(join(top, "text.parquet"), "not Parquet at all");
    cases.push([
      { kind: "parquet", files: join(top, "text.parquet") },
      /no Parquet, or a file that is cut/,
    ]);
    for (const [spec, message] of cases) await assert.rejects(openSource(spec), message);
  });
});

describe("folders of datasets", () => {
  const put = (name: string, contents: string): void => {
    const path = join(top, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, contents);
  };
  it("are read by their metadata file", async () => {
    put("set/a.png", "picture");
    put("set/metadata.jsonl", '{"file_name":"a.png","text":"one","path":"other"}\n');
    const spec: SourceSpec = { kind: "folder", directory: join(top, "set") };
    assert.deepEqual(
      (await read(spec)).map(({ key, captions }) => [key, captions]),
      [["a.png", ["one"]]],
    );
    const plainFolder = { ...spec, labelFromFolder: true };
    assert.deepEqual(
      (await read(plainFolder)).map(({ key, label }) => [key, label]),
      [["a", "set"]],
    );
  });
  it("are plain folders where the metadata is something else", async () => {
    put("other/a.png", "picture");
    put("other/a.txt", "beside");
    put("other/metadata.csv", "camera,owner\nx,y\n");
    const found = await read({ kind: "folder", directory: join(top, "other") });
    assert.deepEqual(found[0]!.captions, ["beside"]);
  });
  it("are read from Parquet of one split", async () => {
    for (const i of [0, 1]) {
      const name = `hub/data/train-0000${i}-of-00002.parquet`;
      put(name, "");
      copyFileSync(join(goldens, "pandas.parquet"), join(top, name));
    }
    put("hub/README.md", "");
    const spec: SourceSpec = { kind: "folder", directory: join(top, "hub") };
    assert.equal((await read(spec)).length, 14);
    put("hub/data/test-00000-of-00001.parquet", "");
    await assert.rejects(
      openSource(spec),
      /one split .* received test-\*\.parquet, train-\*\.parquet in .*data; name one/,
    );
    put("splits/train/metadata.csv", "file_name,text\n");
    put("splits/test/metadata.csv", "file_name,text\n");
    await assert.rejects(
      openSource({ kind: "folder", directory: join(top, "splits") }),
      /received test, train in/,
    );
  });
  it("have a column of pictures by the names that datasets knows", async () => {
    const rows: [string, string, RegExp | undefined][] = [
      [
        "metadata.jsonl",
        '{"image_file_name":"a.png","mask_file_name":"b.png","text":"one"}\n',
        undefined,
      ],
      ["metadata.csv", '\uFEFF"photo_file_name","text"\r\n"a.png","one"\r\n', undefined],
      ["metadata.csv", "left_file_name,right_file_name,text\n", /column "image" .* left_file_name/],
      ["metadata.jsonl", '{"file_names":["a.png"],"text":"one"}\n', /column "image" .* file_names/],
    ];
    for (const [i, [name, text, refused]] of rows.entries()) {
      const directory = join(top, `named-${i}`);
      put(`named-${i}/a.png`, "picture");
      put(`named-${i}/${name}`, text);
      if (refused !== undefined) await assert.rejects(read({ kind: "folder", directory }), refused);
      else assert.deepEqual((await read({ kind: "folder", directory }))[0]!.captions, ["one"]);
    }
  });
  it("are found in the only folder within, and refused where they lie among others", async () => {
    put("outer/data/train/a.png", "picture");
    put("outer/data/train/metadata.jsonl", '{"file_name":"a.png","text":"one"}\n');
    const directory = join(top, "outer");
    assert.deepEqual((await read({ kind: "folder", directory }))[0]!.captions, ["one"]);
    put("outer/b.png", "picture");
    await assert.rejects(
      read({ kind: "folder", directory }),
      /received data\/train in .*outer; name/,
    );
    assert.equal((await read({ kind: "folder", directory, labelFromFolder: true })).length, 2);
  });
  it("with Parquet of several splits are refused, whatever tells them apart", async () => {
    for (const names of [
      ["train.parquet", "test.parquet"],
      ["my-train-1.parquet", "my-val-1.parquet"],
      ["lang=de/0.parquet", "lang=en/0.parquet"],
    ]) {
      const folder = `split-${names[0]!.slice(0, 4)}`;
      for (const name of names) put(`${folder}/${name}`, "");
      const shown = [...names].sort().map((name) => name.split("/")[0]!);
      await assert.rejects(
        openSource({ kind: "folder", directory: join(top, folder) }),
        new RegExp(`one split .* received ${shown.join(", ")} in`),
      );
    }
  });
  it("of Arrow files are refused with how to convert them", async () => {
    put("saved/state.json", "{}");
    put("saved/data-00000-of-00001.arrow", "");
    await assert.rejects(
      openSource({ kind: "folder", directory: join(top, "saved") }),
      /save_to_disk .* not supported; .*to_parquet/,
    );
  });
});
