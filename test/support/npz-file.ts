/** Writes archives of numpy for tests, and changes the goldens' ones. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { memorySource } from "../../src/checkpoints/weights/byte-source.ts";
import { ZipArchive } from "../../src/checkpoints/weights/zip.ts";
import { goldenFile } from "./golden-models.ts";
import { writeZip } from "./zip-writer.ts";

/** The bytes of arrays by their names. */
export type NpzEntries = Map<string, Uint8Array>;

/** An array of zeros of a shape, or of a numpy type without elements that mean anything. */
export function npyZeros(shape: readonly number[], descr = "<f4"): Buffer {
  const sides = shape.map((side) => `${side},`).join("");
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sides}), }\n`;
  const start = Buffer.from("\x93NUMPY\x01\x00\x00\x00", "latin1");
  start.writeUInt16LE(text.length, 8);
  const count = shape.reduce((product, side) => product * side, 1);
  return Buffer.concat([start, Buffer.from(text), Buffer.alloc(4 * count)]);
}

export function writeNpz(file: string, entries: NpzEntries): string {
  mkdirSync(dirname(file), { recursive: true });
  const parts = [...entries].map(([name, data]) => ({ name: `${name}.npy`, data }));
  writeFileSync(file, writeZip(parts));
  return file;
}

/** The arrays of test/goldens/models/<model>-npz. */
export function goldenEntries(model: string): NpzEntries {
  const file = goldenNpz(model);
  const archive = new ZipArchive(memorySource(file, readFileSync(file)));
  return new Map(
    [...archive.entries.values()].map((entry) => [
      entry.name.slice(0, -".npy".length),
      archive.read(entry, entry.size),
    ]),
  );
}

export function goldenNpz(model: string): string {
  return goldenFile(`${model}-npz`, `${model}.npz`);
}
