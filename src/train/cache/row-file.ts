/**
 * The file format of rows that are computed once and read many times. One file, so that it appears
 * as a whole or not at all:
 *
 *     rows      [count, ...shape] of dtype, row-major, little-endian, from byte 0 so that they map
 *     checks    8 bytes of the SHA-256 of each MiB of the rows
 *     hashes    8 bytes of the SHA-256 of each row's key
 *     header    JSON: dtype, shape, count, the cache's key, what the writer adds
 *     footer    64 bytes: SHA-256 of checks, hashes and header; lengths; format; magic
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, readSync } from "node:fs";
import { openRegular, readingReason } from "../../files/regular-file.ts";
import { dtypeBytes } from "../../torch/index.ts";
import { KeyIndex } from "./key-index.ts";

/** Of stored rows; float rows are read as float32, uint8 rows (pixels) as they are. */
export type RowDType = "float16" | "float32" | "uint8";

export interface RowHeader {
  dtype: RowDType;
  /** Of one row: [W] for features, [3, S, S] for pictures. */
  shape: readonly number[];
  count: number;
  /** Digest of the cache's key, see cache-key.ts. */
  key: string;
  /** Samples that could not be read when the rows were computed. */
  skipped: number;
}

interface RowFile {
  file: string;
  header: RowHeader;
  index: KeyIndex;
}

/** A file that cannot be used and has to be made again, with the reason. */
export interface Unusable {
  reason: string;
  /** There is no such file. */
  absent?: boolean;
}

export const BLOCK_BYTES: number = 1 << 20;
const CHECK_BYTES = 8;
const FOOTER_BYTES = 64;
const FORMAT = 1;
const MAGIC = "limnrows";
/** Blocks of the rows that are read and checked on opening: all of them up to 64 MiB. */
const MOST_CHECKED = 64;

/** Everything that follows the rows in the file. */
export function trailer(header: RowHeader, checks: Uint8Array, hashes: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const body = Buffer.concat([checks, hashes, json]);
  const footer = Buffer.alloc(FOOTER_BYTES);
  createHash("sha256").update(body).digest().copy(footer, 0);
  const rows = rowBytes(header) * header.count;
  footer.writeBigUInt64LE(BigInt(rows), 32);
  footer.writeBigUInt64LE(BigInt(rows + body.length + FOOTER_BYTES), 40);
  footer.writeUInt32LE(json.length, 48);
  footer.writeUInt32LE(FORMAT, 52);
  footer.write(MAGIC, 56, "latin1");
  return Buffer.concat([body, footer]);
}

/** Bytes of one row. */
export function rowBytes({ dtype, shape }: Pick<RowHeader, "dtype" | "shape">): number {
  return dtypeBytes(dtype) * shape.reduce((product, side) => product * side, 1);
}

/** Opens and checks a file of rows. What is wrong with it is returned, not thrown. */
export function openRowFile(file: string): RowFile | Unusable {
  let descriptor: number;
  try {
    descriptor = openRegular(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { reason: "there is none yet", absent: true };
    return { reason: `it cannot be opened (${readingReason(error)})` };
  }
  try {
    return check(file, descriptor);
  } catch (error) {
    return { reason: `it cannot be read (${(error as Error).message})` };
  } finally {
    closeSync(descriptor);
  }
}

function check(file: string, descriptor: number): RowFile | Unusable {
  const { size } = fstatSync(descriptor);
  if (size < FOOTER_BYTES) return { reason: "it is truncated" };
  const footer = read(descriptor, size - FOOTER_BYTES, FOOTER_BYTES);
  if (footer.toString("latin1", 56) !== MAGIC) {
    return { reason: "it is truncated, or no file of cached rows" };
  }
  const format = footer.readUInt32LE(52);
  if (format !== FORMAT) return { reason: `its format is ${format} and not ${FORMAT}` };
  const rows = Number(footer.readBigUInt64LE(32));
  const length = Number(footer.readBigUInt64LE(40));
  if (length !== size || rows > size - FOOTER_BYTES) {
    return { reason: `it is damaged: ${size} bytes where ${length} were written` };
  }
  const body = read(descriptor, rows, size - FOOTER_BYTES - rows);
  const sum = createHash("sha256").update(body).digest();
  if (!sum.equals(footer.subarray(0, 32))) return { reason: "it is damaged: its index changed" };
  const header = parseHeader(body, footer.readUInt32LE(48));
  if (header === undefined) return { reason: "it is damaged: its header is not readable" };
  const blocks = Math.ceil(rows / BLOCK_BYTES);
  const [checksEnd, hashesEnd] = [CHECK_BYTES * blocks, CHECK_BYTES * blocks + 8 * header.count];
  if (rows !== header.count * rowBytes(header) || hashesEnd > body.length) {
    return { reason: "it is damaged: header and length do not go together" };
  }
  if (!blocksIntact(descriptor, rows, body.subarray(0, checksEnd))) {
    return { reason: "it is damaged: its rows changed" };
  }
  const index = KeyIndex.fromBytes(body.subarray(checksEnd, hashesEnd));
  return index ? { file, header, index } : { reason: "it is damaged: a row stands twice" };
}

function parseHeader(body: Buffer, length: number): RowHeader | undefined {
  try {
    const header = JSON.parse(body.toString("utf8", body.length - length)) as RowHeader;
    const known = ["float16", "float32", "uint8"].includes(header.dtype);
    const sized = [...header.shape, header.count].every((side) => Number.isSafeInteger(side));
    return known && sized && typeof header.key === "string" ? header : undefined;
  } catch {
    return undefined;
  }
}

/** First and last block and some evenly between them. */
function blocksIntact(descriptor: number, rows: number, checks: Buffer): boolean {
  const blocks = checks.length / CHECK_BYTES;
  const some = Math.min(blocks, MOST_CHECKED);
  for (let i = 0; i < some; i++) {
    const block = some === 1 ? 0 : Math.round((i * (blocks - 1)) / (some - 1));
    const start = block * BLOCK_BYTES;
    const bytes = read(descriptor, start, Math.min(BLOCK_BYTES, rows - start));
    const stored = checks.subarray(block * CHECK_BYTES, (block + 1) * CHECK_BYTES);
    if (!blockCheck(createHash("sha256").update(bytes).digest()).equals(stored)) return false;
  }
  return true;
}

export function blockCheck(digest: Buffer): Buffer {
  return digest.subarray(0, CHECK_BYTES);
}

function read(descriptor: number, position: number, length: number): Buffer {
  // One read call takes at most 2 GiB.
  const most = 1 << 28;
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const count = readSync(descriptor, bytes, at, Math.min(most, length - at), position + at);
    if (count === 0) throw new Error(`it ends at byte ${position + at}`);
    at += count;
  }
  return bytes;
}
