/** The rows of a Parquet file of metadata, in order, a page of each column in memory. */
import { ColumnCursor } from "../data/parquet/column-cursor.ts";
import type { RowGroup, SchemaTree } from "hyparquet";

import { ParquetFile, type LeafPath } from "../data/parquet/parquet-file.ts";
import { DataError } from "../errors.ts";
import { readingReason } from "../files/regular-file.ts";

/** Integers are numbers where a double holds them, else bigint, as in samples' records. */
export type MetadataRecord = Record<string, unknown>;

/** Columns of simple values, and of lists of them. */
interface ReadColumn {
  readonly name: string;
  readonly leaf: LeafPath;
}

export class MetadataFile {
  readonly file: string;
  readonly rows: number;
  readonly #parquet: ParquetFile;
  readonly #columns: ReadColumn[] = [];
  /** Names of columns of structs, which are not read. */
  readonly unread: string[] = [];

  /** throws  DataError naming the file for what is no Parquet */
  constructor(file: string) {
    this.file = file;
    try {
      this.#parquet = new ParquetFile(file);
      this.rows = this.#parquet.groups.reduce((sum, group) => sum + rowsOf(group), 0);
      for (const column of this.#parquet.columns) {
        const { name } = column.element;
        const below = namesBelow(column);
        if (below) this.#columns.push({ name, leaf: this.#parquet.leaf(column, ...below) });
        else this.unread.push(name);
      }
    } catch (cause) {
      throw refused(file, cause);
    }
  }

  /** The columns that are read. */
  get columns(): string[] {
    return this.#columns.map(({ name }) => name);
  }

  /** Reads rows from `start` on. */
  from(start: number): MetadataCursor {
    return new MetadataCursor(this.file, this.#parquet, this.#columns, start);
  }
}

/** Takes any number of rows one after another. */
export class MetadataCursor {
  readonly #file: string;
  readonly #parquet: ParquetFile;
  readonly #columns: readonly ReadColumn[];
  /** The row group at hand, its rows that are left, and its columns there. */
  #group = -1;
  #left = 0;
  #cursors: ColumnCursor[] = [];
  /** Rows to pass over. */
  #skip: number;

  constructor(file: string, parquet: ParquetFile, columns: readonly ReadColumn[], start: number) {
    this.#file = file;
    this.#parquet = parquet;
    this.#columns = columns;
    this.#skip = start;
  }

  /** The next `count` rows. throws  DataError naming the file for damage, or where it has fewer */
  async take(count: number): Promise<MetadataRecord[]> {
    const rows: MetadataRecord[] = [];
    try {
      while (rows.length < count) {
        while (this.#left === 0) await this.#open();
        const size = Math.min(this.#left, count - rows.length);
        const values = await this.#values(size);
        for (let i = 0; i < size; i++) {
          const cells = this.#columns.map(({ name }, c) => [name, plain(values[c]![i])] as const);
          rows.push(Object.fromEntries(cells));
        }
      }
    } catch (cause) {
      throw refused(this.#file, cause);
    }
    return rows;
  }

  /** Goes to the next row group, past the rows that are not wanted. */
  async #open(): Promise<void> {
    const group = this.#parquet.groups[++this.#group];
    if (group === undefined) throw new Error("it has fewer rows than it says");
    this.#left = rowsOf(group);
    const skip = Math.min(this.#skip, this.#left);
    this.#skip -= skip;
    if (skip === this.#left) {
      this.#left = 0;
      return;
    }
    this.#cursors = this.#columns.map(
      ({ leaf }) => new ColumnCursor(this.#parquet.pages(group, leaf)),
    );
    if (skip > 0) await this.#values(skip);
  }

  async #values(count: number): Promise<unknown[][]> {
    const values: unknown[][] = [];
    for (const cursor of this.#cursors) values.push(await cursor.takeMany(count));
    this.#left -= count;
    return values;
  }
}

function refused(file: string, cause: unknown): DataError {
  return new DataError(
    `Expected a Parquet file of metadata at ${file} but ${readingReason(cause)}; write it again`,
    { source: file },
    { cause },
  );
}

function rowsOf({ num_rows: count }: RowGroup): number {
  const rows = Number(count);
  if (Number.isSafeInteger(rows) && rows >= 0) return rows;
  throw new Error(`a row group says that it has ${count} rows`);
}

/** The names down to the values of a simple column or a list; undefined for a struct. */
function namesBelow(column: SchemaTree): string[] | undefined {
  const names: string[] = [];
  for (let node = column; node.children.length > 0; node = node.children[0]!) {
    if (node.children.length > 1) return undefined;
    names.push(node.children[0]!.element.name);
  }
  return names;
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map(plain);
  return value ?? null;
}
