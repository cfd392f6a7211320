/**
 * The header of an array in numpy's format (numpy.lib.format, versions 1.0 to 3.0): a Python literal,
 * which a parser of its own reads.
 *
 *     6 bytes   \x93NUMPY         2 bytes   version
 *     2 or 4    n, little-endian  n bytes   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}
 */
import type { DType } from "../torch/index.ts";

export interface NpyHeader {
  /** Undefined for a type that limn does not read. */
  readonly dtype: DType | undefined;
  /** `descr` as the file has it. */
  readonly storedAs: string;
  readonly shape: readonly number[];
  readonly fortranOrder: boolean;
  /** Bytes of everything before the elements. */
  readonly length: number;
}

/** numpy's own writer stays below 64 kB for any shape. */
export const mostNpyHeader = 1 << 16;

/**
 * Without the mark of byte order, which must be little. bfloat16 is no type of numpy: jax's arrays
 * of it are written as two bytes without a type, V2.
 */
const dtypes: Record<string, DType> = {
  f4: "float32",
  f8: "float64",
  f2: "float16",
  V2: "bfloat16",
  i8: "int64",
  i4: "int32",
  i2: "int16",
  i1: "int8",
  u1: "uint8",
  b1: "bool",
};

export function isNpy(bytes: Uint8Array): boolean {
  return bytes[0] === 0x93 && Buffer.from(bytes.subarray(1, 6)).toString("latin1") === "NUMPY";
}

/**
 * bytes   the beginning of the array's file; only what the header states is read
 * throws  Error with the cause alone
 */
export function parseNpyHeader(bytes: Uint8Array): NpyHeader {
  if (!isNpy(bytes) || bytes.length < 12) throw new Error("it has no header of numpy's format");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) throw new Error(`it has version ${version} of numpy's format`);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > mostNpyHeader) throw new Error(`its header claims ${length} bytes`);
  if (start + length > bytes.length) throw new Error("it is cut off inside its header");
  const text = Buffer.from(bytes.subarray(start, start + length)).toString("utf8");
  const { descr, fortran_order: fortranOrder, shape, ...rest } = parseDict(text);
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw new Error(`its header has the unknown field ${unknown}`);
  if (typeof fortranOrder !== "boolean") throw new Error("its header has no fortran_order");
  if (!Array.isArray(shape)) throw new Error("its header has no shape");
  if (typeof descr !== "string") throw new Error("its elements have several fields");
  const count = shape.reduce((product: number, side) => product * side, 1);
  if (!Number.isSafeInteger(count * 8)) throw new Error(`its shape is (${shape.join(", ")})`);
  // "=" and no mark at all mean the machine that wrote; only little-endian ones are left.
  const known = /^[<|=]?([a-zA-Z]\d+)$/.exec(descr)?.[1] ?? "";
  const dtype = Object.hasOwn(dtypes, known) ? dtypes[known] : undefined;
  return { dtype, storedAs: descr, shape, fortranOrder, length: start + length };
}

type Literal = string | boolean | number[];

const token = /\s*(?:'([^'\\]*)'|"([^"\\]*)"|(True|False)|(\d{1,16})L?|([{}():,[\]])|($))/y;

/** Reads `{'key': value, ...}` whose values are strings, truths and tuples of counts. */
function parseDict(text: string): Record<string, Literal | undefined> {
  token.lastIndex = 0;
  const fields: Record<string, Literal> = Object.create(null) as Record<string, Literal>;
  expect(next(text), "{");
  for (;;) {
    const key = next(text);
    if (key === "}") break;
    if (typeof key !== "object" || typeof key.literal !== "string") throw malformed();
    expect(next(text), ":");
    fields[key.literal] = readLiteral(text);
    const after = next(text);
    if (after === "}") break;
    expect(after, ",");
  }
  expect(next(text), "");
  return fields;
}

function readLiteral(text: string): Literal {
  const first = next(text);
  if (typeof first === "object" && typeof first.literal !== "number") return first.literal;
  expect(first, "(");
  const sides: number[] = [];
  for (;;) {
    const side = next(text);
    if (side === ")") return sides;
    if (typeof side !== "object" || typeof side.literal !== "number") throw malformed();
    sides.push(side.literal);
    const after = next(text);
    if (after === ")") return sides;
    expect(after, ",");
  }
}

/** A literal, a mark, or "" at the end. */
function next(text: string): string | { literal: string | boolean | number } {
  const found = token.exec(text);
  if (found === null) throw malformed();
  const [, single, double, truth, digits, mark] = found;
  const quoted = single ?? double;
  if (quoted !== undefined) return { literal: quoted };
  if (truth !== undefined) return { literal: truth === "True" };
  if (digits !== undefined) return { literal: Number(digits) };
  return mark ?? "";
}

function expect(found: unknown, wanted: string): void {
  if (found !== wanted) throw malformed();
}

function malformed(): Error {
  return new Error("its header is not what numpy writes");
}
