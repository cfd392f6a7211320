/**
 * Matrices as NumPy's `.npy` files, format version 1.0: a header of one line, then the rows.
 * numpy.lib.format describes it.
 */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { DataError } from "../errors.ts";
import { fromHalf, toHalf } from "./half.ts";

export type NpyPrecision = "float32" | "float16";

/** Bytes of the header that is written: room for any count, a multiple of 64 as NumPy has it. */
const HEADER_BYTES = 128;
const MAGIC = "\x93NUMPY\x01\x00";
const DTYPES: Record<NpyPrecision, string> = { float32: "<f4", float16: "<f2" };

/** Writes a matrix whose rows come one batch after another; their number is known at the end. */
export class NpyWriter {
  readonly file: string;
  readonly #dim: number;
  readonly #precision: NpyPrecision;
  readonly #descriptor: number;
  #rows = 0;
  #open = true;

  /**
   * Creates `file`, or empties it.
   *
   * throws  DataError where it cannot be written
   */
  constructor(file: string, dim: number, precision: NpyPrecision) {
    this.file = file;
    this.#dim = dim;
    this.#precision = precision;
    this.#descriptor = orExplain(file, () => openSync(file, "w"));
    orExplain(file, () => this.#write(header(0, dim, precision), 0));
  }

  get rows(): number {
    return this.#rows;
  }

  /** rows [N, D] row-major. Throws RangeError for a part of a row; DataError for a full disk. */
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
    orExplain(this.file, () => this.#write(bytes, at));
    this.#rows += count;
  }

  /** Writes the count into the header and syncs the file. */
  finish(): void {
    orExplain(this.file, () => {
      this.#write(header(this.#rows, this.#dim, this.#precision), 0);
      fsyncSync(this.#descriptor);
    });
    this.#close();
  }

  /** Removes the file. */
  discard(): void {
    this.#close();
    rmSync(this.file, { force: true });
  }

  #close(): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }

  #write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
    }
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

function orExplain<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new DataError(
      `Expected a file that can be written at ${file} but received ${code}; free some space or ` +
        "choose another folder",
      { source: file },
      { cause },
    );
  }
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
    bytes = readFileSync(file);
  } catch (cause) {
    throw refuse(String((cause as NodeJS.ErrnoException).code), { cause });
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096));
  const start = text.toString("latin1");
  if (!start.startsWith(MAGIC) || bytes.length < 10) throw refuse("no file of format version 1.0");
  const begin = 10 + text.readUInt16LE(8);
  const line = start.slice(10, begin);
  const [, dtype, order, height, width] =
    /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \((\d+), (\d+)\), \} *\n$/.exec(
      line,
    ) ?? [];
  const precision = (["float32", "float16"] as const).find((one) => DTYPES[one] === dtype);
  if (precision === undefined || order !== "False") throw refuse(JSON.stringify(line.trim()));
  const [rows, dim] = [Number(height), Number(width)];
  const size = rows * dim * (precision === "float16" ? 2 : 4);
  if (bytes.length - begin !== size) {
    throw refuse(`${bytes.length - begin} bytes for [${rows}, ${dim}] ${precision}`);
  }
  // A copy starts where typed arrays may.
  const body = Uint8Array.from(bytes.subarray(begin)).buffer;
  const data = precision === "float16" ? fromHalf(new Uint16Array(body)) : new Float32Array(body);
  return { data, rows, dim, precision };
}
