/** Parquet files of pictures, or of paths of pictures. */
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { DataError } from "../../errors.ts";
import { formatJson } from "../../files/json-text.ts";
import { addressOf } from "../paths/web-address.ts";
import { captionsOfCell, labelOfCell } from "../tables/caption-cell.ts";
import { ChunkedBytes } from "../tables/table-bytes.ts";
import { jsonFormat } from "../tables/json-lines.ts";
import { ParquetFile } from "../parquet/parquet-file.ts";
import {
  chooseParquetColumns,
  type ParquetColumns,
  parquetRows,
  type ParquetRow,
} from "../parquet/parquet-rows.ts";
import { expandPaths } from "../paths/expand-paths.ts";
import type { ParquetSpec } from "./source-spec.ts";
import { type Columns, type Entry, listedSource, type Part, type Source } from "./source.ts";
import { imagePath, listTable } from "./table-entries.ts";

/** Other work of the thread runs after so many rows. */
const SLICE = 1 << 10;

/**
 * Opens Parquet files. Those with pictures are not read yet, but for the footer of the first; those
 * with paths are read, and their paths, captions and labels stay in memory.
 *
 * throws   DataError if there is no file, or the first (with paths: one) cannot be read or lacks a column
 */
export async function openParquet(spec: ParquetSpec, records = false): Promise<Source> {
  const { name, first, others } = filesOf(spec);
  const { columns } = openFile(first, spec);
  const source = {
    name,
    columns: namesOf(columns),
    reading: { captionKeys: [], captionPerLine: false },
  };
  const files = [first, ...others];
  if (columns.bytes) {
    return { ...source, listed: false, parts: files.map((file) => picturePart(file, spec)) };
  }
  const parts: Part[] = [];
  for (const file of files) parts.push(await pathPart(file, spec, records));
  return { ...source, listed: true, parts };
}

/** The columns of the first file; throws as `openParquet` does. */
export function parquetColumns(spec: ParquetSpec): Columns {
  return namesOf(openFile(filesOf(spec).first, spec).columns);
}

function filesOf(spec: ParquetSpec): { name: string; first: string; others: string[] } {
  const name = typeof spec.files === "string" ? spec.files : spec.files.join(", ");
  const [first, ...others] = expandPaths(spec.files);
  if (first !== undefined) return { name, first, others };
  throw new DataError(
    `Expected at least one file for source.files but received none for ${name}; check the pattern`,
    { source: name },
  );
}

function namesOf({ image, caption, label, bytes, unread, meta }: ParquetColumns): Columns {
  const others = bytes ? [] : meta.map(({ name }) => name);
  return {
    ...{ image, caption, label },
    ...(others.length > 0 && { others }),
    ...(unread.length > 0 && { unread }),
  };
}

/** throws   DataError that names the file */
function openFile(
  file: string,
  spec: ParquetSpec,
): { parquet: ParquetFile; columns: ParquetColumns } {
  try {
    const parquet = new ParquetFile(file);
    const { image, caption, label } = spec;
    return { parquet, columns: chooseParquetColumns(parquet, { image, caption, label }) };
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(
      `Expected readable Parquet for source.files but received ${reasonOf(error)} for ${file}; ` +
        `check the file`,
      { source: file },
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  return code === "EACCES" || code === "EISDIR" ? code : message;
}

/** A file of pictures. */
function picturePart(file: string, spec: ParquetSpec): Part {
  return {
    path: file,
    compressed: true,
    read: () => readPictures(file, spec, 0),
    readFrom: (entry) => readPictures(file, spec, entry),
  };
}

/** An entry a row. A file that is damaged ends with one entry that says so. */
async function* readPictures(file: string, spec: ParquetSpec, from: number): AsyncGenerator<Entry> {
  let next = from;
  try {
    const { parquet, columns } = openFile(file, spec);
    if (!columns.bytes) throw new Error(`"${columns.image}" holds no bytes, as it does elsewhere`);
    for await (const row of parquetRows(parquet, columns, from)) {
      yield entryOf(row, columns, { file, root: spec.root });
      next = row.row + 1;
      if (next % SLICE === 0) await setImmediate();
    }
  } catch (error) {
    const message = error instanceof DataError ? error.message : reasonOf(error);
    const reason = `what follows row ${next} is lost: ${message}`;
    yield { problem: { file, reason: next === 0 ? message : reason } };
  }
}

function entryOf(
  row: ParquetRow,
  columns: ParquetColumns,
  { file, root }: { file: string; root: string | undefined },
): Entry {
  const { image, path } = row;
  const key = (path || row.key) ?? `${basename(file, ".parquet")}/${row.row}`;
  const bad = (reason: string): Entry => ({
    problem: { file, key, reason: `row ${row.row + 1}: ${reason}` },
  });
  const captions = captionsOfCell(row.caption);
  if (captions === undefined) {
    return bad(`"${columns.caption}" is neither text in UTF-8 nor a list of it`);
  }
  const label = labelOfCell(row.label);
  if (label === undefined) return bad(`"${columns.label}" is neither text nor a number`);
  const shared = { key, captions, meta: row.meta, ...(label.label && { label: label.label }) };
  if (image !== undefined) {
    // Bytes of its own: they move to the thread that decodes them.
    const bytes = Uint8Array.from(image);
    return { ref: { ...shared, file, image: { file, offset: 0, size: bytes.length, bytes } } };
  }
  if (path === undefined || path === "") {
    const { status } = row.meta;
    const known = typeof status === "string" ? ` (status ${status})` : "";
    return bad(`no picture in "${columns.image}"${known}`);
  }
  const address = addressOf(path);
  if (address !== undefined) return bad(`its image is ${address}`);
  const picture = imagePath({ file, root }, path);
  return { ref: { ...shared, file: picture, image: { file: picture, offset: 0 } } };
}

/** Names for what is read of a row, of which none is another column's. */
function unlike(others: readonly string[]): Record<"image" | "caption" | "label", string> {
  const free = (name: string): string => (others.includes(name) ? free(`${name}_`) : name);
  return { image: free("image"), caption: free("caption"), label: free("label") };
}

/** A file of paths: its rows are kept as lines of JSON, and joined as those of other tables. */
async function pathPart(file: string, spec: ParquetSpec, records: boolean): Promise<Part> {
  const { parquet, columns } = openFile(file, spec);
  const { image, caption, label } = columns;
  const source = new ChunkedBytes();
  try {
    const meta = records ? columns.meta : [];
    const names = unlike(meta.map((column) => column.name));
    for await (const row of parquetRows(parquet, { ...columns, meta })) {
      const { path, caption: texts, label: name } = row;
      const line = formatJson({
        [names.image]: path,
        [names.caption]: texts,
        [names.label]: name,
        ...row.meta,
      });
      source.append(Buffer.from(`${line}\n`, "utf8"));
      if (row.row % SLICE === 0) await setImmediate();
    }
    const table = { source, format: jsonFormat(names), start: 0, line: 1 };
    const shown = { image, caption, label };
    const list = await listTable(table, {
      file,
      root: spec.root,
      columns: shown,
      records,
      row: "row",
    });
    return { ...listedSource(file, list).parts[0]!, path: file };
  } catch (error) {
    throw new DataError(
      `Expected readable Parquet for source.files but received ${reasonOf(error)} for ${file}; ` +
        `check the file`,
      { source: file },
      { cause: error },
    );
  }
}
