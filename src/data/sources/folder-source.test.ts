import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { openSource } from "./open-source.ts";
import { linesOf, workspace } from "./samples.test.helper.ts";

const { top, write } = workspace("folder");
const lines = (name: string, more: object = {}): Promise<string[]> =>
  linesOf({ kind: "folder", directory: join(top, name), ...more });

it("every file with the ending of a picture is a sample, whatever limn can decode; others are counted", async () => {
  const pictures = ["a.heic", "b.JFIF", "c.jpe", "d.bmp", "e.jpg", "f.tiff", "g.svg"];
  for (const name of [
    ...pictures,
    "a.txt",
    "a.TXT",
    "e.TXT",
    "notes.md",
    "clip.mp4",
    "b.mp4",
    "left.txt",
  ]) {
    write(`kinds/${name}`, name);
  }
  assert.deepEqual(await lines("kinds"), [
    "a: a.txt",
    "b: ",
    "c: ",
    "d: ",
    "e: e.TXT",
    "f: ",
    "g: ",
  ]);
  const { passedOver } = await openSource({ kind: "folder", directory: join(top, "kinds") });
  assert.deepEqual(passedOver, { mp4: 2, txt: 1, md: 1 });
});

it("a folder of other files says what it holds", async () => {
  for (const name of ["a/x.tar", "b/x.tar", "notes"]) write(`none/${name}`);
  await assert.rejects(lines("none"), {
    code: "LIMN_DATA",
    message:
      /^Expected pictures in .*none but received other files only \(2 \.tar, 1 without an ending\); check/,
  });
  mkdirSync(join(top, "empty"));
  assert.deepEqual(await lines("empty"), []);
});

it("what systems add beside pictures belongs to no sample", async () => {
  const added = [
    "._a.jpg",
    ".DS_Store",
    "__MACOSX/a.jpg",
    "sub/__MACOSX/._a.jpg",
    "Thumbs.db",
    "desktop.ini",
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    "lost+found/a.jpg",
    "$RECYCLE.BIN/a.jpg",
    "sub/.ipynb_checkpoints/a-checkpoint.jpg",
  ];
  for (const name of ["a.jpg", "a.txt", "sub/b.jpg", ".git/c.jpg", ...added])
    write(`mac/${name}`, name);
  assert.deepEqual(await lines("mac"), ["a: a.txt", "sub/b: "]);
  const { passedOver } = await openSource({ kind: "folder", directory: join(top, "mac") });
  assert.deepEqual(passedOver, {});
});

it("links to folders are followed, but not back to where they lie; broken ones are reported", async () => {
  write("links/set/a.jpg");
  write("links/elsewhere/z.jpg");
  write("links/elsewhere/deep/y.jpg");
  const link = (target: string, name: string): void =>
    symlinkSync(target, join(top, "links", name));
  link("../elsewhere", "set/cats");
  link("..", "set/loop");
  link(".", "set/self");
  link("../../set", "elsewhere/deep/back");
  link("a.jpg", "set/b.jpg");
  link("gone.jpg", "set/c.jpg");
  link("gone", "set/dogs");
  link("gone.txt", "set/a.txt");
  assert.deepEqual(await lines("links/set"), [
    "a!its caption cannot be read: the file does not exist",
    "b: ",
    "c.jpg!it is a link to something that is not there",
    "cats/deep/y: ",
    "cats/z: ",
    "dogs!it is a link to something that is not there",
  ]);
});

it("names that are not UTF-8 are read, and two stay two", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux has names of any bytes");
  const folder = Buffer.from(join(top, "latin1"));
  mkdirSync(folder);
  for (const byte of [0xe8, 0xe9]) {
    const name = (ending: string): Buffer =>
      Buffer.concat([folder, Buffer.from("/caf"), Buffer.of(byte), Buffer.from(ending)]);
    writeFileSync(name(".jpg"), "x");
    writeFileSync(name(".txt"), `caption of ${byte}`);
    mkdirSync(name(""));
    writeFileSync(Buffer.concat([name(""), Buffer.from("/in.jpg")]), "x");
  }
  assert.deepEqual(await lines("latin1", { labelFromFolder: true }), [
    "caf%E8/in:  (caf%E8)",
    "caf%E8: caption of 232 (latin1)",
    "caf%E9/in:  (caf%E9)",
    "caf%E9: caption of 233 (latin1)",
  ]);
});

it("img2dataset's folders have their captions and records, and its tables are passed over", async () => {
  const record = '{"caption": "from json", "hash": 6391326009969271747, "similarity": NaN}';
  write("img2dataset/00000/000000000.jpg");
  write("img2dataset/00000/000000000.txt", "from txt");
  write("img2dataset/00000/000000000.json", record);
  write("img2dataset/00000/000000001.jpg");
  write("img2dataset/00000/000000001.json", record);
  write("img2dataset/00000.parquet");
  write("img2dataset/00000_stats.json", "{}");
  assert.deepEqual(await lines("img2dataset"), [
    "00000/000000000: from txt",
    "00000/000000001: from json",
  ]);
  const { passedOver } = await openSource({ kind: "folder", directory: join(top, "img2dataset") });
  assert.deepEqual(passedOver, { parquet: 1, json: 1 });
});

it("other JSON beside pictures costs no sample", async () => {
  for (const [name, json] of Object.entries({ a: "[1]", b: "{", c: '{"captions": {"x": 1}}' })) {
    write(`other/${name}.jpg`);
    write(`other/${name}.json`, json);
  }
  assert.deepEqual(await lines("other"), ["a: ", "b: ", "c: "]);
});

it("a pipe is a bad sample and is not waited for", async (t) => {
  if (process.platform === "win32") return t.skip("needs mkfifo");
  mkdirSync(join(top, "pipes"));
  execFileSync("mkfifo", [join(top, "pipes/a.jpg"), join(top, "pipes/b.txt")]);
  write("pipes/b.jpg");
  assert.deepEqual(await lines("pipes"), [
    "a!it is a pipe, not a file",
    "b!its caption cannot be read: it is a pipe, not a file",
  ]);
});
