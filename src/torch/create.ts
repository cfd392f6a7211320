/** New tensors: from JavaScript data, filled, random, or joined from others. */
import { addon } from "./binding.ts";
import { dtypeCode, dtypeOf, type DType, type TensorData } from "./dtype.ts";
import { operator } from "./operators.ts";
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
 */
export function fromData(
  data: TensorData,
  shape: Shape = [data.length],
  { dtype = dtypeOf(data), device = "cpu" }: TensorOptions = {},
): Tensor {
  const expected = shape.reduce((product, side) => product * side, 1);
  if (expected !== data.length) {
    throw new RangeError(
      `Expected ${expected} elements for a tensor [${shape.join(", ")}] but received ${data.length}`,
    );
  }
  const made = adopt(addon().tensorFromData(data, dtypeCode(dtype), shape));
  if (device === "cpu") return made;
  const moved = made.to(device);
  made.dispose();
  return moved;
}

/** A float32 (or `dtype`) tensor of the numbers in a nested or flat array. */
export function tensor(values: number | readonly number[], options: TensorOptions = {}): Tensor {
  const flat = typeof values === "number" ? [values] : values;
  const made = fromData(Float64Array.from(flat), typeof values === "number" ? [] : [flat.length]);
  const converted = made.to(options.dtype ?? "float32");
  made.dispose();
  if (options.device === undefined || options.device === "cpu") return converted;
  const moved = converted.to(options.device);
  converted.dispose();
  return moved;
}

function settings({ dtype = "float32", device = "cpu" }: TensorOptions): [number, null, Device] {
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
