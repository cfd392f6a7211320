/** What cuts a table's bytes into rows, and what a row gives. */

/** The cells that limn reads of a row; undefined where the row has none. */
export interface RowCells {
  image: unknown;
  caption: unknown;
  label: unknown;
  /** The other cells by the names of their columns, made when asked for. throws  Error for what is no text */
  others?: () => Record<string, unknown>;
}

/** A row, or why it is not one; an empty line is neither. `end` is where the next one starts. */
export interface CutRow {
  end: number;
  /** Line breaks in it. */
  lines: number;
  cells?: RowCells;
  reason?: string;
}

/** The row that stands in some bytes as JSON. */
export type ReadJson = (
  bytes: Buffer,
  start: number,
  end: number,
) => Pick<CutRow, "cells" | "reason">;

export interface RowFormat {
  /** The byte that ends a line. */
  readonly lineEnd: number;
  /**
   * The row that starts at `start` of `bytes`, or undefined where it might go on behind them. With
   * `last` nothing comes behind them. Never throws for bad data.
   */
  cut(bytes: Buffer, start: number, last: boolean): CutRow | undefined;
}

/** A row of more bytes than this is not read. */
export const MOST_ROW_BYTES = 16 << 20;

/** Why bytes that stand for text are not; they may be all of a row or one cell. */
export const NOT_UTF8 = "bytes that are not UTF-8; save the table as UTF-8";
