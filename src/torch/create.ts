/** New tensors: from JavaScript data, filled, random, or joined from others. */
import { addon } from "./binding.ts";
import {
  checkCarrier,
  dtypeCode,
  dtypeOf,
  isFloating,
  shown,
  type DType,
  type TensorData,
} from "./dtype.ts";
import { named, operator } from "./operators.ts";
import { adopt, call, type Tensor, type Device, type Shape } from "./tensor.ts";

export interface TensorOptions {
  dtype?: DType;
  device?: Device;
}

/**
 * Copies a typed array, which may lie on a SharedArrayBuffer, into a new tensor.
 *
 * shape   its product must be the array's length; a vector when absent
 * dtype   the array's own type when absent; needed for float16 and bfloat16 bits in a Uint16Array
 * throws  TypeError for another kind of array than the dtype's own; RangeError for another length
 */
export function fromData(data: TensorData, shape?: Shape, options: TensorOptions = {}): Tensor {
  const { device = "cpu", dtype = dtypeOf(data) } = known(options);
  checkCarrier(data, dtype);
  const made = filled(data, shape ?? [data.length], dtype);
  if (device === "cpu") return made;
  const moved = made.to(device);
  made.dispose();
  return moved;
}

function filled(data: TensorData, shape: Shape, dtype: DType): Tensor {
  if (!Array.isArray(shape)) {
    throw new TypeError(`Expected an array of sides for shape but received ${shown(shape)}`);
  }
  const expected = (shape as Shape).reduce((product, side) => product * side, 1);
  if (expected !== data.length) {
    throw new RangeError(
      `Expected ${expected} elements for a tensor [${shape.join(", ")}] but received ${data.length}`,
    );
  }
  // Any byte but 0 is true, and libtorch counts on 1.
  const stored = dtype === "bool" ? "uint8" : dtype;
  const made = adopt(
    named("fromData", [shape], () => addon().tensorFromData(data, dtypeCode(stored), shape)),
  );
  if (stored === dtype) return made;
  const converted = made.to(dtype);
  made.dispose();
  return converted;
}

/** A number, or arrays of them that are as long as their neighbours. */
export type Nested = number | readonly Nested[] | Float32Array | Float64Array;

/**
 * A float32 (or `dtype`) tensor of a number or of a nested array: `[[1, 2], [3, 4]]` is [2, 2].
 *
 * throws  TypeError for what is no number; RangeError for rows of different lengths, and for a number
 *         that an integer dtype does not hold
 */
export function tensor(values: Nested, options: TensorOptions = {}): Tensor {
  const { dtype = "float32", device = "cpu" } = known(options);
  const shape: number[] = [];
  for (let first: unknown = values; isList(first); first = first[0]) shape.push(first.length);
  const flat: number[] = [];
  flatten(values, shape, 0, flat);
  checkIntegers(flat, dtype);
  const made = fromData(Float64Array.from(flat), shape);
  const converted = made.to(dtype);
  made.dispose();
  if (device === "cpu") return converted;
  const moved = converted.to(device);
  converted.dispose();
  return moved;
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function flatten(values: unknown, shape: Shape, depth: number, into: number[]): void {
  const side = shape[depth];
  if (side === undefined) {
    if (typeof values === "number") return void into.push(values);
    throw new TypeError(
      `Expected numbers for a tensor [${shape.join(", ")}] but received ${shown(values)}; ` +
        "fromData() takes a BigInt64Array for large integers",
    );
  }
  const length = isList(values) ? values.length : undefined;
  if (length !== side) {
    const received = length === undefined ? shown(values) : `one of ${length}`;
    throw new RangeError(
      `Expected arrays of ${side} for dimension ${depth} but received ${received}; ` +
        "give every row the same length",
    );
  }
  for (const item of Array.from(values as ArrayLike<unknown>)) {
    flatten(item, shape, depth + 1, into);
  }
}

const integerBits: Partial<Record<DType, number>> = { int8: 7, int16: 15, int32: 31, int64: 53 };

/** libtorch would cut fractions, and make something of NaN and of what is too large. */
function checkIntegers(values: readonly number[], dtype: DType): void {
  if (isFloating(dtype) || dtype === "bool") return;
  const bits = integerBits[dtype];
  const [least, most] = bits === undefined ? [0, 255] : [-(2 ** bits), 2 ** bits - 1];
  const wrong = values.find(
    (value) => !(Number.isInteger(value) && value >= least && value <= most),
  );
  if (wrong === undefined) return;
  throw new RangeError(
    `Expected integers from ${least} to ${most} for ${dtype} but received ${wrong}; ` +
      "round them, or name another dtype",
  );
}

function known(options: TensorOptions): TensorOptions {
  for (const key in options) {
    if (key === "dtype" || key === "device") continue;
    throw new TypeError(`Expected dtype or device as an option of a tensor but received "${key}"`);
  }
  return options;
}

function settings(options: TensorOptions): [number, null, Device] {
  const { dtype = "float32", device = "cpu" } = known(options);
  return [dtypeCode(dtype), null, device];
}

export function empty(shape: Shape, options: TensorOptions = {}): Tensor {
  return call(emptyOp, shape, ...settings(options));
}
export function zeros(shape: Shape, options: TensorOptions = {}): Tensor {
  return call(zerosOp, shape, ...settings(options));
}
export function ones(shape: Shape, options: TensorOptions = {}): Tensor {
  return call(onesOp, shape, ...settings(options));
}
export function full(shape: Shape, value: number, options: TensorOptions = {}): Tensor {
  return call(fullOp, shape, value, ...settings(options));
}
/** Integers 0 to n - 1, int64 unless told otherwise. */
export function arange(n: number, options: TensorOptions = {}): Tensor {
  return call(arangeOp, n, ...settings({ dtype: "int64", ...options }));
}
/** Standard normal numbers of the device's default generator. */
export function randn(shape: Shape, options: TensorOptions = {}): Tensor {
  return call(randnOp, shape, ...settings(options));
}
/** Uniform numbers in [0, 1) of the device's default generator. */
export function rand(shape: Shape, options: TensorOptions = {}): Tensor {
  return call(randOp, shape, ...settings(options));
}
export function zerosLike(like: Tensor): Tensor {
  return call(zerosLikeOp, like);
}
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  return call(catOp, tensors, dim);
}
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  return call(stackOp, tensors, dim);
}
/** `a` where the mask holds, `b` elsewhere. */
export function where(mask: Tensor, a: Tensor, b: Tensor): Tensor {
  return call(whereOp, mask, a, b);
}

const emptyOp = operator("empty", "memory_format");
const zerosOp = operator("zeros");
const onesOp = operator("ones");
const fullOp = operator("full");
const arangeOp = operator("arange");
const randnOp = operator("randn");
const randOp = operator("rand");
const zerosLikeOp = operator("zeros_like");
const catOp = operator("cat");
const stackOp = operator("stack");
const whereOp = operator("where", "self");
