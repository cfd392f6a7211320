/** Embeddings read back: matrices of NumPy and metadata in Parquet, as clip-retrieval writes them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openEmbeddings } from "../../../dist/src/embed/embedding-folder.js";
import { golden } from "../weights.mjs";
import { prepareParquet } from "./parquet.mjs";

const matrix = readFileSync(golden("clip-retrieval/both/img_emb/img_emb_00.npy"));
const other = readFileSync(golden("clip-retrieval/images/img_emb/img_emb_0.npy"));
const table = readFileSync(golden("clip-retrieval/both/metadata/metadata_00.parquet"));
export const files = [matrix, other, table];

/**
 * @param {Buffer} bytes
 * @param {import("../random.mjs").Random} random
 */
export function prepare(bytes, random) {
  return prepareParquet(bytes, random, [table]);
}

const folder = mkdtempSync(path.join(tmpdir(), "limn-fuzz-embeddings-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const name of ["img_emb", "metadata"]) mkdirSync(path.join(folder, name));

/** @param {Buffer} bytes */
export async function read(bytes) {
  const parquet = bytes.toString("latin1", 0, 4) === "PAR1";
  writeFileSync(path.join(folder, "img_emb", "img_emb_0.npy"), parquet ? matrix : bytes);
  writeFileSync(path.join(folder, "metadata", "metadata_0.parquet"), parquet ? bytes : table);
  const opened = openEmbeddings(folder);
  opened.read({ mostBytes: 1 << 20 });
  for await (const _ of opened.chunks({ rows: 2 }));
}
