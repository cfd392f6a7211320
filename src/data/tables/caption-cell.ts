/** Captions, labels and paths as cells of tables and values of records hold them. */
import { types } from "node:util";
import { formatJson, parseJson } from "../../files/json-text.ts";

/**
 * The captions of a cell: those of its value, where a text may be a list written as JSON or as Python
 * prints it (pandas does), or `\N`, which is how databases write that there is none.
 */
export function captionsOfCell(cell: unknown): string[] | undefined {
  if (typeof cell !== "string") return captionsOf(cell);
  if (/^\s*\[\s*["'\]]/.test(cell)) {
    const list = listOf(cell);
    if (list !== undefined) return list;
    // A caption that merely starts like a list.
  }
  const text = cell.trim();
  return text === "" || text === "\\N" ? [] : [cell];
}

/** Lists in lists that are one list: of sentences, of paragraphs. */
const DEEPEST_LIST = 4;

/**
 * The captions that a value of JSON or Parquet is: a text, a number (a caption may be "2012"), an object
 * with the text as its `raw` or `caption` (COCO's sentences), or a list of these. Null and NaN are none.
 * Undefined for what is none of these.
 */
export function captionsOf(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return captionOf(value);
  const found = (value as unknown[]).flat(DEEPEST_LIST).map(captionOf);
  return found.includes(undefined) ? undefined : (found as string[][]).flat();
}

function captionOf(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return [];
  if (typeof value === "string") return [value];
  if (typeof value === "bigint") return [String(value)];
  if (isNumber(value)) return Number.isFinite(Number(value)) ? [formatJson(value)] : [];
  if (typeof value !== "object" || Array.isArray(value)) return undefined;
  const { raw, caption = raw } = value as { raw?: unknown; caption?: unknown };
  const text = raw ?? caption;
  return typeof text === "string" ? [text] : undefined;
}

/** Also one of a record whose floats are marked. */
export function isNumber(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" || types.isNumberObject(value);
}

function listOf(text: string): string[] | undefined {
  try {
    const list: unknown = parseJson(text);
    return Array.isArray(list) ? captionsOf(list) : undefined;
  } catch {
    return pythonListOf(text.trim());
  }
}

const PYTHON_ITEM = /\s*(?:'((?:[^'\\\n]|\\[^\n])*)'|"((?:[^"\\\n]|\\[^\n])*)")\s*(,|\]$)/y;

/** A list of strings as Python's `repr` writes it; undefined for anything else. */
function pythonListOf(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  const items: string[] = [];
  PYTHON_ITEM.lastIndex = 1;
  for (let match = PYTHON_ITEM.exec(text); match !== null; match = PYTHON_ITEM.exec(text)) {
    const item = unescapePython(match[1] ?? match[2] ?? "");
    if (item === undefined) return undefined;
    items.push(item);
    if (match[3] === "]") return items;
  }
  return undefined;
}

const SINGLE: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

function unescapePython(text: string): string | undefined {
  let known = true;
  const plain = text.replace(
    /\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|(.))/gs,
    (_, ...parts: (string | undefined)[]) => {
      const [byte, unit, point, single = ""] = parts;
      const code = byte ?? unit ?? point;
      const value = code === undefined ? SINGLE[single] : codePoint(parseInt(code, 16));
      if (value === undefined) known = false;
      return value ?? "";
    },
  );
  return known ? plain : undefined;
}

function codePoint(code: number): string | undefined {
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}

/** The label of a cell as text; none for an empty one. Undefined for a list or an object. */
export function labelOfCell(cell: unknown): { label: string | undefined } | undefined {
  if (cell === undefined || cell === null) return { label: undefined };
  if (typeof cell === "string") return { label: cell.trim() === "" ? undefined : cell.trim() };
  const simple = typeof cell === "number" || typeof cell === "bigint" || typeof cell === "boolean";
  return simple ? { label: String(cell) } : undefined;
}

/** Flickr's captions name a picture with the caption's number behind it: `1000268201.jpg#0`. */
const NUMBERED = /(?<=\.(?:jpe?g|png|webp|gif))#\d{1,3}$/i;

/** The path in a cell: a string, or an object with a `path`, as `datasets` writes pictures. */
export function pathOfCell(cell: unknown): string | undefined {
  if (typeof cell === "object" && cell !== null && "path" in cell) return pathOfCell(cell.path);
  if (typeof cell !== "string") return undefined;
  return cell.trim() === "" ? undefined : cell.trim().replace(NUMBERED, "");
}

/** `https://`, `s3://`, `gs://` and their kin. */
export function isWebAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}
