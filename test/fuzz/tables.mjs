/** Reads damaged tables through sources: every sample, in order and by its number. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openSource } from "../../dist/src/data/sources/open-source.js";

const folder = mkdtempSync(path.join(tmpdir(), "limn-fuzz-table-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/**
 * Reads a file as a source; bad rows are no errors.
 * @param {Buffer} bytes
 * @param {string} name
 * @param {(file: string) => import("../../dist/src/data/sources/source-spec.js").SourceSpec} describe
 */
export async function readSource(bytes, name, describe) {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  const source = await openSource(describe(file));
  for (const part of source.parts) {
    let count = 0;
    for await (const entry of part.read()) {
      assert.ok(entry.ref !== undefined || entry.problem.reason !== "");
      assert.ok(++count <= bytes.length * 2000, "more samples than a file can have");
    }
    if (part.list === undefined) continue;
    assert.equal(count, part.list.length);
    const last = count - 1;
    if (count > 0) assert.deepEqual(part.list.at(last), part.list.at(last));
  }
}
