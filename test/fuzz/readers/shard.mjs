/** Shards, plain and packed, as a source reads them: whatever is in them, bad samples and no error. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { openSource } from "../../../dist/src/data/sources/open-source.js";
import { readSamples } from "../../../dist/src/data/sources/read-sample.js";
import { DataError } from "../../../dist/src/errors.js";
import { tarEnd, tarEntry } from "../../../dist/src/data/sources/tar-format.js";
import { golden } from "../weights.mjs";
import { prepare as mendSums } from "./tar.mjs";

/** @type {{ cases: { gzip: string }[] }} */
const { cases } = JSON.parse(readFileSync(golden("data-tar.json"), "utf8"));
/** @type {[string, string][]} */
const members = [
  ["a.jpg", "A"],
  ["a.txt", "one"],
  ["a.json", '{"captions": ["one", null], "n": 1.0}'],
  ["._b.jpg", "mac"],
  ["b.png", "B"],
  ["b.cls", "7"],
  ["long/".repeat(40) + "c.webp", "C"],
  ["caf\u00e9.JPG", "D"],
];
const small = Buffer.concat([
  ...members.map(([name, text]) => tarEntry(name, Buffer.from(text))),
  tarEnd(),
]);
export const files = [
  small,
  ...cases
    .map(({ gzip }) => gunzipSync(Buffer.from(gzip, "base64")))
    .filter((bytes) => bytes.length <= 24_000),
];

/**
 * A third is packed whole, and a part of these is damaged again.
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  const mended = mendSums(bytes, random);
  if (random.below(3) > 0) return mended;
  const packed = gzipSync(mended, { level: 1 });
  if (random.below(3) === 0) packed[random.below(packed.length)] = random.below(256);
  return packed;
}

const folder = mkdtempSync(path.join(tmpdir(), "limn-fuzz-shard-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, "shard.tar");

/** @param {Buffer} bytes */
export async function read(bytes) {
  writeFileSync(file, bytes);
  const source = await openSource({ kind: "webdataset", shards: file });
  /** @type {string | undefined} */
  let reason;
  for await (const sample of readSamples(source)) {
    if ("problem" in sample) reason ??= sample.problem.reason;
    if (reason === "") throw new Error("no reason");
  }
  // Counted by its kind, as what other readers refuse.
  if (reason !== undefined) throw new DataError(reason, { source: file });
}
