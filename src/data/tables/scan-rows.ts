/** Walks through the rows of a table, in blocks. */
import type { ByteSource } from "./table-bytes.ts";
import { type CutRow, MOST_ROW_BYTES, type RowCells, type RowFormat } from "./row-format.ts";

/** A table whose header was read. */
export interface OpenTable {
  source: ByteSource;
  format: RowFormat;
  /** Where the first row starts, and its line. */
  start: number;
  line: number;
}

export interface ScannedRow {
  /** Where it starts, in bytes of the table. */
  offset: number;
  lines: number;
  cells: RowCells | undefined;
  reason: string | undefined;
}

const BLOCK = 1 << 20;
const TOO_LONG = `a row of more than ${MOST_ROW_BYTES} bytes`;

/** Every row and empty line, in order. */
export function* scanRows({ source, format, start }: OpenTable): Generator<ScannedRow> {
  let from = start;
  let bytes = source.read(from, Math.min(source.size, from + BLOCK));
  for (let offset = start; offset < source.size;) {
    const row = format.cut(bytes, offset - from, from + bytes.length === source.size);
    if (row !== undefined) {
      const end = from + row.end;
      yield { offset, lines: row.lines, cells: row.cells, reason: row.reason };
      offset = end;
      // All of a block may have been used up; the source may have reused it meanwhile.
      if (offset < from + bytes.length) continue;
    } else if (offset === from && bytes.length >= MOST_ROW_BYTES) {
      const end = endOfLine(source, from + bytes.length, format.lineEnd);
      yield { offset, lines: 1, cells: undefined, reason: TOO_LONG };
      offset = end;
    }
    const length = offset === from ? 2 * bytes.length : BLOCK;
    from = offset;
    bytes = source.read(from, Math.min(source.size, from + length));
  }
}

function endOfLine(source: ByteSource, start: number, lineEnd: number): number {
  for (let from = start; from < source.size; from += BLOCK) {
    const found = source.read(from, Math.min(source.size, from + BLOCK)).indexOf(lineEnd);
    if (found >= 0) return from + found + 1;
  }
  return source.size;
}

/** The row between two offsets, as the scan gave it. Throws what the source throws. */
export function readRow({ source, format }: OpenTable, start: number, end: number): CutRow {
  const long = end - start > MOST_ROW_BYTES;
  const bytes = source.read(start, long ? start + MOST_ROW_BYTES : end);
  return format.cut(bytes, 0, !long) ?? { end, lines: 1, reason: TOO_LONG };
}
