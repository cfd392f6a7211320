/**
 * Reads zip archives (PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3) by position: stored entries are
 * left where they lie. Own code, as yauzl is asynchronous and fflate wants the whole file in memory.
 */
import { crc32, inflateRawSync } from "node:zlib";
import type { ByteSource } from "./byte-source.ts";
import { encrypted, mostRatio, readDirectory, type ZipEntry } from "./zip-directory.ts";

export type { ZipEntry } from "./zip-directory.ts";

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
