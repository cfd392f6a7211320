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

function factsOf(dtype: DType): DTypeFacts {
  if (Object.hasOwn(facts, dtype)) return facts[dtype];
  throw new RangeError(
    `Expected one of ${Object.keys(facts).join(", ")} for dtype but received ${shown(dtype)}`,
  );
}

/** libtorch's number for an element type; RangeError for a name that is none. */
export function dtypeCode(dtype: DType): number {
  return factsOf(dtype).code;
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
  return factsOf(dtype).bytes;
}

/** True for float64, float32, float16 and bfloat16. */
export function isFloating(dtype: DType): boolean {
  return factsOf(dtype).floating;
}

/** A new typed array of `length` elements that can hold the elements of a tensor of `dtype`. */
export function allocate(dtype: DType, length: number): TensorData {
  return new (factsOf(dtype).array)(length);
}

const typedArrays: object = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** What a typed array calls itself, also one of another context or of a subclass such as Buffer. */
function carrierOf(data: unknown): string {
  const name: unknown = Reflect.get(typedArrays, Symbol.toStringTag, data);
  if (typeof name === "string") return name;
  throw new TypeError(
    `Expected a typed array for data but received ${shown(data)}; tensor() takes arrays of numbers`,
  );
}

/** The element type that a typed array carries when none is named; TypeError for what carries none. */
export function dtypeOf(data: TensorData): DType {
  const carrier = carrierOf(data);
  if (carrier === "Uint8ClampedArray") return "uint8";
  for (const [dtype, { array }] of Object.entries(facts)) {
    if (array.name === carrier && carrier !== "Uint16Array") return dtype as DType;
  }
  throw new TypeError(
    carrier === "Uint16Array"
      ? "Expected dtype for a Uint16Array but received none; name float16 or bfloat16"
      : `Expected a typed array of signed numbers or of bytes for data but received a ${carrier}; ` +
          "copy its numbers into another, or for float16 view its bits as a Uint16Array",
  );
}

/** Throws TypeError where elements of `dtype` do not lie in `data` as they are. */
export function checkCarrier(data: TensorData, dtype: DType): void {
  const carrier = carrierOf(data);
  const { array } = factsOf(dtype);
  if (carrier === array.name || (carrier === "Uint8ClampedArray" && dtype === "uint8")) return;
  throw new TypeError(
    `Expected a ${array.name} for elements of ${dtype} but received a ${carrier}, whose bits would ` +
      `be other numbers; convert them, for a tensor with to()`,
  );
}

/** A value as an error shows it. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
