/**
 * Where the files of embeddings are, in clip-retrieval's layout: `img_emb/img_emb_0.npy`,
 * `text_emb/text_emb_0.npy` and `metadata/metadata_0.parquet` (clip_inference/writer.py of
 * clip-retrieval 2.45). Readers take the files of a folder in the order of their names, so all
 * numbers have the digits of the largest.
 */
import { existsSync, renameSync } from "node:fs";
import path from "node:path";

import { DataError } from "../errors.ts";
import { orStorageError } from "../files/storage.ts";

/** The folders of a set of embeddings. */
export const EMBEDDING_FOLDERS = ["img_emb", "text_emb", "metadata"] as const;

export interface ShardFiles {
  readonly images: string;
  readonly texts: string;
  readonly metadata: string;
}

/** The three files of a shard, whether they exist or not; `width` is the number of digits. */
export function shardFiles(folder: string, number: number, width: number): ShardFiles {
  const name = String(number).padStart(width, "0");
  return {
    images: path.join(folder, "img_emb", `img_emb_${name}.npy`),
    texts: path.join(folder, "text_emb", `text_emb_${name}.npy`),
    metadata: path.join(folder, "metadata", `metadata_${name}.parquet`),
  };
}

/** The digits that the numbers of so many shards need. */
export function digitsOf(shards: number): number {
  return String(Math.max(0, shards - 1)).length;
}

/**
 * Gives shards 0 to `count` names of `width` digits, where they have fewer: how many shards there will
 * be is not known when the first is written. Shards that have their names are left alone.
 *
 * throws  DataError where a file is in the way; StorageError where a name cannot be changed
 */
export function widenNames(folder: string, count: number, width: number): void {
  for (let number = 0; number < count; number++) {
    const wide = shardFiles(folder, number, width);
    for (let digits = String(number).length; digits < width; digits++) {
      const narrow = shardFiles(folder, number, digits);
      for (const key of ["images", "texts", "metadata"] as const) rename(narrow[key], wide[key]);
    }
  }
}

function rename(from: string, to: string): void {
  if (!existsSync(from)) return;
  if (existsSync(to)) {
    throw new DataError(
      `Expected one of ${from} and ${path.basename(to)} but received both; remove the one that is ` +
        "not of these embeddings",
      { source: to },
    );
  }
  orStorageError(to, () => renameSync(from, to));
}
