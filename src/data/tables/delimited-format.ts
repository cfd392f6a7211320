/** CSV, TSV and their kin: finds the delimiter and the columns in the header, then cuts the rows. */
import { isUtf8 } from "node:buffer";
import { DataError } from "../../errors.ts";
import type { ByteSource } from "./table-bytes.ts";
import { chooseColumns, type ChosenColumns, suitability, type WantedColumns } from "./columns.ts";
import {
  cellText,
  cutCells,
  cutDelimited,
  isAsWide,
  type Dialect,
  type RowShape,
} from "./delimited-row.ts";
import { type CutRow, NOT_UTF8, type RowFormat } from "./row-format.ts";

export const DELIMITERS = { comma: ",", tab: "\t", semicolon: ";", pipe: "|" } as const;
export type DelimiterName = keyof typeof DELIMITERS;

export interface DelimitedOptions {
  file: string;
  wanted: WantedColumns;
  /** By default what makes known columns of the header. */
  delimiter?: DelimiterName | undefined;
  /** Tried first. */
  preferred: DelimiterName;
  /** Whether a cell of the image's column can be one, for telling rows from lines of a cell. */
  isImage: (cell: string) => boolean;
}

export interface OpenFormat {
  format: RowFormat;
  /** Where the first row starts, and its line. */
  start: number;
  line: number;
  columns: ChosenColumns;
}

/** Bytes that are read at first. */
const SAMPLE = 1 << 16;

/**
 * Reads the header.
 *
 * throws   DataError for a header without the wanted columns, and for a table without one
 */
export function openDelimited(source: ByteSource, options: DelimitedOptions): OpenFormat {
  const { file, wanted } = options;
  const head = headOf(source);
  const lineEnd = lineEndOf(head);
  let start = 0;
  let line = 1;
  for (; start < head.length && (head[start] === 10 || head[start] === 13); start++) {
    if (head[start] === lineEnd) line++;
  }
  const given = excelDelimiter(head.toString("latin1", start, start + 12));
  if (given !== undefined) {
    start += given.length;
    line += 1;
  }
  const readings = namesOf({ ...options, delimiter: options.delimiter ?? given?.name }).map(
    (name) => readHeader(head, start, lineEnd, name),
  );
  const best = chooseReading(readings, wanted);
  if (best === undefined) {
    throw new DataError(
      `Expected a header with the names of columns in ${file} but received none; ` +
        `begin the table with one line of names`,
      { source: file },
    );
  }
  const { names, dialect, end } = best;
  if (names.some((name) => name.includes("\0"))) {
    throw new DataError(
      `Expected text in UTF-8 for ${file} but received zero bytes, as UTF-16 without its mark has; ` +
        `save it as UTF-8`,
      { source: file },
    );
  }
  const chosen = chooseColumns(names, wanted, file);
  const place = (name: string | undefined): number =>
    name === undefined ? -1 : names.indexOf(name);
  const places: Places = {
    image: place(chosen.image),
    caption: place(chosen.caption),
    label: place(chosen.label),
  };
  // Nobody writes tabs into a caption.
  const sure = dialect.delimiter === 9;
  const isRow = (cells: string[]): boolean => {
    const image = cells[places.image]?.trim() ?? "";
    const isWide =
      cells.length >= names.length && !cells.slice(names.length).some((cell) => cell.trim());
    return isWide && image !== "" && (sure || options.isImage(image));
  };
  const format = delimitedFormat({ ...dialect, width: names.length, isRow }, places, names);
  return { format, start: end, line: line + best.lines, columns: chosen };
}

/**
 * The byte that ends the first line. Spreadsheets on the Mac end lines by carriage returns alone, with
 * line feeds in quoted cells; on Windows Python may write two carriage returns and a line feed.
 */
function lineEndOf(head: Buffer): 10 | 13 {
  let quoted = false;
  for (let at = 0; at < head.length; at++) {
    if (head[at] === 0x22) quoted = !quoted;
    if (quoted || (head[at] !== 10 && head[at] !== 13)) continue;
    while (head[at] === 13) at++;
    return head[at] === 10 || at === head.length ? 10 : 13;
  }
  return head.includes(10) || !head.includes(13) ? 10 : 13;
}

/** The line `sep=;` that Excel understands, and how long it is. */
function excelDelimiter(text: string): { name: DelimiterName; length: number } | undefined {
  const match = /^"?sep=(.)"?(?:\r*\n|\r)/i.exec(text);
  const found = Object.entries(DELIMITERS).find(([, delimiter]) => delimiter === match?.[1]);
  return found && { name: found[0] as DelimiterName, length: match![0].length };
}

/** The first bytes; a header that is longer is none. */
function headOf(source: ByteSource): Buffer {
  const head = source.read(0, Math.min(source.size, SAMPLE));
  if (head.includes(10) || head.length === source.size) return Buffer.from(head);
  return Buffer.from(source.read(0, Math.min(source.size, 16 * SAMPLE)));
}

function namesOf({ delimiter, preferred }: DelimitedOptions): DelimiterName[] {
  if (delimiter !== undefined) return [delimiter];
  const all = Object.keys(DELIMITERS) as DelimiterName[];
  return [preferred, ...all.filter((name) => name !== preferred)];
}

interface HeaderReading {
  names: string[];
  dialect: Dialect;
  end: number;
  lines: number;
}

function readHeader(
  head: Buffer,
  start: number,
  lineEnd: number,
  name: DelimiterName,
): HeaderReading | undefined {
  const delimiter = DELIMITERS[name].charCodeAt(0);
  const plain = { delimiter, lineEnd, spaced: false };
  const line = cutCells(head, start, true, plain, "doubled");
  if (line === undefined || start >= head.length) return undefined;
  const text = head.toString("latin1", start, line.end);
  const [, ...behind] = text.split(DELIMITERS[name]);
  const spaced = behind.length > 0 && behind.every((part) => part.startsWith(" "));
  const dialect = { ...plain, spaced };
  const row = cutCells(head, start, true, dialect, "doubled")!;
  const names = Array.from({ length: row.spans.length / 3 }, (_, i) =>
    cellText(head, row, i).trim(),
  );
  const lines = head.subarray(start, row.end).filter((byte) => byte === lineEnd).length;
  return { names, dialect, end: row.end, lines };
}

/** With the columns that are wanted, else with the most columns; the preferred one of equals. */
function chooseReading(
  readings: (HeaderReading | undefined)[],
  wanted: WantedColumns,
): HeaderReading | undefined {
  const rank = (reading: HeaderReading): number => 1e6 * suitability(reading.names, wanted);
  let best: HeaderReading | undefined;
  for (const reading of readings) {
    if (reading === undefined) continue;
    const score = rank(reading) + reading.names.length;
    if (best === undefined || score > rank(best) + best.names.length) best = reading;
  }
  return best;
}

interface Places {
  image: number;
  caption: number;
  label: number;
}

function delimitedFormat(shape: RowShape, places: Places, names: readonly string[]): RowFormat {
  const wanted = [places.image, places.caption, places.label].filter((place) => place >= 0);
  const others = names.flatMap((name, place) =>
    // Of several columns of one name the first.
    name === "" || wanted.includes(place) || names.indexOf(name) < place ? [] : [{ name, place }],
  );
  return {
    lineEnd: shape.lineEnd,
    cut(bytes, start, last): CutRow | undefined {
      const row = cutDelimited(bytes, start, last, shape);
      if (row === undefined) return undefined;
      const { end } = row;
      const lines = row.multiline ? countLines(bytes.subarray(start, end), shape.lineEnd) : 1;
      const cells = row.spans.length / 3;
      if (!isAsWide(row, bytes, shape.width)) {
        if (cells === 1 && cellText(bytes, row, 0).trim() === "") return { end, lines };
        return { end, lines, reason: wrongWidth(cells, shape) };
      }
      const texts = wanted.map((place) => cellText(bytes, row, place));
      const reason = whyNotText(texts, bytes.subarray(start, end));
      if (reason !== undefined) return { end, lines, reason };
      const at = (place: number): unknown => (place < 0 ? undefined : texts[wanted.indexOf(place)]);
      return {
        end,
        lines,
        cells: {
          image: at(places.image),
          caption: at(places.caption),
          label: at(places.label),
          others: () => {
            const cells = others.map(({ place }) => cellText(bytes, row, place));
            const wrong = whyNotText(cells, bytes.subarray(start, end));
            if (wrong !== undefined) throw new Error(wrong);
            return Object.fromEntries(others.map(({ name }, i) => [name, cells[i]]));
          },
        },
      };
    },
  };
}

function countLines(bytes: Buffer, lineEnd: number): number {
  let count = 0;
  for (let at = bytes.indexOf(lineEnd); at >= 0; at = bytes.indexOf(lineEnd, at + 1)) count++;
  return count;
}

function wrongWidth(cells: number, { width, delimiter }: RowShape): string {
  const name = Object.entries(DELIMITERS).find(([, one]) => one.charCodeAt(0) === delimiter)![0];
  const cure = cells > width ? `; a cell with a ${name} in it needs quotes around it` : "";
  return `${cells} ${cells === 1 ? "cell" : "cells"} where the header has ${width}${cure}`;
}

/** Cells that are text hold no zero byte, and no bytes that are not UTF-8. */
export function whyNotText(texts: readonly string[], bytes: Buffer): string | undefined {
  for (const text of texts) {
    if (text.includes("\0")) return "a zero byte, as text in UTF-16 without its mark has";
    // The mark may stand in the file itself.
    if (text.includes("\uFFFD") && !isUtf8(bytes)) return NOT_UTF8;
  }
  return undefined;
}
