/**
 * The tar format: reads headers (ustar, GNU's long names and large sizes, pax) without touching the bodies,
 * and writes POSIX ustar with pax records where ustar is too small. Knows nothing about files or
 * compression: it asks for bytes and is given them.
 */

import { decodeName, readableName } from "../../files/decode-text.ts";

/** Headers begin at multiples of this. */
export const BLOCK = 512;
/** A long name or pax header larger than this is not one. */
const MAX_EXTENSION = 1 << 20;
/** The longest path that Linux has; windows of samples hold their names. */
const MOST_NAME = 4096;

/** One regular file of an archive. */
export interface TarEntry {
  name: string;
  /** Bytes from the start of the (uncompressed) archive to the contents. */
  offset: number;
  /** Bytes of the contents. */
  size: number;
  /** Why the contents cannot be read, where they stand here in another form or elsewhere. */
  problem?: string;
  /** Its contents are not here, and readers pass it over: a link, a pipe, the rest of another volume's file. */
  absent?: true;
  /**
   * Where its first header begins; a walk from here finds it and what follows. Absent behind global
   * records that count: they stand before.
   */
  start?: number;
}

/** What `tarEntries` yields: a wish for bytes, or an entry it found. */
type TarStep = { read: { offset: number; length: number } } | { entry: TarEntry };

/** Why an archive could not be read to its end, and where. */
export class TarError extends Error {
  readonly offset: number;
  /** The file that is incomplete, where it is known. */
  readonly file: string | undefined;
  constructor(reason: string, offset: number, file?: string) {
    super(reason);
    this.name = "TarError";
    this.offset = offset;
    this.file = file;
  }
}

/** How an archive ended. */
export interface TarEnd {
  /** The mark that ends an archive was seen. */
  marked: boolean;
  /** Where another archive begins behind the mark, as `cat` joins them. */
  joined?: number;
}

/**
 * Walks an archive. Answer each `read` with `next(bytes)`: fewer bytes than asked for mean that
 * the archive ends there.
 *
 * from     where to begin: 0, or the `start` of an entry
 * throws   TarError for a header that is cut, has a wrong checksum or an unreadable size
 */
export function* tarEntries(from = 0): Generator<TarStep, TarEnd, Uint8Array> {
  let offset = from;
  /** Of the first header of the file that is being read. */
  let first: number | undefined;
  let pax: Map<string, string> = new Map();
  const globals: Map<string, string> = new Map();
  let longName: string | undefined;
  let longLink: string | undefined;
  for (;;) {
    const block = yield { read: { offset, length: BLOCK } };
    if (block.length === 0) return { marked: false };
    if (block.length < BLOCK) throw new TarError("the archive is cut inside a header", offset);
    if (isZero(block)) return { marked: true, ...(yield* headerBehind(offset + BLOCK)) };
    checkSum(block, offset);
    first ??= offset;
    const type = String.fromCharCode(block[156]!);
    const extended = "LKxXg".includes(type);
    const fromPax = extended ? undefined : (pax.get("size") ?? globals.get("size"));
    const size = sizeOf(block, fromPax, offset);
    const body = offset + BLOCK;
    offset = body + paddedSize(size);
    if (extended) {
      if (size > MAX_EXTENSION) throw new TarError("an extended header is too large", body);
      const bytes = yield { read: { offset: body, length: size } };
      if (bytes.length < size) {
        throw new TarError("the archive is cut inside an extended header", body);
      }
      if (type === "L") longName = nameUntilZero(bytes, 0, bytes.length);
      else if (type === "K") longLink = nameUntilZero(bytes, 0, bytes.length);
      else if (type === "g") for (const [key, value] of paxRecords(bytes)) globals.set(key, value);
      else pax = paxRecords(bytes);
      continue;
    }
    const path = pax.get("path") ?? longName ?? globals.get("path") ?? headerName(block);
    const sparse = type === "S" || pax.has("GNU.sparse");
    const name = (sparse ? pax.get("GNU.sparse.name") : undefined) ?? path;
    const linked = pax.get("linkpath") ?? longLink;
    if (name.length > MOST_NAME) {
      throw new TarError(`a name of ${name.length} characters, which is none`, body - BLOCK);
    }
    if (pax.size > 0) pax = new Map();
    longName = undefined;
    longLink = undefined;
    const start = globals.size === 0 ? first : undefined;
    first = undefined;
    // GNU's own form goes on with the rest of its map, in blocks that the size does not count.
    for (let more = type === "S" && block[482] !== 0; more; offset += BLOCK) {
      const map = yield { read: { offset: offset - paddedSize(size), length: BLOCK } };
      if (map.length < BLOCK) throw new TarError("the archive is cut inside a header", body);
      more = map[504] !== 0;
    }
    // Links, devices and folders have no contents, whatever their size field says.
    if ("123456".includes(type)) offset = body;
    if (name.endsWith("/")) continue;
    const entry: TarEntry = { name, offset: body, size };
    if (start !== undefined) entry.start = start;
    if (sparse) {
      yield { entry: { ...entry, problem: "stored as a sparse file, which limn does not read" } };
    } else if (type === "0" || type === "\0" || type === "7") yield { entry };
    else {
      const target = linked ?? nameUntilZero(block, 157, 257);
      const problem = absence(type, target.slice(0, MOST_NAME));
      if (problem !== undefined) yield { entry: { ...entry, size: 0, problem, absent: true } };
    }
  }
}

/** What a member without contents of its own is; undefined for what is no file to anybody. */
function absence(type: string, target: string): string | undefined {
  if (type === "1" || type === "2") {
    return `a link to ${target}, which limn does not follow; pack with tar --hard-dereference -h`;
  }
  if ("346".includes(type)) return "a device or a pipe";
  if (type === "M")
    return "the rest of a file that begins in another volume; join the volumes with tar -M";
  // Folders, and what GNU writes about an archive: lists of folders, names and labels.
  return "5DNV".includes(type) ? undefined : `a member of the unknown type ${JSON.stringify(type)}`;
}

/** Zero blocks that writers fill an archive with, at most. */
const MOST_FILLING = 64;

function* headerBehind(start: number): Generator<TarStep, { joined?: number }, Uint8Array> {
  for (let offset = start; offset < start + MOST_FILLING * BLOCK; offset += BLOCK) {
    const block = yield { read: { offset, length: BLOCK } };
    if (block.length < BLOCK) return {};
    if (isZero(block)) continue;
    try {
      checkSum(block, offset);
      return { joined: offset };
    } catch {
      return {};
    }
  }
  return {};
}

function isZero(block: Uint8Array): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/** Bytes that contents take, with what fills their last block. */
function paddedSize(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function headerName(block: Uint8Array): string {
  const name = nameUntilZero(block, 0, 100);
  // Only POSIX's "ustar\0" has a prefix; GNU's "ustar " keeps other things in its place.
  const posix = block[257] === 0x75 && block[262] === 0;
  const prefix = posix ? nameUntilZero(block, 345, 500) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** A number field: octal text, or base 256 where the first bit is set (GNU, sizes from 8 GB). */
function sizeOf(block: Uint8Array, fromPax: string | undefined, offset: number): number {
  let size: number;
  if (fromPax !== undefined) size = /^\d+$/.test(fromPax) ? Number(fromPax) : Number.NaN;
  else if (block[124]! & 0x80) {
    size = block[124]! & 0x7f;
    for (let i = 125; i < 136; i++) size = size * 256 + block[i]!;
  } else {
    const text = untilZero(block, 124, 136).trim();
    size = /^[0-7]*$/.test(text) ? parseInt(text === "" ? "0" : text, 8) : Number.NaN;
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new TarError("a header has an unreadable size", offset);
  }
  return size;
}

/** The sum of all bytes with the checksum itself as spaces; old writers summed signed bytes. */
function checkSum(block: Uint8Array, offset: number): void {
  let unsigned = 0;
  let negative = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = block[i]!;
    unsigned += byte;
    if (byte > 127) negative += 1;
  }
  for (let i = 148; i < 156; i++) {
    unsigned += 32 - block[i]!;
    if (block[i]! > 127) negative -= 1;
  }
  const stored = parseInt(untilZero(block, 148, 156).trim(), 8);
  if (stored !== unsigned && stored !== unsigned - 256 * negative) {
    throw new TarError(
      "a header has a wrong checksum: this is no tar archive, or a damaged one",
      offset,
    );
  }
}

/** A field of text up to its first zero, a character for each byte. */
function untilZero(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end && bytes[i] !== 0; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/** A name up to the first zero. Names are bytes: those that are not UTF-8 are escaped (`%E9`). */
function nameUntilZero(bytes: Uint8Array, start: number, end: number): string {
  let ascii = "";
  for (let i = start; i < end && bytes[i] !== 0; i++) {
    if (bytes[i]! > 127) {
      const zero = bytes.subarray(start, end).indexOf(0);
      return nameOf(bytes.subarray(start, zero < 0 ? end : start + zero));
    }
    ascii += String.fromCharCode(bytes[i]!);
  }
  return ascii;
}

function nameOf(bytes: Uint8Array): string {
  return readableName(decodeName(bytes));
}

/** The pax records that say where a file is and what it is called; others are not kept. */
const usedRecords: ReadonlySet<string> = new Set(["path", "linkpath", "size", "GNU.sparse.name"]);

/** The used ones of the `<length> key=value\n` records; the length counts bytes, so values may hold line ends. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  let start = 0;
  while (start < bytes.length && bytes[start] !== 0) {
    const space = bytes.indexOf(32, start);
    const length = space < 0 ? 0 : Number(untilZero(bytes, start, Math.min(space, start + 20)));
    if (!Number.isInteger(length) || length < 5 || start + length > bytes.length) break;
    const equals = bytes.indexOf(61, space);
    if (equals < 0 || equals >= start + length) break;
    const key = untilZero(bytes, space + 1, Math.min(equals, space + 40));
    // There are three forms, with other records each.
    if (key.startsWith("GNU.sparse.")) records.set("GNU.sparse", "");
    if (usedRecords.has(key))
      records.set(key, nameOf(bytes.subarray(equals + 1, start + length - 1)));
    start += length;
  }
  return records;
}

const encoder = new TextEncoder();

/** The bytes of one regular file: header, contents, padding. Names of any length and script. */
export function tarEntry(name: string, contents: Uint8Array): Buffer {
  const nameBytes = encoder.encode(name);
  const plain = nameBytes.length === name.length && nameBytes.length <= 100;
  const parts: Uint8Array[] = [];
  if (!plain || contents.length > 0o77777777777) parts.push(...paxEntry(name, contents.length));
  const short = plain ? name : `long-name/${name.replace(/[^\x20-\x7e]|\//g, "_").slice(-80)}`;
  parts.push(header(short, Math.min(contents.length, 0o77777777777), "0"), contents);
  parts.push(padding(contents.length));
  return Buffer.concat(parts);
}

/** The two zero blocks that end an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** A pax extended header that carries the real name and size (POSIX.1-2001, pax). */
function paxEntry(name: string, size: number): Uint8Array[] {
  let text = paxRecord("path", name);
  if (size > 0o77777777777) text += paxRecord("size", String(size));
  const bytes = encoder.encode(text);
  return [header("pax-header", bytes.length, "x"), bytes, padding(bytes.length)];
}

/** `<length> key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length += 1;
  return `${length} ${key}=${value}\n`;
}

function header(name: string, size: number, type: "0" | "x"): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, "latin1");
  block.write("0000644\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1");
  block.write("0000000\0", 116, "latin1");
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  // Time 0: the same samples give the same archive, byte for byte.
  block.write("00000000000\0", 136, "latin1");
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
