import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
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
