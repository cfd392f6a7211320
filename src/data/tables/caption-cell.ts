/** Captions, labels and paths as cells of tables hold them. */

/**
 * The captions of a cell: a string, a list of strings, or a list written as JSON or as Python prints
 * it (pandas does). A missing or empty cell has none. Undefined for what is none of these.
 */
export function captionsOfCell(cell: unknown): string[] | undefined {
  if (cell === undefined || cell === null) return [];
  if (Array.isArray(cell)) return stringsOf(cell);
  if (typeof cell === "number" || typeof cell === "bigint") return [String(cell)];
  if (typeof cell !== "string") return undefined;
  if (/^\s*\[\s*["'\]]/.test(cell)) {
    const list = listOf(cell);
    if (list !== undefined) return list;
    // A caption that merely starts like a list.
  }
  return cell.trim() === "" ? [] : [cell];
}

/** Nulls are left out, as they hold no caption. */
function stringsOf(list: readonly unknown[]): string[] | undefined {
  const strings = list.filter((item) => item !== null);
  return strings.every((item) => typeof item === "string") ? strings : undefined;
}

function listOf(text: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? stringsOf(list) : undefined;
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

/** The path in a cell: a string, or an object with a `path`, as `datasets` writes pictures. */
export function pathOfCell(cell: unknown): string | undefined {
  if (typeof cell === "object" && cell !== null && "path" in cell) return pathOfCell(cell.path);
  if (typeof cell !== "string") return undefined;
  return cell.trim() === "" ? undefined : cell.trim();
}

/** `https://`, `s3://`, `gs://` and their kin. */
export function isWebAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}
