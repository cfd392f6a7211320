/** Element types, their libtorch codes and the typed arrays that carry them. */

export type DType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool";

/** Typed arrays a tensor can be made from or written to. float16 and bfloat16 travel as raw bits. */
export type TensorData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint16Array
  | Uint8Array
  | Uint8ClampedArray;

interface DTypeFacts {
  code: number;
  bytes: number;
  floating: boolean;
  array: new (length: number) => TensorData;
}

const facts: Record<DType, DTypeFacts> = {
  uint8: { code: 0, bytes: 1, floating: false, array: Uint8Array },
  int8: { code: 1, bytes: 1, floating: false, array: Int8Array },
  int16: { code: 2, bytes: 2, floating: false, array: Int16Array },
  int32: { code: 3, bytes: 4, floating: false, array: Int32Array },
  int64: { code: 4, bytes: 8, floating: false, array: BigInt64Array },
  float16: { code: 5, bytes: 2, floating: true, array: Uint16Array },
  float32: { code: 6, bytes: 4, floating: true, array: Float32Array },
  float64: { code: 7, bytes: 8, floating: true, array: Float64Array },
  bool: { code: 11, bytes: 1, floating: false, array: Uint8Array },
  bfloat16: { code: 15, bytes: 2, floating: true, array: Uint16Array },
};

const byCode = new Map(Object.entries(facts).map(([name, { code }]) => [code, name as DType]));

/** libtorch's number for an element type. */
export function dtypeCode(dtype: DType): number {
  return facts[dtype].code;
}

/** The element type behind libtorch's number; RangeError for one that limn does not use. */
export function dtypeFromCode(code: number): DType {
  const dtype = byCode.get(code);
  if (dtype === undefined) {
    throw new RangeError(`Expected a supported element type but received libtorch code ${code}`);
  }
  return dtype;
}

/** Bytes of one element. */
export function dtypeBytes(dtype: DType): number {
  return facts[dtype].bytes;
}

/** True for float64, float32, float16 and bfloat16. */
export function isFloating(dtype: DType): boolean {
  return facts[dtype].floating;
}

/** A new typed array of `length` elements that can hold the elements of a tensor of `dtype`. */
export function allocate(dtype: DType, length: number): TensorData {
  return new facts[dtype].array(length);
}

/** The element type that a typed array carries when none is named. */
export function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Int16Array) return "int16";
  if (data instanceof Int8Array) return "int8";
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return "uint8";
  throw new TypeError(
    `Expected dtype for a ${data.constructor.name} but received none; name float16 or bfloat16`,
  );
}
