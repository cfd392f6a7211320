/** Parquet of pictures and of paths: footers, headers of pages, runs, deltas and packed pages. */
import { readdirSync, readFileSync } from "node:fs";
import { readSource } from "../tables.mjs";
import { golden } from "../weights.mjs";

export const files = readdirSync(golden("parquet"))
  .filter((name) => name.endsWith(".parquet"))
  .map((name) => readFileSync(golden(`parquet/${name}`)));

/**
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  return prepareParquet(bytes, random, files);
}

/**
 * Most of the time the footer is made whole again, so that the pages are looked at.
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 * @param {readonly Buffer[]} whole
 */
export function prepareParquet(bytes, random, whole) {
  if (random.below(4) === 0) return bytes;
  const alike = whole.find(
    (file) => file.length === bytes.length && file.subarray(0, 64).equals(bytes.subarray(0, 64)),
  );
  if (alike === undefined) return bytes;
  const footer = alike.length - 8 - alike.readUInt32LE(alike.length - 8);
  return Buffer.concat([bytes.subarray(0, footer), alike.subarray(footer)]);
}

/** @param {Buffer} bytes */
export async function read(bytes) {
  await readSource(bytes, "fuzz.parquet", (file) => ({ kind: "parquet", files: [file] }));
}
