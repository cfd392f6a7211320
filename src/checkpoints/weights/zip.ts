/**
 * Reads zip archives (PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3) by position: stored entries are
 * left where they lie. Own code, as yauzl is asynchronous and fflate wants the whole file in memory.
 */
import { crc32, inflateRawSync } from "node:zlib";

import type { ByteSource } from "./byte-source.ts";

/** An archive whose directory is read and checked. All methods throw Error with the cause alone. */
export class ZipArchive {
  /** By name; folders are left out. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    this.#source = source;
    this.entries = readDirectory(source);
  }

  /** Where an entry's bytes begin, after a look at its own header. */
  locate(entry: ZipEntry): number {
    const { name, header, end } = entry;
    const local = view(this.#source.read(header, Math.min(30, end - header)));
    if (local.byteLength < 30 || local.getUint32(0, true) !== 0x04034b50) {
      throw new Error(`its entry ${name} has no header at byte ${header}`);
    }
    if (local.getUint16(6, true) & encrypted) throw new Error(`its entry ${name} is encrypted`);
    const nameLength = local.getUint16(26, true);
    const start = header + 30 + nameLength + local.getUint16(28, true);
    if (start + entry.compressed > end) {
      throw new Error(`its entry ${name} overlaps the one after it`);
    }
    const own = Buffer.from(this.#source.read(header + 30, nameLength)).toString("utf8");
    if (own !== name || local.getUint16(8, true) !== entry.method) {
      throw new Error(`its entry ${name} has a header of its own that says otherwise`);
    }
    return start;
  }

  /**
   * The whole contents of an entry, checked against its sum.
   *
   * most  bytes that the caller takes; nothing is inflated beyond the size that the directory states
   */
  read(entry: ZipEntry, most: number): Uint8Array {
    const { name, size, compressed, method, crc } = entry;
    if (size > most) {
      throw new Error(`its entry ${name} has ${size} bytes, more than the ${most} that it may`);
    }
    const stored = this.#source.read(this.locate(entry), compressed);
    const bytes = method === 0 ? stored : inflate(name, stored, size);
    if (bytes.length !== size) {
      throw new Error(`its entry ${name} holds ${bytes.length} bytes in place of ${size}`);
    }
    if (crc32(bytes) !== crc) throw new Error(`its entry ${name} is damaged: its sum differs`);
    return bytes;
  }

  /** The first bytes of an entry, at most `most` and at least as many as there are up to 512. */
  peek(entry: ZipEntry, most: number): Uint8Array {
    const { name, size, compressed, method } = entry;
    const start = this.locate(entry);
    if (method === 0) return this.#source.read(start, Math.min(size, most));
    const piece = this.#source.read(start, Math.min(compressed, most));
    return inflate(name, piece, piece.length * mostRatio, false).subarray(0, most);
  }
}

function inflate(name: string, bytes: Uint8Array, size: number, whole = true): Uint8Array {
  const options = {
    maxOutputLength: Math.max(size, 1),
    ...(whole ? {} : { finishFlush: syncFlush }),
  };
  try {
    return inflateRawSync(bytes, options);
  } catch (cause) {
    throw new Error(`its entry ${name} cannot be inflated to ${size} bytes`, { cause });
  }
}

/** zlib's Z_SYNC_FLUSH: what a cut stream holds is no error. */
const syncFlush = 2;

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export interface ZipEntry {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  /** Bytes in the archive. */
  readonly compressed: number;
  /** Bytes once inflated. */
  readonly size: number;
  readonly crc: number;
  /** Where its own header begins. */
  readonly header: number;
  /** Where the next entry, or the directory, begins. */
  readonly end: number;
}

/** Far more tensors than any checkpoint has. */
const maxEntries = 1 << 18;
const maxDirectory = 1 << 28;
/** Of the record at the end, without the archive's comment. */
const endLength = 22;
/** Deflate gives at most this many bytes for one. */
const mostRatio = 1032;
/** The bit of an entry's flags. */
const encrypted = 1;

type Draft = { -readonly [key in keyof ZipEntry]: ZipEntry[key] };

/**
 * Every file of the archive, by name.
 *
 * throws  Error with the cause alone: damaged, encrypted, entries that overlap or lie outside the
 *         archive, names that are not plain relative paths, a name twice
 */
function readDirectory(source: ByteSource): ReadonlyMap<string, ZipEntry> {
  const { start, length, count } = findDirectory(source);
  const bytes = source.read(start, length);
  const entries: Draft[] = [];
  const names = new Set<string>();
  for (let at = 0; at < length;) {
    if (entries.length === maxEntries) throw new Error(`it has more than ${maxEntries} entries`);
    const { entry, next } = readEntry(bytes, at);
    if (names.has(entry.name)) throw new Error(`it has the entry ${entry.name} twice`);
    names.add(entry.name);
    entries.push(entry);
    at = next;
  }
  if (entries.length !== count) {
    throw new Error(`its directory has ${entries.length} entries in place of ${count}`);
  }
  checkPlaces(entries, start);
  const files = entries.filter(({ name }) => !name.endsWith("/"));
  return new Map(files.map((entry) => [entry.name, entry]));
}

interface Directory {
  start: number;
  length: number;
  count: number;
}

function findDirectory(source: ByteSource): Directory {
  const tailLength = Math.min(source.size, endLength + 0xffff);
  const tailStart = source.size - tailLength;
  const tail = Buffer.from(source.read(tailStart, tailLength));
  let at = tail.lastIndexOf(endSignature);
  // The comment must fill the rest: its bytes could hold the signature too.
  while (
    at >= 0 &&
    at + endLength + (tail[at + 20] ?? 0) + 256 * (tail[at + 21] ?? 0) !== tailLength
  ) {
    at = at === 0 ? -1 : tail.lastIndexOf(endSignature, at - 1);
  }
  if (at < 0) throw new Error("it is no whole zip archive: the record at its end is missing");
  const record = tail.subarray(at);
  if (record.readUInt16LE(4) !== 0 && record.readUInt16LE(4) !== 0xffff) {
    throw new Error("it is one of several parts of a zip archive");
  }
  const end = tailStart + at;
  const found = readZip64End(source, end) ?? {
    count: record.readUInt16LE(10),
    length: record.readUInt32LE(12),
    start: record.readUInt32LE(16),
    limit: end,
  };
  if (found.start + found.length > found.limit) throw new Error("its directory is out of bounds");
  if (found.length > maxDirectory || found.count > maxEntries) {
    throw new Error(`its directory claims ${found.count} entries in ${found.length} bytes`);
  }
  return found;
}

const endSignature = Buffer.from("PK\x05\x06", "latin1");

/** The record of a zip64 archive, which a locator right before the usual record points at. */
function readZip64End(
  source: ByteSource,
  end: number,
): (Directory & { limit: number }) | undefined {
  if (end < 20 + 56) return undefined;
  const locator = Buffer.from(source.read(end - 20, 20));
  if (locator.readUInt32LE(0) !== 0x07064b50) return undefined;
  const place = Number(locator.readBigUInt64LE(8));
  if (place + 56 > end - 20) throw new Error("its zip64 record is out of bounds");
  const record = Buffer.from(source.read(place, 56));
  if (record.readUInt32LE(0) !== 0x06064b50) throw new Error("its zip64 record is missing");
  return {
    count: Number(record.readBigUInt64LE(32)),
    length: Number(record.readBigUInt64LE(40)),
    start: Number(record.readBigUInt64LE(48)),
    limit: place,
  };
}

function readEntry(directory: Uint8Array, at: number): { entry: Draft; next: number } {
  const bytes = Buffer.from(directory.buffer, directory.byteOffset + at, directory.length - at);
  if (bytes.length < 46 || bytes.readUInt32LE(0) !== 0x02014b50) {
    throw new Error(`its directory is damaged at byte ${at}`);
  }
  const nameEnd = 46 + bytes.readUInt16LE(28);
  const extraEnd = nameEnd + bytes.readUInt16LE(30);
  const next = at + extraEnd + bytes.readUInt16LE(32);
  if (next > directory.length) throw new Error(`its directory is cut off after byte ${at}`);
  const name = decodeName(bytes.subarray(46, nameEnd));
  const entry: Draft = {
    name,
    method: bytes.readUInt16LE(10),
    crc: bytes.readUInt32LE(16),
    compressed: bytes.readUInt32LE(20),
    size: bytes.readUInt32LE(24),
    header: bytes.readUInt32LE(42),
    end: 0,
  };
  readZip64Extra(entry, bytes.subarray(nameEnd, extraEnd));
  if (bytes.readUInt16LE(8) & encrypted) throw new Error(`its entry ${name} is encrypted`);
  if (entry.method !== 0 && entry.method !== 8) {
    throw new Error(`its entry ${name} is compressed by the method ${entry.method}`);
  }
  const { size, compressed } = entry;
  if (entry.method === 0 ? size !== compressed : size > compressed * mostRatio) {
    throw new Error(`its entry ${name} claims ${size} bytes from ${compressed}`);
  }
  return { entry, next };
}

function decodeName(bytes: Uint8Array): string {
  let name: string;
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error("it has an entry whose name is not UTF-8", { cause });
  }
  // Nothing is ever unpacked; an archive with such names was made to harm who does.
  const outside = /^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\0/.test(name);
  if (outside || name === "") {
    throw new Error(`its entry ${JSON.stringify(name)} has a name that leads out of the archive`);
  }
  return name;
}

/** Fields that are full in the entry stand in the extra field 1, in this order. */
function readZip64Extra(entry: Draft, extra: Buffer): void {
  for (let at = 0; at + 4 <= extra.length;) {
    const length = extra.readUInt16LE(at + 2);
    const field = extra.subarray(at + 4, at + 4 + length);
    if (extra.readUInt16LE(at) === 1) {
      let from = 0;
      for (const key of ["size", "compressed", "header"] as const) {
        if (entry[key] !== 0xffffffff) continue;
        if (from + 8 > field.length)
          throw new Error(`its entry ${entry.name} lacks its zip64 size`);
        entry[key] = Number(field.readBigUInt64LE(from));
        from += 8;
      }
      return;
    }
    at += 4 + length;
  }
}

/** Sets the ends, and throws where an entry reaches into the next one or the directory. */
function checkPlaces(entries: readonly Draft[], directory: number): void {
  const inOrder = [...entries].sort((a, b) => a.header - b.header);
  for (const [i, entry] of inOrder.entries()) {
    entry.end = Math.min(inOrder[i + 1]?.header ?? directory, directory);
    const least = entry.header + 30 + Buffer.byteLength(entry.name) + entry.compressed;
    if (least <= entry.end) continue;
    throw new Error(
      entry.end === directory
        ? `its entry ${entry.name} lies out of bounds`
        : `its entry ${entry.name} overlaps the one after it`,
    );
  }
}
