/** What of other people's lies at, in or above a target, and stays whatever limn writes there. */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { StorageError } from "../errors.ts";
import { asOnlyWriterOf, writeFolderAtomically } from "./atomic-folder.ts";
import { writeTextAtomically } from "./atomic-write.ts";
import { recordName, writeRecordedFiles } from "./folder-record.ts";
import { makeFolders, removeEmpty } from "./storage.ts";

const root = mkdtempSync(join(realpathSync(tmpdir()), "limn-kept-"));
after(() => rmSync(root, { recursive: true }));

const write = (folder: string, text = "limn's"): Promise<void> =>
  writeFolderAtomically(folder, (partial) => {
    mkdirSync(join(partial, "inner"));
    writeFileSync(join(partial, "inner", "file"), text);
  });
const read = (folder: string): string => readFileSync(join(folder, "inner", "file"), "utf8");
const refused = (pattern: RegExp): { name: string; message: RegExp } => ({
  name: "StorageError",
  message: pattern,
});
/** Of limn's own, in a folder of its own, which is given too. */
async function written(name: string): Promise<{ parent: string; folder: string }> {
  const parent = mkdtempSync(join(root, `${name}-`));
  const folder = join(parent, "model");
  await write(folder);
  return { parent, folder };
}

describe("a folder for writing", () => {
  it("keeps a lost+found that no file system of its own begins with", async () => {
    const folder = join(root, "moved");
    mkdirSync(join(folder, "lost+found"), { recursive: true });
    await assert.rejects(write(folder), refused(/one with lost\+found, which limn did not write/));
    writeFileSync(join(folder, "lost+found", "#123"), "found again");
    await assert.rejects(write(folder), refused(/one with lost\+found/));
    assert.deepEqual(readdirSync(join(folder, "lost+found")), ["#123"]);
  });

  it("keeps its permissions when it is replaced", async () => {
    const folder = join(root, "private");
    mkdirSync(folder, { mode: 0o700 });
    await write(folder);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    chmodSync(folder, 0o2750);
    await write(folder, "again");
    assert.equal(read(folder), "again");
    assert.equal(statSync(folder).mode & 0o7777, 0o2750);
  });

  it("is refused where somebody protected it, or what is in it", async () => {
    const { parent, folder } = await written("protected");
    for (const path of [folder, join(folder, "inner"), join(folder, "inner", "file")]) {
      const { mode } = statSync(path);
      chmodSync(path, mode & ~0o222);
      await assert.rejects(write(folder, "other"), refused(/write permission for writing .*model/));
      chmodSync(path, mode);
      assert.equal(read(folder), "limn's");
      assert.deepEqual(readdirSync(parent), ["model"]);
    }
    await write(folder, "other");
    assert.equal(read(folder), "other");
  });

  it("is refused for a change of one byte anywhere in a file of a megabyte", async () => {
    const folder = join(root, "weights");
    const size = 1 << 20;
    const fill = (partial: string): void => {
      writeFileSync(join(partial, "weights"), Buffer.alloc(size));
    };
    await writeFolderAtomically(folder, fill);
    for (const at of [0, 100_000, 700_001, size - 1]) {
      const descriptor = openSync(join(folder, "weights"), "r+");
      writeSync(descriptor, Buffer.of(1), 0, 1, at);
      await assert.rejects(writeFolderAtomically(folder, fill), refused(/one with weights, which/));
      writeSync(descriptor, Buffer.of(0), 0, 1, at);
    }
    await writeFolderAtomically(folder, fill);
  });

  it("is refused while somebody else writes into it, or below it", async () => {
    const { folder: inner } = await written("outer");
    const outer = dirname(inner);
    rmSync(inner, { recursive: true });
    for (const target of [outer, inner, join(inner, "deeper", "still")]) {
      await asOnlyWriterOf(target, async () => {
        await assert.rejects(write(outer), refused(/nobody else to write .* a lock of process/));
      });
    }
    const below = writeFolderAtomically(inner, async (partial) => {
      await assert.rejects(write(outer), refused(/nobody else to write/));
      writeFileSync(join(partial, "weights"), "");
    });
    await below;
    assert.deepEqual(readdirSync(inner).sort(), [recordName, "weights"]);
  });

  it("keeps the only whole one when a crash hid it and somebody made an empty one", async () => {
    const { parent, folder } = await written("hidden");
    renameSync(folder, join(parent, `.${basename(folder)}.limn-previous`));
    mkdirSync(folder);
    const fails = writeFolderAtomically(folder, () => Promise.reject(new Error("no")));
    await assert.rejects(fails, /no/);
    assert.equal(read(folder), "limn's");
    assert.deepEqual(readdirSync(parent), ["model"]);
  });

  it("leaves none of the folders above it that it made, when it fails", async () => {
    const first = join(root, "above");
    const fails = writeFolderAtomically(join(first, "b", "c"), () =>
      Promise.reject(new Error("no")),
    );
    await assert.rejects(fails, /no/);
    await assert.rejects(
      asOnlyWriterOf(join(first, "b"), () => Promise.reject(new Error("no"))),
      /no/,
    );
    assert.equal(existsSync(first), false);
    mkdirSync(first);
    await assert.rejects(write(join(first, "b", "n".repeat(300))), refused(/a shorter name/));
    assert.deepEqual(readdirSync(first), []);
  });

  it("is called what it is where it is no folder", async () => {
    if (!existsSync("/dev/null")) return;
    await assert.rejects(write("/dev/null"), refused(/but received a device, pipe or socket;/));
  });
});

describe("a file for writing", () => {
  it("keeps its permissions, and is refused where somebody protected it", () => {
    const file = join(root, "page.html");
    writeFileSync(file, "old", { mode: 0o640 });
    writeTextAtomically(file, "new");
    assert.equal(statSync(file).mode & 0o777, 0o640);
    chmodSync(file, 0o444);
    assert.throws(
      () => writeTextAtomically(file, "third"),
      refused(/write permission for writing/),
    );
    assert.equal(readFileSync(file, "utf8"), "new");
    assert.deepEqual(
      readdirSync(root).filter((name) => name.includes("page")),
      ["page.html"],
    );
  });

  it("has its other name keep the old content", () => {
    const file = join(root, "linked.txt");
    writeFileSync(file, "old");
    linkSync(file, join(root, "other-name.txt"));
    writeTextAtomically(file, "new");
    assert.equal(readFileSync(join(root, "other-name.txt"), "utf8"), "old");
  });
});

describe("folders above", () => {
  it("are made, and given back as far as they are empty", () => {
    const folder = join(root, "x", "y", "z");
    assert.deepEqual(makeFolders(folder), [join(root, "x"), join(root, "x", "y"), folder]);
    assert.deepEqual(makeFolders(folder), []);
    writeFileSync(join(root, "x", "mine"), "");
    removeEmpty([join(root, "x"), join(root, "x", "y"), folder]);
    assert.deepEqual(readdirSync(join(root, "x")), ["mine"]);
  });

  it("are not looked for for ever where none can be made", () => {
    if (!existsSync("/proc/self")) return;
    assert.throws(() => makeFolders("/proc/limn/run"), { code: "ENOENT" });
  });
});

it("files are written where a link leads, and its circle is refused", () => {
  const link = join(root, "link");
  symlinkSync(join(root, "led", "to"), link);
  writeRecordedFiles(link, new Map([["a.txt", Buffer.from("a")]]));
  assert.equal(readFileSync(join(root, "led", "to", "a.txt"), "utf8"), "a");
  symlinkSync("circle", join(root, "circle"));
  assert.throws(
    () => writeRecordedFiles(join(root, "circle"), new Map([["a", Buffer.from("a")]])),
    StorageError,
  );
});
