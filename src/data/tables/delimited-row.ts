/**
 * One row of CSV or TSV, as programs and people write them.
 *
 * A cell is quoted where its first byte is a quote and another quote ends it: behind that one comes the
 * delimiter or the end of the line. Every other quote is text. Inside, two quotes are one (RFC 4180), or
 * a backslash stands before each, whichever makes the row as wide as the header. A quoted cell may hold
 * line breaks, unless the lines in it are rows themselves: then its quotes were text.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CR = 0x0d;
const SPACE = 0x20;

/** A quoted cell is no longer than this; what would be has a quote that nothing ends. */
const MOST_CELL_BYTES = 1 << 20;

export interface Dialect {
  /** As a byte. */
  delimiter: number;
  /** 10 (carriage returns before it belong to it), or 13. */
  lineEnd: number;
  /** Blanks behind a delimiter belong to it. */
  spaced: boolean;
}

export interface RowShape extends Dialect {
  /** Cells of a row. */
  width: number;
  /** Whether a line without any quoting is a row of its own: whether its cells are. */
  isRow: (cells: string[]) => boolean;
}

/** Where the cells of a row are. Quoted ones are without their quotes. */
export interface DelimitedRow {
  /** Where the next row starts. */
  end: number;
  /** Start, end and how it is quoted, cell after cell. */
  spans: number[];
  multiline: boolean;
}

const PLAIN = 0;
const DOUBLED = 1;
const ESCAPED = 2;
/** Quoted, with nothing in it to be undone. */
const BARE = 3;

/** `lines`: doubled, and the row ends with its line. */
type Quoting = "doubled" | "backslash" | "lines";

const NONE = -1;
const MORE = -2;

/** The row at `start`; undefined where it might go on behind the bytes (never with `last`). */
export function cutDelimited(
  bytes: Buffer,
  start: number,
  last: boolean,
  shape: RowShape,
): DelimitedRow | undefined {
  const plain = cutCells(bytes, start, last, shape, "doubled");
  if (plain === undefined || fits(plain, bytes, start, shape)) return plain;
  if (bytes.subarray(start, plain.end).includes('\\"')) {
    const escaped = cutCells(bytes, start, last, shape, "backslash");
    if (escaped === undefined || fits(escaped, bytes, start, shape)) return escaped;
  }
  // No row that is too long or too short takes another with it.
  return plain.multiline ? cutCells(bytes, start, last, shape, "lines") : plain;
}

function fits(row: DelimitedRow, bytes: Buffer, start: number, shape: RowShape): boolean {
  if (!isAsWide(row, bytes, shape.width)) return false;
  return !row.multiline || !holdsRows(bytes.subarray(start, row.end), shape);
}

/** Whether a row has so many cells; spreadsheets and scripts put empty ones behind them. */
export function isAsWide(row: DelimitedRow, bytes: Buffer, width: number): boolean {
  const cells = row.spans.length / 3;
  for (let cell = width; cell < cells; cell++) {
    if (cellText(bytes, row, cell).trim() !== "") return false;
  }
  return cells >= width;
}

/** Whether the first line of a row and another one are rows by themselves. */
function holdsRows(bytes: Buffer, { delimiter, lineEnd, isRow }: RowShape): boolean {
  const [first = "", ...others] = bytes.toString("utf8").split(String.fromCharCode(lineEnd));
  const alone = (line: string): boolean =>
    isRow(line.replace(/\r+$/, "").split(String.fromCharCode(delimiter)));
  return alone(first) && others.some(alone);
}

/** The row at `start`, however many cells it has. */
export function cutCells(
  bytes: Buffer,
  start: number,
  last: boolean,
  dialect: Dialect,
  quoting: Quoting,
): DelimitedRow | undefined {
  const { delimiter, lineEnd, spaced } = dialect;
  const limit = bytes.length;
  const spans: number[] = [];
  let multiline = false;
  for (let at = start; ; at++) {
    let from = at;
    if (spaced) while (bytes[from] === SPACE) from++;
    const close = bytes[from] === QUOTE ? closingQuote(bytes, from, last, dialect, quoting) : NONE;
    if (close === MORE) return undefined;
    if (close === NONE) {
      while (at < limit && bytes[at] !== delimiter && bytes[at] !== lineEnd) at++;
      if (at === limit && !last) return undefined;
      let end = at;
      if (bytes[at] !== delimiter) while (end > from && bytes[end - 1] === CR) end--;
      spans.push(Math.min(from, at), end, PLAIN);
    } else {
      const inside = bytes.subarray(from + 1, close);
      multiline ||= inside.includes(lineEnd);
      const bare = !inside.includes(QUOTE);
      spans.push(from + 1, close, bare ? BARE : quoting === "backslash" ? ESCAPED : DOUBLED);
      at = close + 1;
      if (lineEnd !== CR) while (bytes[at] === CR) at++;
    }
    if (at >= limit) return { end: limit, spans, multiline };
    if (bytes[at] === lineEnd) return { end: at + 1, spans, multiline };
  }
}

/** The quote that ends the cell whose first byte is the quote at `open`. */
function closingQuote(
  bytes: Buffer,
  open: number,
  last: boolean,
  { delimiter, lineEnd }: Dialect,
  quoting: Quoting,
): number {
  const limit = bytes.length;
  for (let at = open + 1; ; at++) {
    if (at - open > MOST_CELL_BYTES) return NONE;
    if (at >= limit) return last ? NONE : MORE;
    const byte = bytes[at];
    if (byte === lineEnd && quoting === "lines") return NONE;
    if (byte === BACKSLASH && quoting === "backslash") at++;
    if (byte !== QUOTE) continue;
    if (at + 2 >= limit && !last) return MORE;
    const next = bytes[at + 1];
    if (next === QUOTE) at++;
    else if (next === undefined || next === delimiter || next === lineEnd) return at;
    else if (next !== CR) return NONE;
    else {
      let behind = at + 2;
      while (bytes[behind] === CR) behind++;
      if (behind >= limit) return last ? at : MORE;
      return bytes[behind] === lineEnd ? at : NONE;
    }
  }
}

/** Text of a cell. Bytes that are not UTF-8 become U+FFFD. */
export function cellText(bytes: Buffer, { spans }: DelimitedRow, cell: number): string {
  const [start, end, kind] = [spans[3 * cell]!, spans[3 * cell + 1]!, spans[3 * cell + 2]!];
  const text = bytes.toString("utf8", start, end);
  if (kind === DOUBLED) return text.replaceAll('""', '"');
  return kind === ESCAPED ? text.replace(/\\(["\\])|""/g, (_, what?: string) => what ?? '"') : text;
}
