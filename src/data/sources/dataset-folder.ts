/** Folders as Hugging Face's `datasets` has them: pictures with a metadata file, Parquet, and Arrow. */
import { readdirSync, type Dirent } from "node:fs";
import { join } from "node:path";
import { DataError } from "../../errors.ts";
import { FileBytes } from "../tables/table-bytes.ts";
import { byCodeUnit } from "../paths/directory-entries.ts";
import type { ParquetSpec, TableSpec } from "./source-spec.ts";

const METADATA = ["metadata.jsonl", "metadata.csv", "metadata.parquet"];
/** Of a metadata file, where the name of its column of pictures is looked for. */
const HEAD_BYTES = 1 << 16;
const PICTURE_COLUMN = "file_name";

/**
 * The description of what a folder holds, if it is one of `datasets`: an image folder with a metadata
 * file, or Parquet files alone. Undefined for any other folder, and for one that cannot be read.
 *
 * throws   DataError for a folder of several splits, and for Arrow files
 */
export function datasetIn(directory: string): TableSpec | ParquetSpec | undefined {
  const entries = listed(directory);
  const metadata = metadataIn(directory, entries);
  if (metadata !== undefined) return metadata;
  refuseArrow(directory, entries);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const splits = folders.filter((name) => {
    const inside = join(directory, name);
    return metadataIn(inside, listed(inside)) !== undefined;
  });
  if (splits.length > 0) throw severalSplits(directory, splits);
  const files = entries.filter(({ name }) => isParquet(name)).map(({ name }) => name);
  if (files.length > 0 && folders.length === 0) return parquetIn(directory, files);
  const inside = join(directory, "data");
  const data = listed(inside).map(({ name }) => name);
  if (files.length > 0 || folders.some((name) => name !== "data")) return undefined;
  return data.length > 0 && data.every(isParquet) ? parquetIn(inside, data) : undefined;
}

function listed(directory: string): Dirent[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith("."));
  } catch {
    return [];
  }
}

const isParquet = (name: string): boolean => /\.parquet$/i.test(name);

function metadataIn(
  directory: string,
  entries: readonly Dirent[],
): TableSpec | ParquetSpec | undefined {
  const name = METADATA.find((one) => entries.some((entry) => entry.name === one));
  if (name === undefined) return undefined;
  const file = join(directory, name);
  if (isParquet(name)) return { kind: "parquet", files: [file], image: PICTURE_COLUMN };
  return namesPictures(file) ? { kind: "table", file, image: PICTURE_COLUMN } : undefined;
}

/** Whether a metadata file is one of `datasets`; others may have its name. */
function namesPictures(file: string): boolean {
  try {
    const source = new FileBytes(file);
    return source.read(0, Math.min(source.size, HEAD_BYTES)).includes(PICTURE_COLUMN);
  } catch {
    return false;
  }
}

/** Parquet files of one split: `train-00000-of-00002.parquet`. */
function parquetIn(directory: string, names: readonly string[]): ParquetSpec {
  const splits = new Set(
    names.flatMap((name) => /^(.+)-\d+-of-\d+\.parquet$/i.exec(name)?.[1] ?? []),
  );
  if (splits.size > 1) {
    throw severalSplits(
      directory,
      [...splits].map((name) => `${name}-*.parquet`),
    );
  }
  const files = [...names].sort(byCodeUnit).map((name) => join(directory, name));
  return { kind: "parquet", files };
}

function severalSplits(directory: string, splits: readonly string[]): DataError {
  return new DataError(
    `Expected one split for a source but received ${splits.join(", ")} in ${directory}; ` +
      `name one of them`,
    { source: directory },
  );
}

/** `save_to_disk` writes Arrow files with a state beside them, in a folder of its own for each split. */
function refuseArrow(directory: string, entries: readonly Dirent[]): void {
  const names = entries.map(({ name }) => name);
  const saved = names.includes("state.json") && names.some((name) => name.endsWith(".arrow"));
  if (!saved && !names.includes("dataset_dict.json")) return;
  throw new DataError(
    `Expected pictures or Parquet for a source but received the Arrow files of save_to_disk in ` +
      `${directory}, which are not supported; convert them in Python: ` +
      `datasets.load_from_disk("${directory}")${saved ? "" : '["train"]'}.to_parquet("data.parquet")`,
    { source: directory },
  );
}
