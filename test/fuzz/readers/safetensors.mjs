/** Whole safetensors files: the header's checks, then every tensor that is still there. */
import { readFileSync } from "node:fs";
import { memorySource } from "../../../dist/src/checkpoints/weights/byte-source.js";
import { safetensorsIn } from "../../../dist/src/checkpoints/weights/safetensors.js";
import { golden, readAll } from "../weights.mjs";

export const files = [
  "dtypes.safetensors",
  ...[1, 2, 3].map((i) => `weights/sharded/model-0000${i}-of-00003.safetensors`),
].map((name) => readFileSync(golden(name)));

/**
 * Most of the time the header's length is made right again, so that what it says is looked at.
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  let end = bytes.lastIndexOf("]}}") + 3;
  if (end < 11 || random.below(4) === 0) return bytes;
  while (bytes[end] === 0x20) end++;
  const made = Buffer.from(bytes);
  made.writeBigUInt64LE(BigInt(end - 8));
  return made;
}

/** @param {Buffer} bytes */
export function read(bytes) {
  readAll(safetensorsIn(memorySource("fuzz.safetensors", bytes)));
}
