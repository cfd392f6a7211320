/** Walks tar archives on disk: plain ones by header only, compressed ones with their bodies. */
import { fstatSync, readSync } from "node:fs";
import { openRegular } from "../../files/regular-file.ts";
import { gunzipFile } from "./gzip-file.ts";
import { type TarEnd, tarEntries, type TarEntry, TarError } from "./tar-format.ts";

const SMALLEST_WINDOW = 16 << 10;
const LARGEST_WINDOW = 1 << 20;

/**
 * An archive's entry; `bytes` holds the contents when the archive cannot be read at an offset, and they
 * were asked for.
 */
export interface TarFileEntry extends TarEntry {
  bytes?: Uint8Array;
}

/**
 * The entries of an uncompressed archive. Reads headers through a window that grows while
 * headers lie close together and shrinks when large bodies are jumped over.
 *
 * from     where to begin: 0, or the `start` of an entry
 * throws   TarError, where the archive is cut or damaged, after the entries before that place
 */
export function* scanTar(file: number, from = 0): Generator<TarFileEntry, TarEnd> {
  const fileSize = fstatSync(file).size;
  const window = new Window(file);
  const walk = tarEntries(from);
  let step = walk.next();
  while (step.done !== true) {
    if ("read" in step.value) {
      const { offset, length } = step.value.read;
      step = walk.next(window.bytes(offset, length));
    } else {
      const { entry } = step.value;
      if (entry.offset + entry.size > fileSize) throw cutInside(entry);
      yield entry;
      step = walk.next(NOTHING);
    }
  }
  return step.value;
}

const NOTHING = new Uint8Array(0);

function cutInside(entry: TarEntry): TarError {
  return new TarError(`the archive is cut inside ${entry.name}`, entry.offset, entry.name);
}

/** A moving piece of a file. */
class Window {
  readonly #file: number;
  #buffer: Buffer = Buffer.allocUnsafe(SMALLEST_WINDOW);
  #start = 0;
  #filled = 0;

  constructor(file: number) {
    this.#file = file;
  }

  /** The bytes at `offset`, fewer at the end of the file; valid until the next call. */
  bytes(offset: number, length: number): Uint8Array {
    const end = this.#start + this.#filled;
    if (offset < this.#start || offset + length > end) this.#fill(offset, length, offset <= end);
    return this.#buffer.subarray(
      offset - this.#start,
      Math.min(offset - this.#start + length, this.#filled),
    );
  }

  #fill(offset: number, length: number, near: boolean): void {
    const size = this.#buffer.length;
    const wanted = near ? Math.min(2 * size, LARGEST_WINDOW) : Math.max(size / 4, SMALLEST_WINDOW);
    if (wanted !== size || length > size) {
      this.#buffer = Buffer.allocUnsafe(Math.max(wanted, length));
    }
    this.#start = offset;
    this.#filled = 0;
    while (this.#filled < this.#buffer.length) {
      const [buffer, filled] = [this.#buffer, this.#filled];
      const count = readSync(this.#file, buffer, filled, buffer.length - filled, offset + filled);
      if (count === 0) break;
      this.#filled += count;
    }
  }
}

/**
 * The entries of a gzip-compressed archive.
 *
 * mostBytes   how large the contents of an entry may be to come with it; others are passed over as
 *             they are unpacked, so that no memory is taken for what a header announces
 */
export async function* streamTar(
  path: string,
  mostBytes: (entry: TarEntry) => number,
): AsyncGenerator<TarFileEntry, TarEnd> {
  const unpacked = gunzipFile(openRegular(path));
  const stream = new Forward(unpacked);
  try {
    const walk = tarEntries();
    let step = walk.next();
    while (step.done !== true) {
      if ("read" in step.value) {
        const { offset, length } = step.value.read;
        await stream.skipTo(offset);
        step = walk.next(await stream.take(length));
      } else {
        const { entry } = step.value;
        await stream.skipTo(entry.offset);
        if (entry.size <= mostBytes(entry)) {
          const bytes = await stream.take(entry.size);
          if (bytes.length < entry.size) throw cutInside(entry);
          yield { ...entry, bytes };
        } else {
          await stream.skipTo(entry.offset + entry.size);
          yield entry;
        }
        step = walk.next(NOTHING);
      }
    }
    return step.value;
  } finally {
    await unpacked.return(undefined);
  }
}

/** A byte stream read forwards by position. */
class Forward {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  #used = 0;
  #position = 0;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async skipTo(offset: number): Promise<void> {
    while (this.#position < offset && (await this.#ready())) {
      const count = Math.min(offset - this.#position, this.#chunk.length - this.#used);
      this.#used += count;
      this.#position += count;
    }
  }

  /** A copy of the next bytes, on memory of its own so that it can be handed to a worker. */
  async take(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0 && (await this.#ready())) {
      const count = Math.min(missing, this.#chunk.length - this.#used);
      parts.push(this.#chunk.subarray(this.#used, this.#used + count));
      this.#used += count;
      this.#position += count;
      missing -= count;
    }
    const bytes = new Uint8Array(length - missing);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  async #ready(): Promise<boolean> {
    while (this.#used === this.#chunk.length) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
      this.#used = 0;
    }
    return true;
  }
}
