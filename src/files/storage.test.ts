import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { StorageError } from "../errors.ts";
import { asWritingError, makeFolder, makeUniqueFolder, orStorageError } from "./storage.ts";

const root = mkdtempSync(join(tmpdir(), "limn-storage-"));
after(() => rmSync(root, { recursive: true }));

const inTheWay = join(root, "file");
writeFileSync(inTheWay, "");

function failure(code: string, syscall?: string, further: object = {}): Error {
  return Object.assign(new Error(code), { code, ...(syscall && { syscall }), ...further });
}

test("a folder where a file is in the way is a StorageError that names what was to be written", () => {
  const folder = join(inTheWay, "run");
  assert.throws(() => makeFolder(folder), {
    name: "StorageError",
    file: folder,
    message: /^Expected folders only on the path for writing .*run but received ENOTDIR; choose/,
  });
  assert.throws(() => makeFolder(inTheWay, "metrics"), { name: "StorageError", file: "metrics" });
  assert.throws(() => makeUniqueFolder(join(folder, "smoke-")), { name: "StorageError" });
});

test("folders are made with those above them, and unique ones never twice", () => {
  makeFolder(join(root, "a", "b"));
  makeFolder(join(root, "a", "b"));
  const prefix = join(root, "c", "smoke-");
  assert.notEqual(makeUniqueFolder(prefix), makeUniqueFolder(prefix));
  assert.equal(readdirSync(join(root, "c")).length, 2);
});

for (const code of ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EMFILE", "ESTALE", "EINVAL"]) {
  test(`${code} while something is written names the file`, () => {
    const body = (): void => {
      throw failure(code);
    };
    assert.throws(() => orStorageError("out", body), {
      name: "StorageError",
      file: "out",
      message: new RegExp(`for writing out but received ${code}; .* and try again \\(`),
    });
  });
}

test("what is no failure of the file system stays what it is", () => {
  const error = new RangeError("no");
  assert.throws(
    () =>
      orStorageError("out", () => {
        throw error;
      }),
    (thrown) => thrown === error,
  );
});

test("a bare failure is of writing by its call or its code, and else not", () => {
  const copied = failure("EACCES", "copyfile", { path: "from", dest: "to" });
  const full = failure("ENOSPC", "open", { path: "out" });
  for (const [error, file] of [
    [copied, "to"],
    [full, "out"],
    [failure("EIO", "fsync"), "a file"],
  ] as const) {
    const named = asWritingError(error);
    assert.ok(named instanceof StorageError);
    assert.equal(named.file, file);
  }
  for (const error of [failure("ENOENT", "open", { path: "in" }), failure("ENOSPC"), "text"]) {
    assert.equal(asWritingError(error), error);
  }
});
