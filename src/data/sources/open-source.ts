/** Opens any source from its description. */
import { DataError } from "../../errors.ts";
import { checkPath } from "../paths/web-address.ts";
import { datasetIn } from "./dataset-folder.ts";
import { isThere } from "../paths/directory-entries.ts";
import { readableName } from "../../files/decode-text.ts";
import { expandPaths } from "../paths/expand-paths.ts";
import { openFolder } from "./folder-source.ts";
import { openParquet, parquetColumns } from "./parquet-source.ts";
import { shardPart } from "./shard.ts";
import { checkSourceSpec, type SourceSpec, type WebDatasetSpec } from "./source-spec.ts";
import type { Columns, Source } from "./source.ts";
import { openTable, tableColumns } from "./table-source.ts";

/**
 * Opens a source: expands shard names, reads a table, lists a folder. Shards and Parquet files with
 * pictures are not read yet. A folder with a metadata file of `datasets` is the table that it is.
 *
 * records   whether the other columns of a table are its samples' records; other sources have theirs anyway
 *
 * throws   DataError for an invalid description, an unreadable table or folder, or no shards
 */
export async function openSource(spec: SourceSpec, { records = false } = {}): Promise<Source> {
  const checked = resolveSource(spec);
  const source = await openKind(checked, records);
  return checked.svg === undefined ? source : { ...source, svg: checked.svg };
}

async function openKind(checked: SourceSpec, records: boolean): Promise<Source> {
  switch (checked.kind) {
    case "webdataset":
      return openShards(checked);
    case "table":
      checkPath(checked.file, "the path of a table for source.file");
      return openTable(checked, records);
    case "parquet":
      checkPaths(checked.files, "the path of a file for source.files");
      return openParquet(checked, records);
    case "folder":
      return openFolder(checked);
  }
}

/**
 * What a description opens: of a folder of `datasets` the table or the Parquet files in it.
 *
 * throws   DataError for an invalid description
 */
export function resolveSource(spec: SourceSpec): SourceSpec {
  const checked = checkSourceSpec(spec);
  if (checked.kind !== "folder") return checked;
  checkPath(checked.directory, "the path of a folder for source.directory");
  const plain = checked.labelFromFolder === true || checked.captionPerLine === true;
  const found = plain ? undefined : datasetIn(checked.directory);
  if (found === undefined || checked.svg === undefined) return found ?? checked;
  return { ...found, svg: checked.svg };
}

/**
 * The columns that a table, or the first of some Parquet files, is read by, from its header alone.
 * Undefined for other sources.
 *
 * throws   DataError as `openSource` does
 */
export function sourceColumns(spec: SourceSpec): Columns | undefined {
  const checked = checkSourceSpec(spec);
  if (checked.kind === "table") {
    checkPath(checked.file, "the path of a table for source.file");
    return tableColumns(checked);
  }
  if (checked.kind !== "parquet") return undefined;
  checkPaths(checked.files, "the path of a file for source.files");
  return parquetColumns(checked);
}

function checkPaths(patterns: string | readonly string[], what: string): void {
  for (const pattern of typeof patterns === "string" ? [patterns] : patterns) {
    checkPath(pattern, what);
  }
}

function openShards(spec: WebDatasetSpec): Source {
  const name = typeof spec.shards === "string" ? spec.shards : spec.shards.join(", ");
  checkPaths(spec.shards, "the path of a shard for source.shards");
  const paths = expandPaths(spec.shards);
  if (paths.length === 0) {
    throw new DataError(
      `Expected at least one shard for source.shards but received none for ${name}; ` +
        `check the pattern`,
      { source: name },
    );
  }
  if (!paths.some(isThere)) {
    const more =
      paths.length === 1 ? "a file that does not exist" : `${paths.length} that do not exist`;
    throw new DataError(
      `Expected shards for source.shards but received ${more} (${readableName(paths[0]!)}); check the path`,
      { source: name },
    );
  }
  return {
    name,
    parts: paths.map(shardPart),
    listed: false,
    reading: {
      captionKeys: spec.captionKeys ?? ["captions", "caption"],
      captionPerLine: spec.captionPerLine ?? false,
      npyColumns: spec.npyColumns,
    },
  };
}
