/**
 * Parquet files, read by hyparquet a page at a time, so that memory holds a page of each column however
 * large the row groups are.
 */
import {
  type ColumnMetaData,
  type Compressors,
  type FileMetaData,
  parquetMetadata,
  parquetReadObjects,
  parquetSchema,
  type RowGroup,
  type SchemaElement,
  type SchemaTree,
} from "hyparquet";
import {
  MOST_PAGE_BYTES,
  type PageHeader,
  readPageHeader,
  unpackPage,
  usesDictionary,
} from "./parquet-pages.ts";
import { foreignFile } from "../tables/foreign-file.ts";
import { FileBytes } from "../tables/table-bytes.ts";
import { decimalsOf, mapped, parsers } from "./parquet-values.ts";
import { readThrift } from "./thrift-check.ts";

/** What the only column of a page's file is called; a name of the file may be one that objects have. */
const COLUMN = "column";

const MOST_FOOTER_BYTES = 64 << 20;
const HEADER_BYTES = 1 << 14;

/** A path of the schema to a column of values, from the root on. */
export type LeafPath = readonly SchemaTree[];

export class ParquetFile {
  readonly file: string;
  readonly groups: readonly RowGroup[];
  /** The columns: the root's children. */
  readonly columns: readonly SchemaTree[];
  readonly #metadata: FileMetaData;
  readonly #root: SchemaTree;
  readonly #size: number;

  /**
   * Reads the footer.
   *
   * throws   the system's error, or Error with a short reason for what is no Parquet
   */
  constructor(file: string) {
    const bytes = new FileBytes(file);
    this.file = file;
    this.#size = bytes.size;
    this.#metadata = readFooter(bytes);
    this.#root = damaged("a schema that cannot be", () => parquetSchema(this.#metadata));
    this.columns = this.#root.children;
    this.groups = this.#metadata.row_groups;
  }

  /** Of the file's own notes, one by its name. */
  note(key: string): string | undefined {
    return this.#metadata.key_value_metadata?.find((one) => one.key === key)?.value;
  }

  /** The path to a leaf of a column, by names below it. */
  leaf(column: SchemaTree, ...names: string[]): LeafPath {
    const path = [this.#root, column];
    for (const name of names) {
      path.push(path.at(-1)!.children.find(({ element }) => element.name === name)!);
    }
    return path;
  }

  /**
   * Values of a leaf in a row group, page by page; of a list column, all of them at once.
   *
   * throws   Error with a short reason
   */
  async *pages(group: RowGroup, path: LeafPath): AsyncGenerator<readonly unknown[]> {
    const column = chunkOf(group, path);
    const bytes = new FileBytes(this.file);
    const rows = Number(group.num_rows);
    const lists = path.some(({ element }) => element.repetition_type === "REPEATED");
    const pages = rawPages(bytes, this.#size, column, path);
    if (lists) {
      const all = [...bounded(pages)];
      yield await this.#decode(all, column, path, rows);
      return;
    }
    // A dictionary may hold as many pictures as a page; writers go over to plain pages behind it.
    let dictionary: RawPage | undefined;
    let left = rows;
    for (const page of pages) {
      if (page.header.kind === "dictionary") dictionary = page;
      if (page.header.kind !== "data") continue;
      const coded = usesDictionary(page.header);
      if (!coded) dictionary = undefined;
      else if (dictionary === undefined) [dictionary] = rawPages(bytes, this.#size, column, path);
      if (coded && dictionary?.header.kind !== "dictionary") {
        throw new Error("a page without its dictionary");
      }
      const count = Math.min(left, page.header.values);
      left -= count;
      if (count === 0) continue;
      const values = await this.#decode(coded ? [dictionary!, page] : [page], column, path, count);
      // While the values are used, the page itself is not held.
      page.raw = new Uint8Array(0);
      page.unpacked = undefined;
      yield values;
    }
    if (left > 0) throw new Error(`${rows - left} values in a column of ${rows} rows`);
  }

  async #decode(
    pages: readonly RawPage[],
    column: ColumnMetaData,
    path: LeafPath,
    rows: number,
  ): Promise<unknown[]> {
    const raw = joined(pages);
    const file = {
      byteLength: raw.length,
      slice: (start: number, end = raw.length): ArrayBuffer =>
        start === 0 && end === raw.length ? raw.buffer : raw.buffer.slice(start, end),
    };
    const unpacked = pages.flatMap((page) => page.unpacked ?? []);
    const compressors: Compressors = { [column.codec]: () => unpacked.shift()! };
    const found = await parquetReadObjects({
      file,
      metadata: pageMetadata(this.#metadata, column, path, { rows, bytes: raw.length }),
      columns: [COLUMN],
      compressors,
      parsers,
      utf8: false,
      geoparquet: false,
    }).catch((error: unknown) => {
      throw inWords("a damaged page", error);
    });
    const values = found.map((row) => row[COLUMN] as unknown);
    const decimals = decimalsOf(path.at(-1)!.element);
    return decimals === undefined ? values : values.map((value) => mapped(value, decimals.read));
  }
}

/** hyparquet meets what it does not look for as a TypeError or a RangeError. */
function damaged<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw inWords(what, error);
  }
}

function inWords(what: string, error: unknown): unknown {
  const lost = error instanceof TypeError || error instanceof RangeError;
  return lost ? new Error(what, { cause: error }) : error;
}

function readFooter(bytes: FileBytes): FileMetaData {
  if (bytes.size < 12) throw new Error("a file that is too short for Parquet");
  const tail = bytes.read(bytes.size - 8, bytes.size);
  const magic = tail.toString("latin1", 4);
  if (magic === "PARE") throw new Error("an encrypted file, which is not supported");
  if (magic !== "PAR1") {
    const start = bytes.read(0, Math.min(64, bytes.size));
    const foreign = start.toString("latin1", 0, 4) === "PAR1" ? undefined : foreignFile(start);
    if (foreign !== undefined) throw new Error(`${foreign.what} (${foreign.cure})`);
    throw new Error("no Parquet, or a file that is cut: its end mark is missing");
  }
  const length = tail.readUInt32LE(0);
  if (length > bytes.size - 12 || length > MOST_FOOTER_BYTES) {
    throw new Error("a footer that is longer than the file, or than 64 MiB");
  }
  const footer = bytes.take(bytes.size - 8 - length, bytes.size);
  readThrift(footer.subarray(0, length));
  return damaged("a footer that cannot be read", () =>
    parquetMetadata(footer, { parsers, geoparquet: false }),
  );
}

function chunkOf(group: RowGroup, path: LeafPath): ColumnMetaData {
  const names = path.slice(1).map(({ element }) => element.name);
  const chunk = group.columns.find(({ meta_data: column }) => {
    const found = column?.path_in_schema;
    return found?.length === names.length && found.every((name, i) => name === names[i]);
  });
  if (chunk?.file_path !== undefined)
    throw new Error("columns in other files, which are not supported");
  if (chunk?.meta_data === undefined)
    throw new Error(`no column ${names.join(".")} in a row group`);
  return chunk.meta_data;
}

interface RawPage {
  header: PageHeader;
  /** With its header. */
  raw: Uint8Array<ArrayBuffer>;
  /** The part of it that was packed. */
  unpacked: Uint8Array | undefined;
}

function* rawPages(
  source: FileBytes,
  size: number,
  column: ColumnMetaData,
  path: LeafPath,
): Generator<RawPage> {
  const start = Number(column.dictionary_page_offset || column.data_page_offset);
  const end = start + Number(column.total_compressed_size);
  if (!(start >= 4 && end >= start && end <= size)) {
    throw new Error("a column that lies outside the file");
  }
  for (let at = start; at < end;) {
    const header = headerAt(source, at, end);
    const next = at + header.headerSize + header.size;
    if (next > end) throw new Error("a page that is longer than its column");
    const raw = source.take(at, next);
    const body = raw.subarray(header.headerSize);
    const unpacked = header.kind === "index" ? undefined : unpackPage(body, header, column, path);
    yield { header, raw, unpacked };
    at = next;
  }
}

function headerAt(source: FileBytes, at: number, end: number): PageHeader {
  const short = source.read(at, Math.min(end, at + HEADER_BYTES));
  try {
    return readPageHeader(short);
  } catch (error) {
    if (short.length < HEADER_BYTES) throw error;
    return readPageHeader(source.read(at, end));
  }
}

/** The bytes of pages, in a buffer of their own. */
function joined(pages: readonly RawPage[]): Uint8Array<ArrayBuffer> {
  const [first, ...others] = pages;
  if (first !== undefined && others.length === 0) return first.raw;
  const bytes = new Uint8Array(pages.reduce((sum, { raw }) => sum + raw.length, 0));
  let at = 0;
  for (const { raw } of pages) {
    bytes.set(raw, at);
    at += raw.length;
  }
  return bytes;
}

/** Pages that are needed together. */
function* bounded(pages: Iterable<RawPage>): Generator<RawPage> {
  let bytes = 0;
  for (const page of pages) {
    bytes += Math.max(page.header.size, page.header.unpackedSize);
    if (bytes > MOST_PAGE_BYTES) {
      throw new Error(`lists of more than ${MOST_PAGE_BYTES} bytes in a row group`);
    }
    yield page;
  }
}

/** A file of nothing but some pages of one column. */
function pageMetadata(
  metadata: FileMetaData,
  column: ColumnMetaData,
  path: LeafPath,
  { rows, bytes }: { rows: number; bytes: number },
): FileMetaData {
  const last = path.length - 1;
  const schema = path.map(({ element }, i) => ({
    ...(i === last ? unscaled(element) : { ...element, num_children: 1 }),
    ...(i === 1 && { name: COLUMN }),
  }));
  const chunk: ColumnMetaData = {
    ...column,
    path_in_schema: [COLUMN, ...column.path_in_schema.slice(1)],
    // 0 stands for none
    dictionary_page_offset: 0n,
    data_page_offset: 0n,
    total_compressed_size: BigInt(bytes),
  };
  const group = {
    columns: [{ file_offset: 0n, meta_data: chunk }],
    total_byte_size: BigInt(bytes),
    num_rows: BigInt(rows),
  };
  return { ...metadata, schema, num_rows: BigInt(rows), row_groups: [group] };
}

/** Decimals as the integers or bytes that they are stored as. */
function unscaled(element: SchemaElement): SchemaElement {
  if (decimalsOf(element) === undefined) return element;
  const { converted_type: _, logical_type: __, ...stored } = element;
  return stored;
}
