/** Archives of numpy, damaged as a whole or inside an archive that is whole. */
import { readFileSync } from "node:fs";
import { memorySource } from "../../../dist/src/checkpoints/weights/byte-source.js";
import { npzIn } from "../../../dist/src/checkpoints/weights/npz.js";
import { ZipArchive } from "../../../dist/src/checkpoints/weights/zip.js";
import { writeZip } from "../../../dist/test/support/zip-writer.js";
import { golden, readAll } from "../weights.mjs";

const archives = ["arrays", "compressed", "versions", "objects", "odd-types"].map((name) =>
  readFileSync(golden(`weights/${name}.npz`)),
);
/** The arrays inside. */
const arrays = archives.flatMap((bytes) => {
  const archive = new ZipArchive(memorySource("golden.npz", bytes));
  return [...archive.entries.values()].map((entry) => Buffer.from(archive.read(entry, 1 << 20)));
});

export const files = [...archives, ...arrays];

/**
 * A damaged array goes into a whole archive, with its right sum.
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  if (bytes[0] !== 0x93) return bytes;
  return writeZip([
    { name: "a.npy", data: bytes, deflate: random.below(2) === 0 },
    { name: "b.npy", data: random.pick(arrays) },
  ]);
}

/** @param {Buffer} bytes */
export function read(bytes) {
  readAll(npzIn(memorySource("fuzz.npz", bytes)));
}
