import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { AppendFile } from "./append-file.ts";

const root = mkdtempSync(join(tmpdir(), "limn-append-"));
after(() => rmSync(root, { recursive: true }));

test("a pipe is not appended to: it would be waited for", (t) => {
  if (process.platform === "win32") return t.skip("needs mkfifo");
  const file = join(root, "metrics.jsonl");
  spawnSync("mkfifo", [file]);
  for (const flag of ["a", "ax"] as const) {
    assert.throws(() => new AppendFile(file, flag), {
      name: "StorageError",
      message: /Expected a file, not a pipe or a device, for .*metrics\.jsonl/,
    });
  }
});

test("another name of the file, as in a backup of hard links, keeps what it has", () => {
  const folder = mkdtempSync(join(root, "linked-"));
  const [file, backup] = [join(folder, "metrics.jsonl"), join(folder, "backup")];
  writeFileSync(file, "one\ntwo\n");
  linkSync(file, backup);
  const log = new AppendFile(file, "a", 4);
  log.append(Buffer.from("three\n"));
  log.close();
  assert.equal(readFileSync(file, "utf8"), "one\nthree\n");
  assert.equal(readFileSync(backup, "utf8"), "one\ntwo\n");
  assert.deepEqual(readdirSync(folder).sort(), ["backup", "metrics.jsonl"]);
});
