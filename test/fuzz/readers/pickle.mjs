/** Files of torch.save: damaged pickles in whole archives with the storages that they name. */
import { readdirSync, readFileSync } from "node:fs";
import { memorySource } from "../../../dist/src/checkpoints/weights/byte-source.js";
import { ZipArchive } from "../../../dist/src/checkpoints/weights/zip.js";
import { writeZip } from "../../../dist/test/support/zip-writer.js";
import { golden } from "../weights.mjs";
import { readTorch } from "../torch.mjs";

const archives = readdirSync(golden("weights"))
  .filter((name) => /\.(pt|bin)$/.test(name) && name !== "legacy.pt")
  .map((name) => {
    const archive = new ZipArchive(memorySource(name, readFileSync(golden(`weights/${name}`))));
    return [...archive.entries.values()].map((entry) => ({
      name: `x${entry.name.slice(entry.name.indexOf("/"))}`,
      data: Buffer.from(archive.read(entry, 1 << 20)),
    }));
  });

export const files = archives.map((parts) => {
  const pickle = parts.find(({ name }) => name === "x/data.pkl");
  if (pickle === undefined) throw new Error("internal: a golden has no pickle");
  return pickle.data;
});

/**
 * The storages are those of the pickle that begins most alike.
 * @param {Buffer} bytes
 */
export function prepare(bytes) {
  const alike = files.map((file) => commonLength(file, bytes));
  const parts = archives[alike.indexOf(Math.max(...alike))] ?? [];
  const others = parts.filter(({ name }) => !/data\.pkl$|debug_pkl$/.test(name));
  return writeZip([{ name: "x/data.pkl", data: bytes }, ...others]);
}

/** @param {Buffer} a @param {Buffer} b */
function commonLength(a, b) {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** @param {Buffer} bytes */
export function read(bytes) {
  readTorch(bytes);
}
