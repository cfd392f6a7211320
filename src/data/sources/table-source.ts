/** Tables of image paths and captions: CSV, TSV and JSON Lines. */
import { existsSync } from "node:fs";
import { extname } from "node:path";
import { gunzipSync } from "node:zlib";
import { DataError } from "../../errors.ts";
import { decodeText } from "../../files/decode-text.ts";
import type { Substitute } from "../../files/regular-file.ts";
import { foreignFile } from "../tables/foreign-file.ts";
import { type ByteSource, FileBytes, memoryBytes } from "../tables/table-bytes.ts";
import { isWebAddress } from "../tables/caption-cell.ts";
import type { ChosenColumns } from "../tables/columns.ts";
import { type DelimiterName, openDelimited } from "../tables/delimited-format.ts";
import { openJson } from "../tables/json-lines.ts";
import type { OpenTable } from "../tables/scan-rows.ts";
import type { TableSpec } from "./source-spec.ts";
import { type Columns, listedSource, type Source } from "./source.ts";
import { imagePath, listTable } from "./table-entries.ts";

/** Tables in UTF-16 and those that are packed are held in memory, up to this size. */
const MOST_HELD_BYTES = 1 << 29;

/**
 * Reads a whole table once, to find where its rows are. Rows that name the same image are joined into
 * one sample with several captions, in the place of the first. Bad rows become problems of the source.
 *
 * throws   DataError if the table cannot be read, or lacks the image or caption column
 */
export async function openTable(spec: TableSpec, records = false): Promise<Source> {
  try {
    const { table, columns } = readHeader(spec);
    const { file, root, rowsApart } = spec;
    const list = await listTable(table, { file, root, columns, records, rowsApart, row: "line" });
    return { ...listedSource(file, list), columns };
  } catch (error) {
    throw tableError(spec.file, error);
  }
}

/** The columns that a table's header gives; throws as `openTable` does. */
export function tableColumns(spec: TableSpec): Columns {
  try {
    return readHeader(spec).columns;
  } catch (error) {
    throw tableError(spec.file, error);
  }
}

function readHeader(spec: TableSpec): { table: OpenTable; columns: ChosenColumns } {
  const { file } = spec;
  const wanted = { image: spec.image, caption: spec.caption, label: spec.label };
  const format = spec.format ?? formatOf(file, spec.delimiter);
  const source = bytesOf(file);
  if (format === "jsonl") {
    const { columns, ...open } = openJson(source, { file, wanted });
    return { table: { source, ...open }, columns };
  }
  const preferred: DelimiterName = format === "tsv" ? "tab" : "comma";
  const isImage = (cell: string): boolean =>
    PICTURE.test(cell) || isWebAddress(cell) || existsSync(imagePath(spec, cell));
  const { delimiter } = spec;
  const options = { file, wanted, delimiter, preferred, isImage };
  const { columns, ...open } = openDelimited(source, options);
  return { table: { source, ...open }, columns };
}

const PICTURE = /\.(jpe?g|jfif|jpe|png|webp|gif|bmp|tiff?|avif|hei[cf]|jxl|svg)$/i;

/** UTF-8 is read as it stands in the file, without its mark; UTF-16 is changed to it, gzip unpacked. */
function bytesOf(file: string): ByteSource {
  const source = new FileBytes(file);
  const start = source.read(0, Math.min(64, source.size));
  const head = start.toString("latin1");
  if (head.startsWith("\x1F\x8B")) return asUtf8(unpacked(source));
  const foreign = foreignFile(start);
  if (foreign !== undefined) throw new UnreadableTable(foreign);
  return asUtf8(source);
}

function asUtf8(source: ByteSource): ByteSource {
  const head = source.read(0, Math.min(4, source.size)).toString("latin1");
  if (head.startsWith("\xEF\xBB\xBF")) return withoutMark(source);
  if (!/^(\xFF\xFE|\xFE\xFF|\0\0\xFE\xFF)/.test(head)) return source;
  if (source.size > MOST_HELD_BYTES) {
    throw new Error(`text in UTF-16 of more than ${MOST_HELD_BYTES} bytes; save it as UTF-8`);
  }
  return memoryBytes(Buffer.from(decodeText(source.read(0, source.size)), "utf8"));
}

function unpacked(source: ByteSource): ByteSource {
  const maxOutputLength = MOST_HELD_BYTES;
  const large = {
    what: `more than ${maxOutputLength} bytes in gzip`,
    cure: "unpack it with gzip -d",
  };
  if (source.size > maxOutputLength) throw new UnreadableTable(large);
  try {
    return memoryBytes(gunzipSync(source.read(0, source.size), { maxOutputLength }));
  } catch (cause) {
    if (cause instanceof RangeError) throw new UnreadableTable(large, { cause });
    const cut = { what: "gzip that is cut or damaged", cure: "fetch it again" };
    throw new UnreadableTable(cut, { cause });
  }
}

/** What is no table, with what to do. */
class UnreadableTable extends Error {
  readonly cure: string;

  constructor({ what, cure }: Substitute, options?: ErrorOptions) {
    super(what, options);
    this.cure = cure;
  }
}

function withoutMark(source: ByteSource): ByteSource {
  return {
    size: source.size - 3,
    read: (start, end) => source.read(start + 3, end + 3),
  };
}

function formatOf(file: string, delimiter: DelimiterName | undefined): "csv" | "tsv" | "jsonl" {
  const ending = extname(file.replace(/\.gz$/i, "")).toLowerCase();
  if (ending === ".csv" || ending === ".txt") return "csv";
  if (ending === ".tsv" || ending === ".tab") return "tsv";
  if (ending === ".jsonl" || ending === ".ndjson" || ending === ".json") return "jsonl";
  if (delimiter !== undefined) return "csv";
  if (ending === ".parquet") throw new Error('Parquet; describe it by { kind: "parquet", files }');
  throw new DataError(
    `Expected a table that ends in .csv, .tsv, .txt, .jsonl or .json for source.file but received ${file}; ` +
      `set source.format or source.delimiter`,
    { source: file },
  );
}

function tableError(file: string, error: unknown): DataError {
  if (error instanceof DataError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const [what, cure] =
    code === "ENOENT"
      ? ["no such file", "check the path"]
      : code === "EACCES" || code === "EISDIR"
        ? [code, "check the path and its permissions"]
        : [message, error instanceof UnreadableTable ? error.cure : "correct the table"];
  return new DataError(
    `Expected a readable table for source.file but received ${what} for ${file}; ${cure}`,
    { source: file },
    { cause: error },
  );
}
