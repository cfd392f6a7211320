/**
 * The header of a safetensors file, read with every check of the format and written. Knows nothing
 * about tensors of the engine.
 *
 *     8 bytes   n, little-endian
 *     n bytes   JSON {"__metadata__"?: {string: string}, name: {dtype, shape, data_offsets}}
 *     the rest  the data; offsets count from here, in bytes, without holes or overlaps
 */
import { isJsonObject } from "../../files/json-fields.ts";
import type { DType } from "../../torch/dtype.ts";
import type { WeightInfo } from "./weight-file.ts";

/** One tensor of a file. */
export interface TensorInfo extends WeightInfo {
  /** Bytes from the end of the header. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Bytes of everything before the data. */
  readonly length: number;
}

/** The longest header that the format allows, in bytes. */
const maxHeaderLength = 100_000_000;

/** In the order of the reference writer, larger elements first. */
const codes: Record<DType, string> = {
  int64: "I64",
  float64: "F64",
  float32: "F32",
  int32: "I32",
  bfloat16: "BF16",
  float16: "F16",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};
const dtypes = new Map(Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]));

/** Types of the format that limn does not use. */
const otherCodes =
  "U64 U32 U16 C64 F8_E4M3 F8_E5M2 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ F6_E2M3 F6_E3M2 F4".split(" ");

/** Bits per element of every type of the format: the first number in its name, 8 for BOOL. */
const bits: ReadonlyMap<string, number> = new Map(
  [...dtypes.keys(), ...otherCodes].map((name) => [name, Number(/\d+/.exec(name)?.[0] ?? 8)]),
);

/** Bytes of a tensor; NaN for an unknown type, a fraction where sub-byte elements do not fill one. */
function byteCount(storedAs: string, shape: readonly number[]): number {
  return (shape.reduce((product, side) => product * side, 1) * (bits.get(storedAs) ?? NaN)) / 8;
}

/**
 * n, from the first 8 bytes of a file.
 *
 * throws  Error with the cause alone; the reader adds the file
 */
export function parseHeaderLength(first: Uint8Array, fileSize: number): number {
  if (first.length < 8) throw new Error(`the file ends after ${first.length} bytes`);
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderLength)) {
    throw new Error(`its header claims ${length} bytes, more than the allowed ${maxHeaderLength}`);
  }
  if (Number(length) + 8 > fileSize) {
    throw new Error(`its header claims ${length} bytes but the file has ${fileSize}`);
  }
  return Number(length);
}

/**
 * Reads the JSON part, checks it against the size of the file.
 *
 * throws  Error with the cause alone; the reader adds the file
 */
export function parseHeader(json: Uint8Array, fileSize: number): SafetensorsHeader {
  const entries = Object.entries(parseObject(json));
  if (memberCount(json, 1) > entries.length) throw new Error("its header has a name twice");
  const tensors = new Map<string, TensorInfo>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of entries) {
    if (name === "__metadata__") metadata = readMetadata(value);
    else tensors.set(name, readInfo(name, value));
  }
  checkOffsets(tensors, fileSize - 8 - json.length);
  return { tensors, metadata, length: 8 + json.length };
}

function parseObject(json: Uint8Array): Record<string, unknown> {
  // The format asks for the brace at once, which keeps other JSON values and blanks out.
  if (json[0] !== 0x7b) throw new Error("its header is not a JSON object");
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(json);
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`its header is not valid JSON (${(cause as Error).message})`, { cause });
  }
}

function readMetadata(value: unknown): Record<string, string> {
  // Written where a program had nothing to say.
  if (value === null) return {};
  const valid =
    isJsonObject(value) &&
    Object.values(value).every((item): item is string => typeof item === "string");
  if (!valid) throw new Error("__metadata__ is not an object of strings");
  return value as Record<string, string>;
}

function readInfo(name: string, value: unknown): TensorInfo {
  const { dtype: storedAs, shape, data_offsets: offsets } = isJsonObject(value) ? value : {};
  const called = JSON.stringify(name);
  if (typeof storedAs !== "string" || !bits.has(storedAs)) {
    throw new Error(`tensor ${called} has the unknown dtype ${JSON.stringify(storedAs)}`);
  }
  if (!isCounts(shape)) throw new Error(`tensor ${called} has the shape ${JSON.stringify(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw new Error(`tensor ${called} has the data_offsets ${JSON.stringify(offsets)}`);
  }
  const [start = 0, end = 0] = offsets;
  const expected = byteCount(storedAs, shape);
  if (end - start !== expected) {
    throw new Error(
      `tensor ${called} is ${storedAs} [${shape.join(", ")}], ${expected} bytes, but its ` +
        `data_offsets ${start} to ${end} hold ${end - start}`,
    );
  }
  return { dtype: dtypes.get(storedAs), storedAs, shape, bytes: expected, start, end };
}

function checkOffsets(tensors: ReadonlyMap<string, TensorInfo>, dataSize: number): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let at = 0;
  for (const [name, { start, end }] of inOrder) {
    const called = JSON.stringify(name);
    if (start < at) throw new Error(`tensor ${called} overlaps the one before it at byte ${start}`);
    if (start > at) throw new Error(`bytes ${at} to ${start}, before tensor ${called}, are a hole`);
    at = end;
  }
  if (at > dataSize) throw new Error(`its data is cut off at byte ${dataSize} of ${at}`);
  if (at < dataSize) throw new Error(`${dataSize - at} bytes follow the last tensor`);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

interface TensorShape {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * The header of a file with these tensors, padded with blanks to a multiple of 8 bytes. The
 * data is ordered as the reference writer does, by element type, larger ones first, then by name:
 * every tensor is aligned, and equal tensors give equal files.
 *
 * returns  the bytes to write first, and the tensors in the order of their data
 */
export function buildHeader<T extends TensorShape>(
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>>,
): { bytes: Uint8Array; order: T[] } {
  const place = Object.keys(codes);
  const rank = ({ dtype }: T): number => place.indexOf(dtype);
  const order = [...tensors].sort(
    (a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
  const entries: [string, unknown][] = [["__metadata__", metadata]];
  let at = 0;
  for (const { name, dtype, shape } of order) {
    const end = at + byteCount(codes[dtype], shape);
    entries.push([name, { dtype: codes[dtype], shape, data_offsets: [at, end] }]);
    at = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const bytes = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  bytes.writeBigUInt64LE(BigInt(bytes.length - 8));
  json.copy(bytes, 8);
  return { bytes, order };
}

/**
 * How many members the objects at this depth have, all together; 1 is the outermost.
 *
 * json  UTF-8 that `JSON.parse` accepts
 */
export function memberCount(json: Uint8Array, depth: number): number {
  let count = 0;
  let level = 0;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (byte === quote) {
      for (i++; json[i] !== quote && i < json.length; i++) if (json[i] === backslash) i++;
    } else if (byte === 0x7b || byte === 0x5b) level++;
    else if (byte === 0x7d || byte === 0x5d) level--;
    else if (byte === 0x3a && level === depth) count++;
  }
  return count;
}

const quote = 0x22;
const backslash = 0x5c;
