import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { StorageError } from "../errors.ts";
import {
  AtomicFile,
  existingFolder,
  isPartial,
  writeFileAtomically,
  writeFolderAtomically,
  writeTextAtomically,
} from "./atomic-write.ts";
import { thisProcess } from "./owner.ts";

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

  it("removes what dead processes left of the same file, nothing of another container", () => {
    const folder = mkdtempSync(join(root, "dead-"));
    const { pid: dead } = spawnSync(process.execPath, ["--version"]);
    const { host } = thisProcess();
    const left = [
      `.rows.partial-${host}-${process.ppid}-0`,
      `.rows.partial-another-container-${dead}-0`,
      ".rows.partial-another-container-1-0",
      `.others.partial-${host}-${dead}-0`,
    ];
    for (const name of [`.rows.partial-${host}-${dead}-0`, ...left]) {
      writeFileSync(join(folder, name), "");
    }
    writeTextAtomically(join(folder, "rows"), "x");
    assert.deepEqual(readdirSync(folder).sort(), ["rows", ...left].sort());
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

const write = (folder: string, text: string): Promise<void> =>
  writeFolderAtomically(folder, (partial) => {
    mkdirSync(join(partial, "inner"));
    writeFileSync(join(partial, "inner", "file"), text);
  });
const read = (folder: string): string => readFileSync(join(folder, "inner", "file"), "utf8");

describe("writeFolderAtomically", () => {
  it("keeps the old folder when the new one fails", async () => {
    const parent = mkdtempSync(join(root, "fail-"));
    const folder = join(parent, "model");
    await write(folder, "old");
    const fails = writeFolderAtomically(folder, (partial) => {
      writeFileSync(join(partial, "half"), "");
      return Promise.reject(failure("ENOSPC"));
    });
    await assert.rejects(fails, /free disk space for writing .*model but received ENOSPC/);
    assert.equal(read(folder), "old");
    assert.deepEqual(readdirSync(parent), ["model"]);
  });

  it("names the folder, not the temporary file in it, when the disk is full", async () => {
    const folder = join(root, "named");
    const fill = (): never => {
      throw failure("ENOSPC");
    };
    const fails = writeFolderAtomically(folder, (partial) =>
      writeFileAtomically(join(partial, "weights"), fill),
    );
    await assert.rejects(fails, { file: folder, message: /for writing .*named but/ });
  });

  it("makes the folders above and replaces what is there", async () => {
    const folder = join(root, "a", "b", "model");
    await write(folder, "one");
    writeFileSync(join(folder, "stale"), "");
    await write(folder, "two");
    assert.equal(read(folder), "two");
    assert.deepEqual(readdirSync(folder), ["inner"]);
    assert.deepEqual(readdirSync(join(root, "a", "b")), ["model"]);
  });

  it("finds and restores the old folder after a crash between the renames", async () => {
    const folder = join(root, "crashed");
    await write(folder, "old");
    renameSync(folder, `${folder}.previous`);
    assert.equal(read(existingFolder(folder)), "old");
    const fails = writeFolderAtomically(folder, () => Promise.reject(new Error("again")));
    await assert.rejects(fails, /again/);
    assert.equal(read(folder), "old");
    await write(folder, "new");
    assert.equal(read(folder), "new");
    assert.equal(existsSync(`${folder}.previous`), false);
  });

  it("removes what dead processes left, not what living ones write", async () => {
    const parent = mkdtempSync(join(root, "left-"));
    const { pid: dead } = spawnSync(process.execPath, ["--version"]);
    const { host } = thisProcess();
    const left = [
      `model.partial-${host}-${process.ppid}-0`,
      `model.partial-another-container-${dead}-0`,
      "model.partial-another-container-1-0",
      "model.partial-notes",
    ];
    for (const name of [`model.partial-${host}-${dead}-0`, ...left]) mkdirSync(join(parent, name));
    await write(join(parent, "model"), "x");
    assert.deepEqual(readdirSync(parent).sort(), ["model", ...left].sort());
  });

  it("names the folder when a file stands in its way", async () => {
    writeFileSync(join(root, "plain"), "");
    await assert.rejects(write(join(root, "plain", "model"), "x"), StorageError);
  });
});
