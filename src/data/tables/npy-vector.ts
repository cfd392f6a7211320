/** Small vectors in NumPy's format, as they lie beside the pictures of a set: numbers of one sample. */
import { fromHalf } from "../../files/half.ts";
import { isNpy, parseNpyHeader } from "../../files/npy.ts";

/** Numbers of a vector; metadata has a handful, and labels of several classes some thousands at most. */
export const MOST_NPY_NUMBERS = 10_000;

/** The largest file of so many numbers, with room for its header. */
export const MOST_NPY_BYTES: number = 8 * MOST_NPY_NUMBERS + 4096;

export interface NpyVector {
  /** Truths are 1 and 0. */
  readonly numbers: number[];
  /** Whether the elements are floating-point numbers. */
  readonly floats: boolean;
}

/** An array that is whole, and no vector of numbers as metadata has them. */
export class NoVectorError extends Error {}

type Reader = (view: DataView, at: number) => number | bigint;

/** By numpy's letter and bytes, little-endian. */
const readers: Record<string, [bytes: number, read: Reader]> = {
  b1: [1, (view, at) => (view.getUint8(at) === 0 ? 0 : 1)],
  i1: [1, (view, at) => view.getInt8(at)],
  u1: [1, (view, at) => view.getUint8(at)],
  i2: [2, (view, at) => view.getInt16(at, true)],
  u2: [2, (view, at) => view.getUint16(at, true)],
  i4: [4, (view, at) => view.getInt32(at, true)],
  u4: [4, (view, at) => view.getUint32(at, true)],
  i8: [8, (view, at) => view.getBigInt64(at, true)],
  u8: [8, (view, at) => view.getBigUint64(at, true)],
  f2: [2, (view, at) => fromHalf(Uint16Array.of(view.getUint16(at, true)))[0] as number],
  f4: [4, (view, at) => view.getFloat32(at, true)],
  f8: [8, (view, at) => view.getFloat64(at, true)],
};

/**
 * A vector of integers, floats or truths; a single number is a vector of one, and sides of 1 beside the
 * long one do not matter.
 *
 * bytes   the whole file
 * throws  NoVectorError for an array of another kind, Error for a file that is none or is damaged; the
 *         message is the cause alone
 */
export function parseNpyVector(bytes: Uint8Array): NpyVector {
  if (!isNpy(bytes)) throw new Error("it is no file of numpy.save");
  const { shape, storedAs, length } = parseNpyHeader(bytes);
  const count = shape.reduce((product, side) => product * side, 1);
  if (shape.filter((side) => side !== 1).length > 1) {
    throw new NoVectorError(`it is an array of shape (${shape.join(", ")}), not a vector`);
  }
  if (count > MOST_NPY_NUMBERS) {
    throw new NoVectorError(
      `it has ${count} numbers, more than the ${MOST_NPY_NUMBERS} of a vector`,
    );
  }
  const name = /^[<|=]?([a-z]\d)$/.exec(storedAs)?.[1] ?? "";
  const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
  if (reader === undefined) {
    throw new NoVectorError(`its elements are ${storedAs}, not integers, floats or truths`);
  }
  const [size, read] = reader;
  if (bytes.length - length !== count * size) {
    throw new Error(`it has ${bytes.length - length} bytes for ${count} elements of ${storedAs}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + length, count * size);
  const numbers = Array.from({ length: count }, (_, i) => exact(read(view, i * size)));
  return { numbers, floats: name.startsWith("f") };
}

function exact(value: number | bigint): number {
  const number = Number(value);
  if (typeof value === "number" || Number.isSafeInteger(number)) return number;
  throw new NoVectorError(`its number ${value} is beyond 2^53`);
}
