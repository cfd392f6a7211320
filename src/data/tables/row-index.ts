/**
 * Where each sample of a table is, so that samples can be read in any order: 8 bytes a row and 4 a
 * sample, and 8 more where rows share a picture. Nothing of the rows themselves is kept.
 */
import { setImmediate } from "node:timers/promises";
import { NumberBlocks } from "../../arrays/growing.ts";
import { KeyTable } from "./row-keys.ts";
import type { RowCells } from "./row-format.ts";
import { type OpenTable, readRow, scanRows } from "./scan-rows.ts";

/** Other work of the thread runs after this many rows. */
const SLICE = 1 << 13;
const MOST_ROWS = 2 ** 32 - 2;

/** A row with its line, counted from 1. */
export type NumberedRow = { line: number } & (
  { cells: RowCells; reason?: undefined } | { reason: string; cells?: undefined }
);

/** What joins rows; undefined for a row that cannot be used, which is an entry by itself. */
export type KeyOf = (cells: RowCells) => string | undefined;

export class RowIndex {
  readonly #table: OpenTable;
  readonly #offsets: NumberBlocks<Float64Array> = new NumberBlocks(Float64Array);
  /** First row of each entry. */
  readonly #first: NumberBlocks<Uint32Array> = new NumberBlocks(Uint32Array);
  /** From the first row that joins an entry on: the next row of a row's entry; 0 for none. */
  #next: NumberBlocks<Uint32Array> | undefined;
  /** Rows whose line does not follow from the row before, and their lines. */
  readonly #jumpRows: NumberBlocks<Uint32Array> = new NumberBlocks(Uint32Array);
  readonly #jumpLines: NumberBlocks<Float64Array> = new NumberBlocks(Float64Array);

  private constructor(table: OpenTable) {
    this.#table = table;
  }

  /**
   * Reads the table once. Rows with one key become one entry, in the place of the first.
   *
   * throws   Error with a short reason if the table cannot be read, or has 2^32 rows
   */
  static async build(table: OpenTable, keyOf: KeyOf): Promise<RowIndex> {
    const index = new RowIndex(table);
    await index.#fill(keyOf);
    return index;
  }

  get length(): number {
    return this.#first.length;
  }

  /** The rows of an entry, in order. Throws what the table's bytes throw. */
  rowsOf(entry: number): NumberedRow[] {
    const rows: NumberedRow[] = [];
    let row = this.#first.at(entry);
    do {
      rows.push(this.#read(row));
      row = this.#next?.at(row) ?? 0;
    } while (row !== 0);
    return rows;
  }

  async #fill(keyOf: KeyOf): Promise<void> {
    const keys = new KeyTable((entry) => {
      const { cells } = this.#read(this.#first.at(entry));
      return cells && keyOf(cells);
    });
    /** Last row of each entry, once rows are joined. */
    let last: NumberBlocks<Uint32Array> | undefined;
    let line = this.#table.line;
    let expected = NaN;
    for (const scanned of scanRows(this.#table)) {
      const start = line;
      line += scanned.lines;
      const { cells, reason, offset } = scanned;
      if (cells === undefined && reason === undefined) continue;
      const row = this.#offsets.length;
      if (row === MOST_ROWS) throw new Error(`more than ${MOST_ROWS} rows`);
      this.#offsets.push(offset);
      if (start !== expected) {
        this.#jumpRows.push(row);
        this.#jumpLines.push(start);
      }
      expected = start + 1;
      this.#next?.push(0);
      const key = cells && keyOf(cells);
      const known = key === undefined ? undefined : keys.findOrAdd(key);
      if (known === undefined) {
        if (key === undefined) keys.skip();
        this.#first.push(row);
        last?.push(row);
      } else {
        last ??= copyOf(this.#first);
        this.#next ??= zeros(row + 1);
        this.#next.set(last.at(known), row);
        last.set(known, row);
      }
      if (row % SLICE === 0) await setImmediate();
    }
  }

  #read(row: number): NumberedRow {
    const isLast = row + 1 === this.#offsets.length;
    const end = isLast ? this.#table.source.size : this.#offsets.at(row + 1);
    const { cells, reason } = readRow(this.#table, this.#offsets.at(row), end);
    const line = this.#lineOf(row);
    return cells === undefined ? { line, reason: reason ?? "an empty row" } : { line, cells };
  }

  #lineOf(row: number): number {
    let [low, high] = [0, this.#jumpRows.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#jumpRows.at(middle) <= row) low = middle;
      else high = middle;
    }
    return this.#jumpLines.at(low) + row - this.#jumpRows.at(low);
  }
}

function copyOf(array: NumberBlocks<Uint32Array>): NumberBlocks<Uint32Array> {
  const copy = new NumberBlocks(Uint32Array);
  for (let i = 0; i < array.length; i++) copy.push(array.at(i));
  return copy;
}

function zeros(length: number): NumberBlocks<Uint32Array> {
  const array = new NumberBlocks(Uint32Array);
  for (let i = 0; i < length; i++) array.push(0);
  return array;
}
