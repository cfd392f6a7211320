/** Rows of a matrix in a `.npy` file, read a stretch at a time. */
import { closeSync, fstatSync } from "node:fs";

import { DataError } from "../errors.ts";
import { fromHalf } from "../files/half.ts";
import { mostNpyHeader, parseNpyHeader, type NpyHeader, type NpyPrecision } from "../files/npy.ts";
import { openRegular, readExactly, readingReason } from "../files/regular-file.ts";

const BYTES = { float16: 2, float32: 4 } as const;

export class NpyRows {
  readonly file: string;
  readonly rows: number;
  readonly dim: number;
  readonly precision: NpyPrecision;
  readonly #begin: number;

  /**
   * Reads the header. The file is opened anew for each stretch, so that any number of them can be
   * known at once.
   *
   * throws  DataError naming the file unless it is a whole matrix of float16 or float32,
   *         little-endian, in the order of rows
   */
  constructor(file: string) {
    this.file = file;
    const { length, rows, dim, precision } = this.#guarded((descriptor) => {
      const { size } = fstatSync(descriptor);
      const start = readExactly(descriptor, 0, Math.min(size, mostNpyHeader + 12));
      const header = parseNpyHeader(start);
      const matrix = matrixOf(header);
      const expected = matrix.rows * matrix.dim * BYTES[matrix.precision];
      if (size - header.length === expected) return { length: header.length, ...matrix };
      const shape = `[${matrix.rows}, ${matrix.dim}] ${matrix.precision}`;
      throw new Error(`it has ${size - header.length} bytes for ${shape}, which are ${expected}`);
    });
    this.#begin = length;
    this.rows = rows;
    this.dim = dim;
    this.precision = precision;
  }

  /** Rows `from` to `to` (exclusive) as [to - from, D]; float16 is widened. */
  read(from: number, to: number): Float32Array<ArrayBuffer> {
    const size = this.dim * BYTES[this.precision];
    const { buffer } = this.#guarded((descriptor) =>
      readExactly(descriptor, this.#begin + from * size, (to - from) * size),
    );
    if (this.precision === "float32") return new Float32Array(buffer);
    return fromHalf(new Uint16Array(buffer));
  }

  #guarded<T>(use: (descriptor: number) => T): T {
    try {
      const descriptor = openRegular(this.file);
      try {
        return use(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (cause) {
      throw new DataError(
        `Expected a NumPy file with a matrix of float32 or float16 at ${this.file} but ` +
          `${readingReason(cause)}; write it with numpy.save, of numpy.ascontiguousarray(x, '<f4')`,
        { source: this.file },
        { cause },
      );
    }
  }
}

function matrixOf({ dtype, storedAs, shape, fortranOrder }: NpyHeader): {
  rows: number;
  dim: number;
  precision: NpyPrecision;
} {
  const [rows, dim] = shape;
  if (shape.length !== 2 || rows === undefined || dim === undefined || dim === 0) {
    throw new Error(`its shape is (${shape.join(", ")})`);
  }
  if (fortranOrder) throw new Error("its numbers are in the order of columns");
  if (dtype === "float16" || dtype === "float32") return { rows, dim, precision: dtype };
  throw new Error(`its type is ${storedAs}${storedAs.startsWith(">") ? ", big-endian" : ""}`);
}
