/**
 * JSON Lines, an object a line, and a list of objects. Only line feeds end a line; U+2028 and its kin
 * stand in strings.
 */
import { DataError } from "../../errors.ts";
import { parseJson } from "../../files/json-text.ts";
import type { ByteSource } from "./table-bytes.ts";
import {
  chooseColumns,
  type ChosenColumns,
  isPictureName,
  suitability,
  type WantedColumns,
} from "./columns.ts";
import { pathOfCell } from "./caption-cell.ts";
import { type OpenFormat, whyNotText } from "./delimited-format.ts";
import { cutElement, listStart } from "./json-array.ts";
import type { CutRow, ReadJson, RowFormat } from "./row-format.ts";

/** Objects and bytes in which the names of columns are looked for. */
const MOST_OBJECTS = 1000;
const MOST_BYTES = 1 << 20;

/**
 * Looks at the keys of the first objects, of lines or of a list. Where lines hold fewer objects than stand
 * there one behind the other, these are read however they are set out: over several lines, several in a
 * line, or with commas behind them. Where there is no object at all, the default names are taken, and
 * each line says what is wrong with it.
 *
 * throws   DataError for objects without the wanted keys, and for one object that holds a whole table
 */
export function openJson(
  source: ByteSource,
  { file, wanted }: { file: string; wanted: WantedColumns },
): OpenFormat {
  const head = Buffer.from(source.read(0, Math.min(source.size, MOST_BYTES)));
  const whole = head.length === source.size;
  const list = listStart(head);
  const start = list ?? 0;
  const begin = head.subarray(start);
  const lines = list === undefined ? firstObjects(begin, whole, cutLine) : undefined;
  const elements = firstObjects(begin, whole, cutElement);
  const inLines = lines !== undefined && lines.count >= elements.count;
  const cut = inLines ? cutLine : cutElement;
  const { names, count, last } = inLines ? lines : elements;
  const cutOff = list === undefined && count === 0 && /^\s*\{\s*\n/.test(head.toString("latin1"));
  if (cutOff || (list === undefined && whole && count === 1 && holdsTable(last!, wanted))) {
    throw new DataError(
      `Expected lines of JSON objects or a list of them for ${file} but received one object, such as ` +
        `COCO's annotations or a frame of pandas; write a row for each picture, such as ` +
        `{"image": ..., "captions": [...]} (pandas: to_json(file, orient="records", lines=True))`,
      { source: file },
    );
  }
  const columns: ChosenColumns =
    names.length === 0
      ? {
          image: wanted.image ?? "image",
          caption: wanted.caption ?? "caption",
          label: wanted.label,
        }
      : chooseColumns(names, wanted, file);
  const before = head.subarray(0, start).filter((byte) => byte === 10).length;
  return { format: jsonFormat(columns, cut), start, line: 1 + before, columns };
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** Whether the only object of a file is no row: it holds objects or whole columns, or names pictures. */
function holdsTable(record: Record<string, unknown>, wanted: WantedColumns): boolean {
  const names = Object.keys(record);
  if (names.includes("annotations") || (names.length > 0 && names.every(isPictureName)))
    return true;
  const image = names.filter((name) => suitability([name], wanted) > 0).map((name) => record[name]);
  if (image.some((value) => pathOfCell(value) !== undefined)) return false;
  const isLarge = (value: unknown): boolean => typeof value === "object" && value !== null;
  const rows = Object.values(record).filter(Array.isArray).flat().some(isLarge);
  return (
    rows || image.some(isLarge) || (image.length === 0 && Object.values(record).some(isEmptyList))
  );
}

interface FirstObjects {
  names: string[];
  count: number;
  last: Record<string, unknown> | undefined;
}

function firstObjects(head: Buffer, whole: boolean, cut: typeof cutLine): FirstObjects {
  const names = new Set<string>();
  const found: FirstObjects = { names: [], count: 0, last: undefined };
  const collect: ReadJson = (bytes, from, to) => {
    const object = parseObject(bytes.toString("utf8", from, to));
    if ("reason" in object) return object;
    found.count++;
    found.last = object.record;
    for (const name of Object.keys(object.record)) names.add(name);
    return {};
  };
  let others = 0;
  for (let start = 0; start < head.length && found.count < MOST_OBJECTS;) {
    const row = cut(head, start, whole || found.count === 0, collect);
    // Each costs an error.
    if (row === undefined || (row.reason !== undefined && ++others > MOST_OBJECTS)) break;
    start = row.end;
  }
  return { ...found, names: [...names] };
}

/** Cuts lines of JSON, or elements of a list; `columns` are keys. */
export function jsonFormat(
  { image, caption, label }: ChosenColumns,
  cut: typeof cutLine = cutLine,
): RowFormat {
  const read: ReadJson = (bytes, start, end) => {
    const text = bytes.toString("utf8", start, end);
    const wrong = whyNotText([text], bytes.subarray(start, end));
    if (wrong !== undefined) return { reason: wrong };
    const object = parseObject(text);
    if ("reason" in object) return object;
    const get = (name: string | undefined): unknown =>
      name !== undefined && Object.hasOwn(object.record, name) ? object.record[name] : undefined;
    return {
      cells: {
        image: get(image),
        caption: get(caption),
        label: get(label),
        others: () => othersOf(text, [image, caption, label]),
      },
    };
  };
  return { lineEnd: 10, cut: (bytes, start, last) => cut(bytes, start, last, read) };
}

/** What an object holds under other names, whole numbers that are floats (1.0) as Number objects. */
function othersOf(text: string, chosen: readonly (string | undefined)[]): Record<string, unknown> {
  const object = parseObject(text, "marked");
  const entries = Object.entries("record" in object ? object.record : {});
  return Object.fromEntries(entries.filter(([name]) => !chosen.includes(name)));
}

/** The line at `start`; a blank one is empty. */
function cutLine(bytes: Buffer, start: number, last: boolean, read: ReadJson): CutRow | undefined {
  const found = bytes.indexOf(10, start);
  if (found < 0 && !last) return undefined;
  const lineEnd = found < 0 ? bytes.length : found;
  const cut = { end: Math.min(bytes.length, lineEnd + 1), lines: 1 };
  let at = start;
  while (at < lineEnd && bytes[at]! <= 0x20) at++;
  return at === lineEnd ? cut : { ...cut, ...read(bytes, start, lineEnd) };
}

function parseObject(
  text: string,
  floats: "plain" | "marked" = "plain",
): { record: Record<string, unknown> } | { reason: string } {
  try {
    const value = parseJson(text, { floats });
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { record: value as Record<string, unknown> };
    }
    return { reason: "not a JSON object" };
  } catch (error) {
    return { reason: `not JSON (${(error as Error).message})` };
  }
}
