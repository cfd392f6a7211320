/** JSON Lines: an object a line. Only line feeds end a line; U+2028 and its kin stand in strings. */
import { parseJson } from "../../files/json-text.ts";
import type { ByteSource } from "./table-bytes.ts";
import { chooseColumns, type ChosenColumns, type WantedColumns } from "./columns.ts";
import { type OpenFormat, whyNotText } from "./delimited-format.ts";
import type { CutRow, RowFormat } from "./row-format.ts";

/** Objects and bytes in which the names of columns are looked for. */
const MOST_OBJECTS = 1000;
const MOST_BYTES = 1 << 20;

/**
 * Looks at the keys of the first objects. Where none of the first lines is an object, the default
 * names are taken, and each line says what is wrong with it.
 *
 * throws   DataError for objects without the wanted keys
 */
export function openJsonLines(
  source: ByteSource,
  { file, wanted }: { file: string; wanted: WantedColumns },
): OpenFormat {
  const head = Buffer.from(source.read(0, Math.min(source.size, MOST_BYTES)));
  const names = firstNames(head, head.length === source.size);
  const columns: ChosenColumns =
    names.length === 0
      ? {
          image: wanted.image ?? "image",
          caption: wanted.caption ?? "caption",
          label: wanted.label,
        }
      : chooseColumns(names, wanted, file);
  return { format: jsonFormat(columns), start: 0, line: 1, columns };
}

function firstNames(head: Buffer, whole: boolean): string[] {
  const names = new Set<string>();
  let objects = 0;
  for (let start = 0; start < head.length && objects < MOST_OBJECTS;) {
    const found = head.indexOf(10, start);
    if (found < 0 && !whole && objects > 0) break;
    const end = found < 0 ? head.length : found;
    const object = parseObject(head.toString("utf8", start, end));
    if ("record" in object) {
      objects++;
      for (const name of Object.keys(object.record)) names.add(name);
    }
    start = end + 1;
  }
  return [...names];
}

/** Cuts lines of JSON; `columns` are keys. */
export function jsonFormat({ image, caption, label }: ChosenColumns): RowFormat {
  return {
    lineEnd: 10,
    cut(bytes, start, last): CutRow | undefined {
      const found = bytes.indexOf(10, start);
      if (found < 0 && !last) return undefined;
      const lineEnd = found < 0 ? bytes.length : found;
      const [end, lines] = [Math.min(bytes.length, lineEnd + 1), 1];
      const text = bytes.toString("utf8", start, lineEnd);
      const wrong = whyNotText([text], bytes.subarray(start, lineEnd));
      if (wrong !== undefined) return { end, lines, reason: wrong };
      if (text.trim() === "") return { end, lines };
      const object = parseObject(text);
      if ("reason" in object) return { end, lines, reason: object.reason };
      const get = (name: string | undefined): unknown =>
        name !== undefined && Object.hasOwn(object.record, name) ? object.record[name] : undefined;
      const cells = { image: get(image), caption: get(caption), label: get(label) };
      return { end, lines, cells };
    },
  };
}

function parseObject(text: string): { record: Record<string, unknown> } | { reason: string } {
  try {
    const value = parseJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { record: value as Record<string, unknown> };
    }
    return { reason: "not a JSON object" };
  } catch (error) {
    return { reason: `not JSON (${(error as Error).message})` };
  }
}
