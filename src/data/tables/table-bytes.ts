/** The bytes of a table: a file that is read in blocks, or text that is in memory. */
import { closeSync, fstatSync, readSync, type BigIntStats } from "node:fs";
import { openRegular } from "../../files/regular-file.ts";

export interface ByteSource {
  readonly size: number;
  /**
   * The bytes from `start` to `end` (exclusive), which are within the size.
   *
   * throws   Error with a short reason, without the file's name
   */
  read(start: number, end: number): Buffer;
}

/** Rows that are read one behind the other come from one read of this many bytes. */
const BLOCK = 1 << 18;

/**
 * A file. It is opened for each block and closed again, so that nothing has to be closed in the end,
 * and a file that was replaced since is noticed.
 */
export class FileBytes implements ByteSource {
  readonly size: number;
  readonly #file: string;
  readonly #stats: BigIntStats;
  #block: Buffer = Buffer.alloc(0);
  #start = 0;

  /** throws   the system's error, or Error for what is not a file */
  constructor(file: string) {
    this.#file = file;
    this.#stats = withFile(file, (handle) => fstatSync(handle, { bigint: true }));
    this.size = Number(this.#stats.size);
  }

  read(start: number, end: number): Buffer {
    const held = this.#start + this.#block.length;
    if (start < this.#start || end > held) {
      // A read that goes on where the last one ended is probably one of many.
      const most = start >= this.#start && start <= held ? start + BLOCK : end;
      this.#load(start, Math.min(this.size, Math.max(end, most)));
    }
    return this.#block.subarray(start - this.#start, end - this.#start);
  }

  #load(start: number, end: number): void {
    this.#block = Buffer.from(this.take(start, end).buffer);
    this.#start = start;
  }

  /** The same in a buffer of its own, of which nothing is kept here. */
  take(start: number, end: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(end - start);
    withFile(this.#file, (handle) => {
      const { size, mtimeNs, ino } = fstatSync(handle, { bigint: true });
      if (size !== this.#stats.size || mtimeNs !== this.#stats.mtimeNs || ino !== this.#stats.ino) {
        throw new Error("the table was changed while it was read");
      }
      for (let filled = 0; filled < bytes.length;) {
        const count = readSync(handle, bytes, filled, bytes.length - filled, start + filled);
        if (count === 0) throw new Error("the table became shorter while it was read");
        filled += count;
      }
    });
    return bytes;
  }
}

function withFile<T>(file: string, use: (handle: number) => T): T {
  const handle = openRegular(file);
  try {
    return use(handle);
  } finally {
    closeSync(handle);
  }
}

/** Bytes in memory. */
export function memoryBytes(bytes: Buffer): ByteSource {
  return { size: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

const CHUNK = 1 << 24;

/** Bytes in memory that grow without being copied. */
export class ChunkedBytes implements ByteSource {
  readonly #chunks: Buffer[] = [];
  size = 0;

  append(bytes: Buffer): void {
    for (let from = 0; from < bytes.length;) {
      const within = this.size % CHUNK;
      if (within === 0) this.#chunks.push(Buffer.allocUnsafe(CHUNK));
      const count = bytes.copy(this.#chunks.at(-1)!, within, from);
      from += count;
      this.size += count;
    }
  }

  read(start: number, end: number): Buffer {
    const parts: Buffer[] = [];
    for (let from = start; from < end;) {
      const within = from % CHUNK;
      const count = Math.min(end - from, CHUNK - within);
      parts.push(this.#chunks[Math.floor(from / CHUNK)]!.subarray(within, within + count));
      from += count;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}
