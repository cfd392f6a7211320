import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  checkRegularFile,
  hasRegular,
  openRegular,
  readExactly,
  readingReason,
  readJsonFile,
  readRegular,
  readTextFile,
} from "./regular-file.ts";

const folder = mkdtempSync(join(tmpdir(), "limn-regular-"));
after(() => rmSync(folder, { recursive: true }));
const reasonFor = (path: string): string => {
  try {
    closeSync(openRegular(path));
  } catch (error) {
    return readingReason(error);
  }
  return "none";
};

test("what is no file is refused and not waited for", async (t) => {
  assert.equal(reasonFor(join(folder, "none")), "the file does not exist");
  assert.equal(reasonFor(folder), "it is a folder, not a file");
  symlinkSync("gone", join(folder, "broken"));
  assert.equal(reasonFor(join(folder, "broken")), "the file does not exist");
  if (process.platform === "win32") return t.skip("Windows has no pipes and devices in folders");
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  assert.equal(reasonFor(pipe), "it is a pipe, not a file");
  assert.throws(() => checkRegularFile(pipe), /it is a pipe, not a file/);
  checkRegularFile(join(folder, "none"));
  symlinkSync("pipe", join(folder, "link"));
  assert.equal(reasonFor(join(folder, "link")), "it is a pipe, not a file");
  assert.equal(reasonFor("/dev/zero"), "it is a device, not a file");
  const server = createServer().listen(join(folder, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  assert.equal(reasonFor(join(folder, "socket")), "it is a socket, not a file");
  server.close();
});

test("a file that is larger than allowed, or ends too soon, is refused", () => {
  const file = join(folder, "ten");
  writeFileSync(file, "0123456789");
  assert.throws(() => readRegular(file, 9), /its 10 bytes are more than the 9 allowed here/);
  assert.deepEqual(readRegular(file, 10), readFileSync(file));
  const descriptor = openRegular(file);
  assert.equal(String(readExactly(descriptor, 2, 3)), "234");
  assert.throws(() => readExactly(descriptor, 8, 3), /the file became shorter/);
  closeSync(descriptor);
});

test("settings are read with a mark, in UTF-16, and with Python's numbers", () => {
  const file = join(folder, "settings.json");
  const expected = { eps: null, limit: 1e30, é: 1 };
  const text = '\uFEFF{"eps": NaN, "limit": 1000000000000000019884624838656, "é": 1}';
  writeFileSync(file, text);
  assert.deepEqual(readJsonFile(file), expected);
  writeFileSync(file, text, "utf16le");
  assert.deepEqual(readJsonFile(file), expected);
  writeFileSync(file, text, "latin1");
  assert.throws(() => readTextFile(file), /bytes that are not UTF-8 \(byte 0\)/);
  mkdirSync(join(folder, "x.json"));
  assert.throws(() => readJsonFile(join(folder, "x.json")), /it is a folder, not a file/);
});

test("what lies in place of settings that were fetched is named", () => {
  const file = join(folder, "config.json");
  const cases: [string, RegExp][] = [
    ["version https://git-lfs.github.com/spec/v1\noid sha256:0\n", /Git LFS pointer/],
    ["<!DOCTYPE html><html>", /web page, as a failed download leaves one/],
    ["\n", /the file is empty/],
  ];
  for (const [text, message] of cases) {
    writeFileSync(file, text);
    assert.throws(() => readJsonFile(file), message);
  }
});

test("a file that may be absent is there, absent, or lost", () => {
  const [file, lost, circle] = ["present", "lost", "circle"].map((name) => join(folder, name));
  writeFileSync(file!, "");
  symlinkSync("was-removed", lost!);
  symlinkSync("circle", circle!);
  assert.equal(hasRegular(file!), true);
  assert.equal(hasRegular(join(folder, "absent")), false);
  assert.throws(() => hasRegular(folder), /it is a folder/);
  assert.throws(() => hasRegular(lost!), /it is a link that leads nowhere/);
  assert.equal(reasonFor(circle!), "links on its path lead in a circle");
  assert.equal(reasonFor(join(file!, "x")), "a file stands where its path has a folder");
});
