import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { noteColumns, parseSource, withFlags } from "./source-argument.ts";

test("what is no source is refused with what would be", () => {
  assert.throws(
    () => parseSource("photo.jpg", {}),
    /Expected a folder, a \.csv, \.tsv, \.txt or \.jsonl table, \.parquet files/,
  );
  assert.throws(() => parseSource('{"kind":"tabel"}', {}), /Did you mean "table"/);
  assert.throws(() => parseSource('{"kind"', {}), /Expected a source in JSON/);
});

test("a flag that the kind does not know is refused", () => {
  assert.throws(
    () => parseSource("a.tar", { "image-column": "file" }),
    /--image-column means nothing for a\.tar, a source of kind webdataset/,
  );
});

test("every kind of source may allow SVG files", () => {
  const svg = { size: 64 };
  assert.deepEqual(parseSource("a.tar", { svg: 64 }), { kind: "webdataset", shards: "a.tar", svg });
  assert.deepEqual(parseSource("a.csv", { svg: 64 }), { kind: "table", file: "a.csv", svg });
  const files = "a.parquet";
  assert.deepEqual(parseSource(files, { svg: 64 }), { kind: "parquet", files, svg });
  const directory = tmpdir();
  assert.deepEqual(parseSource(directory, { svg: 64, "label-from-folder": true }), {
    ...{ kind: "folder", directory, labelFromFolder: true, svg },
  });
});

test("endings tell tables from shards, and contents tell folders apart", () => {
  assert.deepEqual(parseSource("a.csv", { "caption-column": "text" }), {
    kind: "table",
    file: "a.csv",
    caption: "text",
  });
  assert.deepEqual(parseSource("captions.txt", { delimiter: "tab" }), {
    kind: "table",
    file: "captions.txt",
    delimiter: "tab",
  });
  const files = "train-{00000..00001}-of-00002.parquet";
  assert.deepEqual(parseSource(files, {}), { kind: "parquet", files });
  const shards = "x-{000..009}.tar.gz";
  assert.deepEqual(parseSource(shards, {}), { kind: "webdataset", shards });
  const folder = mkdtempSync(path.join(tmpdir(), "limn-source-"));
  try {
    assert.deepEqual(parseSource(folder, { "label-from-folder": true }), {
      kind: "folder",
      directory: folder,
      labelFromFolder: true,
    });
    writeFileSync(path.join(folder, "metadata.csv"), "file_name,text\n");
    const file = path.join(folder, "metadata.csv");
    assert.deepEqual(parseSource(folder, { "caption-column": "text" }), {
      ...{ kind: "table", file, image: "file_name", caption: "text" },
    });
    writeFileSync(path.join(folder, "a.tar"), "");
    const expected = { kind: "webdataset", shards: [path.join(folder, "a.tar")] };
    assert.deepEqual(parseSource(folder, {}), expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("messages about sources name the flags", () => {
  assert.equal(
    withFlags("name the column in source.image or source.caption; see source.shards"),
    "name the column in --image-column or --caption-column; see source.shards",
  );
});

test("columns that were found by other names than the default ones are said", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "limn-columns-"));
  try {
    const file = path.join(folder, "t.csv");
    writeFileSync(file, "filepath,title,label\na.jpg,a,1\n");
    const notes: string[] = [];
    const note = (text: string): number => notes.push(text);
    noteColumns({ kind: "table", file }, note);
    noteColumns({ kind: "table", file, image: "filepath", caption: "title" }, note);
    assert.deepEqual(notes, ['columns: image "filepath", caption "title", label "label"']);
    writeFileSync(file, "image,caption\na.jpg,a\n");
    noteColumns({ kind: "table", file }, note);
    noteColumns({ kind: "webdataset", shards: "x.tar" }, note);
    assert.equal(notes.length, 1);
    writeFileSync(file, "image,caption,url\na.jpg,a,u\n");
    noteColumns({ kind: "table", file }, note);
    noteColumns({ kind: "table", file }, note, { records: true });
    assert.deepEqual(notes.slice(1), ["columns that are not read: url"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("archives that limn does not read are shards that say so, and addresses are refused", () => {
  for (const shards of ["a.tgz", "a-{0..9}.tar.zst", "photos.zip"]) {
    assert.deepEqual(parseSource(shards, {}), { kind: "webdataset", shards });
  }
  assert.throws(() => parseSource("https://e.org/a.tar", {}), {
    name: "UsageError",
    message: /^Expected the path of data for <source> but received the web address https:/,
  });
  const folder = mkdtempSync(path.join(tmpdir(), "limn-source-"));
  const write = (name: string): void => writeFileSync(path.join(folder, name), "");
  try {
    for (const name of ["b.tar.zst", "a.tar.zst", "._a.tar", "sizes.json"]) write(name);
    const shards = ["a.tar.zst", "b.tar.zst"].map((name) => path.join(folder, name));
    assert.deepEqual(parseSource(folder, {}), { kind: "webdataset", shards });
    write("cat.jpg");
    assert.deepEqual(parseSource(folder, {}), { kind: "folder", directory: folder });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
