/** Folders as Hugging Face's `datasets` has them: pictures with a metadata file, Parquet, and Arrow. */
import { readdirSync, type Dirent } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DataError } from "../../errors.ts";
import { FileBytes } from "../tables/table-bytes.ts";
import { ParquetFile } from "../parquet/parquet-file.ts";
import { byCodeUnit } from "../paths/directory-entries.ts";
import { isImageExtension, splitEnding } from "../paths/file-kinds.ts";
import type { ParquetSpec, TableSpec } from "./source-spec.ts";

const METADATA = ["metadata.jsonl", "metadata.csv", "metadata.parquet"];
/** Of a metadata file, where the name of its column of pictures is looked for. */
const HEAD_BYTES = 1 << 16;

/**
 * The description of what a folder holds, if it is one of `datasets`: an image folder with a metadata
 * file, or Parquet files alone, also in the only folder within it. Undefined for any other folder, and
 * for one that cannot be read.
 *
 * throws   DataError for a folder of several splits, and for Arrow files
 */
export function datasetIn(directory: string): TableSpec | ParquetSpec | undefined {
  const entries = listed(directory);
  const metadata = metadataIn(directory, entries);
  if (metadata !== undefined) return metadata;
  refuseArrow(directory, entries);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const files = entries.filter(({ name }) => isParquet(name)).map(({ name }) => name);
  const pictures = entries.some(({ name }) => isImageExtension(splitEnding(name)[1]));
  const [inner] = folders;
  const rest = pictures || files.length > 0;
  if (inner !== undefined && folders.length === 1 && !rest)
    return datasetIn(join(directory, inner));
  const splits = folders.filter((name) => {
    const inside = join(directory, name);
    const found = listed(inside);
    const alone = !rest && found.some((one) => isParquet(one.name));
    return alone || metadataIn(inside, found) !== undefined;
  });
  if (splits.length > 0) throw severalSplits(directory, splits);
  if (files.length > 0 && folders.length === 0 && !pictures) return parquetIn(directory, files);
  return undefined;
}

/**
 * Throws a DataError where files of pictures lie with metadata further in, which a plain folder does not
 * read.
 *
 * files   paths from the folder on
 */
export function refuseInnerMetadata(directory: string, files: readonly string[]): void {
  const found = files.find(
    (name) =>
      METADATA.includes(basename(name)) && pictureColumn(join(directory, name)) !== undefined,
  );
  if (found !== undefined) throw severalSplits(directory, [dirname(found)]);
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
  const image = pictureColumn(file);
  if (image === undefined) return undefined;
  const given = image === "" ? {} : { image };
  if (isParquet(name)) return { kind: "parquet", files: [file], ...given };
  return { kind: "table", file, ...given };
}

/**
 * The column of pictures of a metadata file: `file_name`, else `image_file_name` or the only other that
 * ends so. Empty where it could be several, or holds lists; undefined where there is none, as other files may have the name.
 */
function pictureColumn(file: string): string | undefined {
  const names = new Set(columnsOf(file));
  const others = [...names].filter((name) => /_file_name$|file_names$/.test(name));
  const usual = ["file_name", "image_file_name"].find((name) => names.has(name));
  return usual ?? (others.length > 1 || others[0]?.endsWith("s") ? "" : others[0]);
}

/** Names at the start of a file that may be those of columns. */
function columnsOf(file: string): string[] {
  try {
    if (isParquet(file)) return new ParquetFile(file).columns.map(({ element }) => element.name);
    const source = new FileBytes(file);
    const head = source.read(0, Math.min(source.size, HEAD_BYTES)).toString("utf8");
    if (file.endsWith("l"))
      return [...head.matchAll(/"((?:[^"\\]*_)?file_names?)"\s*:/g)].map((m) => m[1]!);
    const [line = ""] = head.replace(/^\uFEFF/, "").split(/[\r\n]/);
    return line.split(/[,;|\t]/).map((cell) => cell.trim().replace(/^"|"$/g, ""));
  } catch {
    return [];
  }
}

/** How `datasets` finds the split that a file's name tells. */
const SPLIT =
  /(?:^|[-._ \d])(train(?:ing)?|val(?:id(?:ation)?)?|dev|test(?:ing)?|eval(?:uation)?)(?=[-._ \d]|$)/i;

/** Parquet files of one split: `train-00000-of-00002.parquet`, `train.parquet`. */
function parquetIn(directory: string, names: readonly string[]): ParquetSpec {
  const splits = new Map<string, string>();
  for (const name of names) {
    const numbered = /^(.+)-\d+-of-\d+\.parquet$/i.exec(name)?.[1];
    const split = numbered ?? SPLIT.exec(name.replace(/\.parquet$/i, ""))?.[1]?.toLowerCase();
    if (split !== undefined)
      splits.set(split, numbered === undefined ? name : `${numbered}-*.parquet`);
  }
  if (splits.size > 1) throw severalSplits(directory, [...splits.values()].sort(byCodeUnit));
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
