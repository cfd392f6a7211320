/**
 * Arrays in NumPy's `.npy` format (numpy.lib.format, versions 1.0 to 3.0): the header of any array,
 * and matrices of float32 or float16 read and written whole. The header is a Python literal, which a
 * parser of its own reads.
 *
 *     6 bytes   \x93NUMPY         2 bytes   version
 *     2 or 4    n, little-endian  n bytes   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}
 */
import { DataError } from "../errors.ts";
import { readRegular, readingReason } from "./regular-file.ts";
import { AtomicFile } from "./atomic-write.ts";
import { fromHalf, toHalf } from "./half.ts";

/** The element types that limn knows. */
export type NpyElement =
  | "float64"
  | "float32"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool";

export interface NpyHeader {
  /** Undefined for a type that limn does not read. */
  readonly dtype: NpyElement | undefined;
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
const dtypes: Record<string, NpyElement> = {
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
  const { shape, ...header } = parseFields(text);
  const count = shape.reduce((product, side) => product * side, 1);
  if (!Number.isSafeInteger(count * 8)) throw new Error(`its shape is (${shape.join(", ")})`);
  return { ...header, shape, length: start + length };
}

function parseFields(text: string): Omit<NpyHeader, "length"> {
  const { descr, fortran_order: fortranOrder, shape, ...rest } = parseDict(text);
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw new Error(`its header has the unknown field ${unknown}`);
  if (typeof fortranOrder !== "boolean") throw new Error("its header has no fortran_order");
  if (!Array.isArray(shape)) throw new Error("its header has no shape");
  if (typeof descr !== "string") throw new Error("its elements have several fields");
  // "=" and no mark at all mean the machine that wrote; only little-endian ones are left.
  const known = /^[<|=]?([a-zA-Z]\d+)$/.exec(descr)?.[1] ?? "";
  const dtype = Object.hasOwn(dtypes, known) ? dtypes[known] : undefined;
  return { dtype, storedAs: descr, shape, fortranOrder };
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

export type NpyPrecision = "float32" | "float16";

/** Bytes of the header that is written: room for any count, a multiple of 64 as NumPy has it. */
const HEADER_BYTES = 128;
const MAGIC = "\x93NUMPY\x01\x00";
const DTYPES: Record<NpyPrecision, string> = { float32: "<f4", float16: "<f2" };

/**
 * Writes a matrix whose rows come one batch after another; their number is known at the end, when
 * the file appears.
 */
export class NpyWriter {
  readonly #file: AtomicFile;
  readonly #dim: number;
  readonly #precision: NpyPrecision;
  #rows = 0;
  #sealed = false;

  /** throws  StorageError where it cannot be written */
  constructor(file: string, dim: number, precision: NpyPrecision) {
    this.#file = new AtomicFile(file);
    this.#dim = dim;
    this.#precision = precision;
    try {
      this.#file.write(header(0, dim, precision), 0);
    } catch (error) {
      this.#file.discard();
      throw error;
    }
  }

  get file(): string {
    return this.#file.file;
  }

  get rows(): number {
    return this.#rows;
  }

  /** rows [N, D] row-major. Throws RangeError for a part of a row; StorageError for a full disk. */
  append(rows: Float32Array): void {
    const count = rows.length / this.#dim;
    if (!Number.isInteger(count)) {
      throw new RangeError(
        `Expected rows of ${this.#dim} numbers for ${this.file} but received ${rows.length} numbers`,
      );
    }
    const values = this.#precision === "float16" ? toHalf(rows) : rows;
    const at = HEADER_BYTES + this.#rows * this.#dim * values.BYTES_PER_ELEMENT;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#file.write(bytes, at);
    this.#rows += count;
  }

  /** Writes the count into the header and brings all to the disk, still under the temporary name. */
  seal(): void {
    if (this.#sealed) return;
    this.#file.write(header(this.#rows, this.#dim, this.#precision), 0);
    this.#file.seal();
    this.#sealed = true;
  }

  /** Completes the file under its own name. */
  finish(): void {
    this.seal();
    this.#file.finish();
  }

  /** Leaves nothing of an unfinished file. */
  discard(): void {
    this.#file.discard();
  }
}

function header(rows: number, dim: number, precision: NpyPrecision): Uint8Array {
  const shape = `(${rows}, ${dim})`;
  const text = `{'descr': '${DTYPES[precision]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const length = HEADER_BYTES - MAGIC.length - 2;
  const line = `${text.padEnd(length - 1)}\n`;
  if (line.length !== length) throw new RangeError(`internal: no room for ${shape}`);
  const size = String.fromCharCode(length & 0xff, length >> 8);
  return Buffer.from(MAGIC + size + line, "latin1");
}

/** A matrix from a file. */
export interface NpyMatrix {
  /** [rows, dim] row-major; float16 is widened */
  readonly data: Float32Array;
  readonly rows: number;
  readonly dim: number;
  readonly precision: NpyPrecision;
}

/**
 * Reads a matrix of float32 or float16, little-endian and row-major.
 *
 * throws  DataError naming the file for anything else, or one that is longer or shorter than it says
 */
export function readNpy(file: string): NpyMatrix {
  const refuse = (what: string, options?: ErrorOptions): DataError =>
    new DataError(
      `Expected a NumPy file with a matrix of float32 or float16 at ${file} but received ${what}; ` +
        "write it with numpy.save",
      { source: file },
      options,
    );
  let bytes: Uint8Array;
  try {
    bytes = readRegular(file, Infinity);
  } catch (cause) {
    throw refuse(`none (${readingReason(cause)})`, { cause });
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096));
  const start = text.toString("latin1");
  if (!start.startsWith(MAGIC) || bytes.length < 10) throw refuse("no file of format version 1.0");
  const begin = 10 + text.readUInt16LE(8);
  const line = start.slice(10, begin);
  const stored = matrixOf(line);
  if (stored === undefined) throw refuse(JSON.stringify(line.trim()));
  const { rows, dim, precision } = stored;
  const size = rows * dim * (precision === "float16" ? 2 : 4);
  if (bytes.length - begin !== size) {
    throw refuse(`${bytes.length - begin} bytes for [${rows}, ${dim}] ${precision}`);
  }
  // A copy starts where typed arrays may.
  const body = Uint8Array.from(bytes.subarray(begin)).buffer;
  const data = precision === "float16" ? fromHalf(new Uint16Array(body)) : new Float32Array(body);
  return { data, rows, dim, precision };
}

/** What the line says, where it is a row-major matrix of one of the two types. */
function matrixOf(line: string): Omit<NpyMatrix, "data"> | undefined {
  try {
    const { storedAs, shape, fortranOrder } = parseFields(line);
    const precision = (["float32", "float16"] as const).find((one) => DTYPES[one] === storedAs);
    const [rows, dim] = shape;
    if (precision === undefined || fortranOrder || shape.length !== 2) return undefined;
    return rows === undefined || dim === undefined ? undefined : { rows, dim, precision };
  } catch {
    return undefined;
  }
}
