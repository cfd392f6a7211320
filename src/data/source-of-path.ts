/** What a path means as a source, told by its ending or by what its folder holds. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { directoryEntries } from "./paths/directory-entries.ts";
import { isHidden } from "./paths/file-kinds.ts";
import { datasetIn } from "./sources/dataset-folder.ts";
import type { SourceSpec } from "./sources/source-spec.ts";

const TABLE = /\.(csv|tsv|tab|txt|jsonl|ndjson|json)(\.gz)?$/i;
const PARQUET = /\.parquet$/i;
const SHARD = /\.(tar(\.gz)?|tgz)$/i;
/** Packed or collected otherwise: read as shards, which say what they are and how to unpack them. */
const FOREIGN = /\.(tar\.\w+|tbz2?|txz|tzst|zip|7z|rar)$/i;

const BESIDE_SHARDS = /\.(json|txt|md|idx|parquet)$/i;

/**
 * A table by its ending, shards and Parquet by theirs (brace ranges and wildcards too), or a folder: of shards
 * where it has any, whatever lies beside them, else a set of `datasets`, else pictures. Undefined for another ending.
 *
 * plain   a folder without shards is one of pictures
 * throws  DataError for a folder of several splits, and for Arrow files
 */
export function sourceOfPath(path: string, { plain = false } = {}): SourceSpec | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    return inFolder(path, plain);
  if (TABLE.test(path)) return { kind: "table", file: path };
  if (PARQUET.test(path)) return { kind: "parquet", files: path };
  if (SHARD.test(path) || FOREIGN.test(path)) return { kind: "webdataset", shards: path };
  return undefined;
}

function inFolder(folder: string, plain: boolean): SourceSpec {
  const names = directoryEntries(folder)
    .map(({ name }) => name)
    .filter((name) => !isHidden(name));
  const shards = names.filter((name) => SHARD.test(name));
  // Other archives stand for shards where nothing else could be meant.
  const others = names.filter((name) => FOREIGN.test(name));
  const alone = names.every((name) => FOREIGN.test(name) || BESIDE_SHARDS.test(name));
  const found = shards.length > 0 ? shards : alone ? others : [];
  if (found.length > 0) {
    return { kind: "webdataset", shards: found.map((name) => join(folder, name)) };
  }
  return (plain ? undefined : datasetIn(folder)) ?? { kind: "folder", directory: folder };
}
