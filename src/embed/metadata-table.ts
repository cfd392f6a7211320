/** Metadata in Parquet: written a row group at a time, and rewritten where types became wider. */
import { open, type FileHandle } from "node:fs/promises";

import { parquetMetadataAsync, parquetRead, type AsyncBuffer, type FileMetaData } from "hyparquet";
import { ByteWriter, ParquetWriter, type SchemaElement } from "hyparquet-writer";

import { AtomicFile } from "../files/atomic-write.ts";
import { checkRegularFile } from "../files/regular-file.ts";
import { cellOf, storedAs, type Cell, type Column } from "./metadata-columns.ts";

/** Rows of one column after another, all of one length. */
export type RowGroup = readonly (readonly Cell[])[];

/** A Parquet file that appears when it is whole; memory holds one row group. */
export class TableWriter {
  readonly #file: AtomicFile;
  readonly #columns: readonly Column[];
  readonly #writer: ParquetWriter;

  /** throws  StorageError where it cannot be written */
  constructor(file: string, columns: readonly Column[]) {
    this.#file = new AtomicFile(file);
    this.#columns = columns;
    const writer = new FileBytes(this.#file);
    this.#writer = new ParquetWriter({ writer, schema: schemaOf(columns) });
  }

  /** throws  StorageError naming the file, as on a full disk */
  append(group: RowGroup): void {
    const rows = group[0]?.length ?? 0;
    if (rows === 0) return;
    const columnData = this.#columns.map(({ name }, i) => ({ name, data: group[i] as Cell[] }));
    void this.#writer.write({ columnData, rowGroupSize: rows });
  }

  /** Completes the contents, still under the temporary name. */
  seal(): void {
    void this.#writer.finish();
    this.#file.seal();
  }

  /** The file takes its name. */
  finish(): void {
    this.#file.finish();
  }

  discard(): void {
    this.#file.discard();
  }
}

/** Hands its bytes over after every row group. */
class FileBytes extends ByteWriter {
  readonly #file: AtomicFile;

  constructor(file: AtomicFile) {
    super();
    this.#file = file;
  }

  flush(): void {
    this.#file.write(this.getBytes());
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }
}

function schemaOf(columns: readonly Column[]): SchemaElement[] {
  const elements = columns.map(({ name, kind }): SchemaElement => {
    const repetition_type = "OPTIONAL";
    const type = storedAs(kind);
    return type === "STRING"
      ? { name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type }
      : { name, type, repetition_type };
  });
  return [{ name: "root", num_children: columns.length }, ...elements];
}

/**
 * Rewrites a table that this program wrote with other columns: those that it lacks are null, wider
 * types take its values as they are. Does nothing where it has them already.
 *
 * throws  StorageError where it cannot be written; Error where it cannot be read
 */
export async function conformTable(file: string, columns: readonly Column[]): Promise<void> {
  checkRegularFile(file);
  const handle = await open(file);
  try {
    const source = await bufferOf(handle);
    const metadata = await parquetMetadataAsync(source);
    const stored = metadata.schema.slice(1);
    const wanted = schemaOf(columns).slice(1);
    const same = stored.length === wanted.length && stored.every((one, i) => alike(one, wanted[i]));
    if (!same) await rewrite(file, source, metadata, columns);
  } finally {
    await handle.close();
  }
}

type Typed = Pick<SchemaElement, "name" | "type">;

function alike(a: Typed, b: Typed | undefined): boolean {
  return a.name === b?.name && a.type === b.type;
}

async function rewrite(
  file: string,
  source: AsyncBuffer,
  metadata: FileMetaData,
  columns: readonly Column[],
): Promise<void> {
  const places = new Map(metadata.schema.slice(1).map(({ name }, i) => [name, i]));
  const table = new TableWriter(file, columns);
  try {
    let rowStart = 0;
    for (const { num_rows: count } of metadata.row_groups) {
      const rowEnd = rowStart + Number(count);
      const rows = await rowsOf(source, metadata, rowStart, rowEnd);
      rowStart = rowEnd;
      table.append(
        columns.map(({ name, kind }) => {
          const at = places.get(name);
          return rows.map((row) => (at === undefined ? null : convert(row[at], kind)));
        }),
      );
    }
    table.seal();
    table.finish();
  } catch (error) {
    table.discard();
    throw error;
  }
}

/** A number of a DOUBLE column keeps its point where it becomes text. */
function convert(value: unknown, kind: Column["kind"]): Cell {
  return cellOf(typeof value === "number" ? Object(value) : value, kind);
}

async function rowsOf(
  file: AsyncBuffer,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): Promise<unknown[][]> {
  let rows: unknown[][] = [];
  const onComplete = (found: unknown[][]): void => {
    rows = found;
  };
  await parquetRead({ file, metadata, rowStart, rowEnd, onComplete });
  return rows;
}

async function bufferOf(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    slice: async (start, end = size) => {
      const bytes = new Uint8Array(end - start);
      await handle.read(bytes, 0, bytes.length, start);
      return bytes.buffer;
    },
  };
}

/** The columns of a table that an earlier version wrote, where nothing else says what they are. */
export async function columnsOf(file: string): Promise<Column[]> {
  checkRegularFile(file);
  const handle = await open(file);
  try {
    const { schema } = await parquetMetadataAsync(await bufferOf(handle));
    const kinds = { INT64: "integer", DOUBLE: "double", BOOLEAN: "boolean" } as const;
    return schema.slice(1).map(({ name, type }) => ({
      name,
      kind: kinds[type as keyof typeof kinds] ?? "text",
    }));
  } finally {
    await handle.close();
  }
}
