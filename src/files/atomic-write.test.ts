import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { StorageError } from "../errors.ts";
import { AtomicFile, writeFileAtomically, writeTextAtomically } from "./atomic-write.ts";
import { isPartial, thisProcess } from "./owner.ts";

const root = mkdtempSync(join(tmpdir(), "limn-atomic-"));
after(() => rmSync(root, { recursive: true }));

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe("writeFileAtomically", () => {
  it("keeps the old file and leaves nothing behind when the disk is full", () => {
    const folder = mkdtempSync(join(root, "full-"));
    const file = join(folder, "weights");
    writeTextAtomically(file, "old");
    const fill = (write: (bytes: Uint8Array) => void): void => {
      write(Buffer.from("half of the new"));
      throw failure("ENOSPC");
    };
    assert.throws(
      () => writeFileAtomically(file, fill),
      (error) =>
        error instanceof StorageError &&
        error.file === file &&
        /free disk space for writing .*weights but received ENOSPC; free some/.test(error.message),
    );
    assert.equal(readFileSync(file, "utf8"), "old");
    assert.deepEqual(readdirSync(folder), ["weights"]);
  });

  it("lets other errors through as they are", () => {
    const error = new TypeError("mine");
    const fill = (): never => {
      throw error;
    };
    assert.throws(() => writeFileAtomically(join(root, "x"), fill), error);
  });

  it("replaces a file", () => {
    const file = join(root, "note");
    writeTextAtomically(file, "one");
    writeTextAtomically(file, "two");
    assert.equal(readFileSync(file, "utf8"), "two");
  });
});

describe("AtomicFile", () => {
  it("appends and writes in place, and appears when it is finished", () => {
    const folder = mkdtempSync(join(root, "parts-"));
    const file = new AtomicFile(join(folder, "rows"));
    file.write(Buffer.from("00 rows: "), 0);
    file.write(Buffer.from("a, "), 9);
    file.write(Buffer.from("b"), 12);
    file.write(Buffer.from("02"), 0);
    file.seal();
    assert.deepEqual(readdirSync(folder).map(isPartial), [true]);
    file.finish();
    file.discard();
    assert.deepEqual(readdirSync(folder), ["rows"]);
    assert.equal(readFileSync(file.file, "utf8"), "02 rows: a, b");
  });

  it("is written by several at once, the last one wins, and one that is given up leaves nothing", () => {
    const folder = mkdtempSync(join(root, "several-"));
    const [one, two, three] = ["1", "2", "3"].map((text) => {
      const file = new AtomicFile(join(folder, "rows"));
      file.write(Buffer.from(text));
      return file;
    }) as [AtomicFile, AtomicFile, AtomicFile];
    two.finish();
    one.finish();
    three.discard();
    assert.deepEqual(readdirSync(folder), ["rows"]);
    assert.equal(readFileSync(one.file, "utf8"), "1");
  });

  it("removes what dead processes left of any file, nothing of another container", () => {
    const folder = mkdtempSync(join(root, "dead-"));
    const { pid: dead } = spawnSync(process.execPath, ["--version"]);
    const { host } = thisProcess();
    const left = [
      `.rows.partial-${host}-${process.ppid}-0`,
      `.rows.partial-another-container-${dead}-0`,
      ".rows.partial-another-container-1-0",
      `.others.partial-${host}-${dead}`,
    ];
    const gone = [".rows", ".others", "shard-000007.tar"];
    for (const name of [...gone.map((one) => `${one}.partial-${host}-${dead}-0`), ...left]) {
      writeFileSync(join(folder, name), "");
    }
    writeTextAtomically(join(folder, "rows"), "x");
    assert.deepEqual(readdirSync(folder).sort(), ["rows", ...left].sort());
  });

  it("looks for such with the first file of a folder, the second, the fourth and so on", () => {
    const folder = mkdtempSync(join(root, "many-"));
    const { pid: dead } = spawnSync(process.execPath, ["--version"]);
    const left = join(folder, `.rows.partial-${thisProcess().host}-${dead}-0`);
    const looked = Array.from({ length: 9 }, (_, i) => {
      writeFileSync(left, "");
      writeTextAtomically(join(folder, `file-${i}`), "x");
      return !readdirSync(folder).some(isPartial);
    });
    assert.deepEqual(looked, [true, true, false, true, false, false, false, true, false]);
  });

  it("writes the file that a link leads to, and the link stays", () => {
    const folder = mkdtempSync(join(root, "link-"));
    mkdirSync(join(folder, "far"));
    symlinkSync(join("far", "rows"), join(folder, "rows"));
    for (const text of ["one", "two"]) {
      writeTextAtomically(join(folder, "rows"), text);
      assert.equal(readFileSync(join(folder, "far", "rows"), "utf8"), text);
      assert.ok(lstatSync(join(folder, "rows")).isSymbolicLink());
    }
    assert.deepEqual(readdirSync(join(folder, "far")), ["rows"]);
  });

  it("keeps the permissions of the file that it replaces", () => {
    const file = join(root, "secret");
    writeFileSync(file, "", { mode: 0o600 });
    writeTextAtomically(file, "x");
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it("refuses a folder, a pipe and a device, which stay", () => {
    const folder = mkdtempSync(join(root, "odd-"));
    mkdirSync(join(folder, "inner"));
    spawnSync("mkfifo", [join(folder, "pipe")]);
    symlinkSync("/dev/null", join(folder, "null"));
    const names = readdirSync(folder);
    for (const [name, found] of [
      ["inner", "a folder"],
      ["inner/", "a folder"],
      ["pipe", "a device, pipe or socket"],
      ["null", "a device, pipe or socket"],
    ] as const) {
      if (!names.includes(name.replace("/", ""))) continue;
      const file = `${folder}/${name}`;
      assert.throws(() => writeTextAtomically(file, "x"), {
        name: "StorageError",
        file,
        message:
          `Expected a plain file, or nothing yet, at ${file} for writing but received ${found}; ` +
          "choose another name (it is untouched)",
      });
    }
    assert.deepEqual(readdirSync(folder), names);
  });

  it("names the file where there is no folder", () => {
    const file = join(root, "nowhere", "rows");
    assert.throws(() => new AtomicFile(file), {
      name: "StorageError",
      file,
      message:
        /^Expected an existing folder for writing .*rows but received ENOENT; choose another/,
    });
  });
});
