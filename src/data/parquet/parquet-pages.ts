/**
 * The pages of a Parquet column, checked before hyparquet reads them: it trusts the sizes, counts and
 * lengths of runs that a file announces.
 */
import { constants, gunzipSync, brotliDecompressSync } from "node:zlib";
import {
  type ColumnMetaData,
  type Compressors,
  type SchemaTree,
  snappyUncompress,
} from "hyparquet";
import { compressors as codecs } from "hyparquet-compressors";
import { readThrift, type ThriftStruct } from "./thrift-check.ts";

/** A page is no larger, compressed or not. */
export const MOST_PAGE_BYTES = 1 << 30;
/** A page has no more values. */
export const MOST_PAGE_VALUES = 1 << 24;
/** A header of a page is no longer; it may hold the least and the greatest value. */
const MOST_HEADER_BYTES = 1 << 20;

const DATA = 0;
const DICTIONARY = 2;
const DATA_V2 = 3;

/** By number, as the format has them (parquet.thrift). */
const PLAIN = 0;
const PLAIN_DICTIONARY = 2;
const RLE = 3;
const DELTA_BINARY = 5;
const DELTA_LENGTH = 6;
const RLE_DICTIONARY = 8;
const BYTE_STREAM_SPLIT = 9;
const SUPPORTED = [
  PLAIN,
  PLAIN_DICTIONARY,
  RLE,
  DELTA_BINARY,
  DELTA_LENGTH,
  RLE_DICTIONARY,
  BYTE_STREAM_SPLIT,
];

export interface PageHeader {
  kind: "data" | "dictionary" | "index";
  version: 1 | 2;
  /** Bytes behind the header. */
  size: number;
  unpackedSize: number;
  values: number;
  encoding: number;
  headerSize: number;
  /** Of version 2: bytes of repetition and definition levels, and whether the rest is packed. */
  repetitionBytes: number;
  definitionBytes: number;
  packed: boolean;
}

/**
 * The header at the start of some bytes, with sizes that can be.
 *
 * throws   Error with a short reason
 */
export function readPageHeader(bytes: Uint8Array): PageHeader {
  const { value, end } = readThrift(bytes.subarray(0, MOST_HEADER_BYTES));
  const [kind, unpackedSize, size] = [value[1], value[2], value[3]];
  const limits = [size, unpackedSize].every((one) => isCount(one, MOST_PAGE_BYTES));
  if (!limits) throw new Error(`a page of more than ${MOST_PAGE_BYTES} bytes, or of none`);
  const fields = structOf(
    value,
    kind === DATA ? 5 : kind === DICTIONARY ? 7 : kind === DATA_V2 ? 8 : 6,
  );
  const [values, encoding] = [fields[1] ?? 0, (kind === DATA_V2 ? fields[4] : fields[2]) ?? 0];
  if (!isCount(values, MOST_PAGE_VALUES)) {
    throw new Error(`a page of more than ${MOST_PAGE_VALUES} values`);
  }
  const [definition, repetition] = kind === DATA_V2 ? [fields[5], fields[6]] : [0, 0];
  if (!isCount(definition, size as number) || !isCount(repetition, (size as number) - definition)) {
    throw new Error("levels that are longer than their page");
  }
  if (kind === DATA_V2 && !isCount(fields[2] ?? 0, values)) throw new Error("too many nulls");
  return {
    kind: kind === DATA || kind === DATA_V2 ? "data" : kind === DICTIONARY ? "dictionary" : "index",
    version: kind === DATA_V2 ? 2 : 1,
    size: size as number,
    unpackedSize: unpackedSize as number,
    values,
    encoding: encoding as number,
    headerSize: end,
    repetitionBytes: repetition,
    definitionBytes: definition,
    packed: fields[7] !== false,
  };
}

function structOf(value: ThriftStruct, field: number): ThriftStruct {
  const inner = value[field];
  if (typeof inner !== "object") throw new Error("a page without its header");
  return inner;
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

const compressors: Compressors = {
  SNAPPY: (input, length) => unpackSnappy(input, length),
  GZIP: (input, length) => unpackGzip(input, length),
  BROTLI: (input, length) => asBytes(brotliDecompressSync(input, { maxOutputLength: length || 1 })),
  ZSTD: (input, length) => codecs.ZSTD!(input, length),
  LZ4: (input, length) => codecs.LZ4!(input, length),
  LZ4_RAW: (input, length) => codecs.LZ4_RAW!(input, length),
};

/** WebAssembly is faster, but its memory never shrinks: large pages, of pictures, go without. */
const MOST_WASM_BYTES = 8 << 20;

function unpackSnappy(input: Uint8Array, length: number): Uint8Array {
  if (length <= MOST_WASM_BYTES) return codecs.SNAPPY!(input, length);
  const page = new Uint8Array(length);
  snappyUncompress(input, page);
  return page;
}

function unpackGzip(input: Uint8Array, length: number): Uint8Array {
  const options = { maxOutputLength: length || 1, finishFlush: constants.Z_SYNC_FLUSH };
  return asBytes(gunzipSync(input, options));
}

function asBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/**
 * Unpacks the packed part of what is behind a page's header, and checks what is in it. Undefined where
 * nothing is packed.
 *
 * throws   Error with a short reason: a codec or encoding that is not supported, damage, or runs of
 *          more values than a page may have
 */
export function unpackPage(
  body: Uint8Array,
  header: PageHeader,
  column: ColumnMetaData,
  path: readonly SchemaTree[],
): Uint8Array | undefined {
  if (!SUPPORTED.includes(header.encoding)) {
    throw new Error(
      "an encoding that is not supported; write it with plain or dictionary encoding",
    );
  }
  const levels = header.repetitionBytes + header.definitionBytes;
  const unpack = header.version === 1 || header.packed;
  const packed = header.version === 1 ? body : body.subarray(levels);
  const page = unpack ? decompress(packed, header.unpackedSize - levels, column) : packed;
  const unpacked = page === packed ? undefined : page;
  if (header.kind === "dictionary") return unpacked;
  let start = 0;
  if (header.version === 1) {
    for (const most of [levelsOf(path, "REPEATED"), levelsOf(path, "OPTIONAL")]) {
      if (most > 0) start = checkLevels(page, start, bitsOf(most));
    }
  } else {
    checkRuns(body.subarray(0, header.repetitionBytes), bitsOf(levelsOf(path, "REPEATED")));
    const definition = body.subarray(header.repetitionBytes, levels);
    checkRuns(definition, bitsOf(levelsOf(path, "OPTIONAL")));
  }
  checkValues(page.subarray(start), header, column);
  return unpacked;
}

function decompress(bytes: Uint8Array, length: number, { codec }: ColumnMetaData): Uint8Array {
  if (length < 0) throw new Error("levels that are longer than their page");
  if (codec === "UNCOMPRESSED") return bytes;
  const unpack = compressors[codec];
  if (unpack === undefined) throw new Error(`the compression ${codec}, which is not supported`);
  const page = unpackOrExplain(unpack, bytes, length);
  if (page.length !== length) throw new Error("a page of another size than its header says");
  return page;
}

function unpackOrExplain(
  unpack: NonNullable<Compressors[keyof Compressors]>,
  bytes: Uint8Array,
  length: number,
): Uint8Array {
  try {
    return unpack(bytes, length);
  } catch (error) {
    throw new Error("a page that cannot be unpacked", { cause: error });
  }
}

/** The greatest level: of lists, or of what may be missing (lists are among it). */
function levelsOf(path: readonly SchemaTree[], kind: "REPEATED" | "OPTIONAL"): number {
  return path.filter(({ element: { repetition_type: one } }) =>
    kind === "REPEATED" ? one === kind : one === kind || one === "REPEATED",
  ).length;
}

function bitsOf(most: number): number {
  return 32 - Math.clz32(most);
}

/** Levels of version 1: their length in four bytes, then runs. Gives where they end. */
function checkLevels(page: Uint8Array, start: number, bits: number): number {
  if (start + 4 > page.length) throw new Error("a page that is cut in its levels");
  const length = new DataView(page.buffer, page.byteOffset + start, 4).getUint32(0, true);
  const end = start + 4 + length;
  if (end > page.length) throw new Error("a page that is cut in its levels");
  checkRuns(page.subarray(start + 4, end), bits);
  return end;
}

/** Runs of the hybrid encoding: none is longer than a page may be. */
function checkRuns(bytes: Uint8Array, bits: number): void {
  for (let at = 0; at < bytes.length;) {
    let header = 0;
    let shift = 0;
    for (; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return; // padding, or what the reader finds to be cut
      if (shift > 28) throw new Error("a run that is too long");
      header += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    const packed = header % 2 === 1;
    const count = Math.floor(header / 2) * (packed ? 8 : 1);
    if (count > MOST_PAGE_VALUES) throw new Error("a run that is too long");
    at += packed ? (count / 8) * bits : (bits + 7) >> 3;
  }
}

/** Whether a page of values is indices into the column's dictionary. */
export function usesDictionary({ kind, encoding }: PageHeader): boolean {
  return kind === "data" && (encoding === PLAIN_DICTIONARY || encoding === RLE_DICTIONARY);
}

function checkValues(values: Uint8Array, header: PageHeader, column: ColumnMetaData): void {
  const { encoding } = header;
  if (usesDictionary(header) && values.length > 0) {
    const [bits = 0] = values;
    if (column.type !== "BOOLEAN" && bits > 32) throw new Error("indices of more than 32 bits");
    checkRuns(values.subarray(column.type === "BOOLEAN" ? 0 : 1), bits);
  }
  if (encoding === RLE && values.length > 4)
    checkRuns(values.subarray(header.version === 1 ? 4 : 0), 1);
  if (encoding === DELTA_BINARY || encoding === DELTA_LENGTH) checkDeltas(values);
}

/** The sizes at the start of delta encoding: blocks of 128 and more, some miniblocks in each. */
function checkDeltas(values: Uint8Array): void {
  const sizes: number[] = [];
  for (let at = 0; sizes.length < 2;) {
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = values[at++];
      if (byte === undefined) return; // an empty page, or what the reader finds to be cut
      if (shift > 28) throw new Error("a block of deltas that is too large");
      size += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    sizes.push(size);
  }
  const [block = 0, miniblocks = 0] = sizes;
  const within = block / miniblocks;
  if (
    block > 1 << 20 ||
    miniblocks < 1 ||
    !Number.isInteger(within) ||
    within % 8 !== 0 ||
    within === 0
  ) {
    throw new Error("blocks of deltas that cannot be");
  }
}
