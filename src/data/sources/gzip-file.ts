/**
 * Unpacks gzip (RFC 1952) as `gzip -d` does: member behind member, up to bytes that are no member. What a
 * damaged file gives before its damage is given, the same every time; a stream of zlib's drops some of it.
 */
import { createReadStream } from "node:fs";
import { crc32, createInflateRaw, type InflateRaw } from "node:zlib";

/** Packed bytes that are unpacked at a time: to at most 1,032 times as many. */
const SLICE = 64 << 10;
/** A name or a comment in a header that is longer is none. */
const MOST_NAME = 1 << 16;

/**
 * The contents of an open file, which is closed at the end.
 *
 * throws   an Error with zlib's code, after what could be unpacked: `Z_BUF_ERROR` for a file that is cut,
 *          `Z_DATA_ERROR` for a damaged one
 */
export async function* gunzipFile(descriptor: number): AsyncGenerator<Buffer> {
  const file = createReadStream("", { fd: descriptor, highWaterMark: 256 << 10 });
  try {
    const input = new Input(file);
    for (let member = 0; await input.startsMember(); member++) {
      await skipHeader(input);
      yield* unpackMember(input);
    }
  } finally {
    file.destroy();
  }
}

async function* unpackMember(input: Input): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw({ chunkSize: 256 << 10 });
  let parts: Buffer[] = [];
  inflate.on("data", (part: Buffer) => parts.push(part));
  let [sum, size] = [0, 0];
  try {
    for (let ended = false; !ended;) {
      const slice = await input.upTo(SLICE);
      if (slice.length === 0) throw cut();
      const before = inflate.bytesWritten;
      const failure = await written(inflate, slice);
      const used = inflate.bytesWritten - before;
      for (const part of parts) {
        sum = crc32(part, sum);
        size = (size + part.length) % 2 ** 32;
        yield part;
      }
      parts = [];
      if (failure !== undefined) throw failure;
      // It takes all there is but what lies behind its end.
      ended = used < slice.length;
      input.take(used);
    }
  } finally {
    inflate.destroy();
  }
  const trailer = await input.next(8);
  if (trailer.readUInt32LE(0) !== sum) throw damaged("incorrect data check");
  if (trailer.readUInt32LE(4) !== size) throw damaged("incorrect length check");
}

/** Resolves when everything that the slice gives has been handed on; to the error, if there is one. */
function written(inflate: InflateRaw, slice: Buffer): Promise<Error | undefined> {
  return new Promise((resolve) => {
    inflate.once("error", resolve);
    inflate.write(slice, () => {
      inflate.off("error", resolve);
      // What was given before anybody listened.
      while (inflate.read() !== null);
      resolve(inflate.errored ?? undefined);
    });
  });
}

/** The header of a member (RFC 1952, 2.3): ten bytes, and four parts that are there if a bit is set. */
async function skipHeader(input: Input): Promise<void> {
  const flags = (await input.next(10))[3]!;
  if (flags & 4) await input.next((await input.next(2)).readUInt16LE(0));
  for (const bit of [8, 16]) {
    if ((flags & bit) === 0) continue;
    for (let length = 0; (await input.next(1))[0] !== 0; length++) {
      if (length === MOST_NAME) throw damaged("incorrect header check");
    }
  }
  if (flags & 2) await input.next(2);
}

function cut(): Error {
  return Object.assign(new Error("unexpected end of file"), { code: "Z_BUF_ERROR" });
}

function damaged(reason: string): Error {
  return Object.assign(new Error(reason), { code: "Z_DATA_ERROR" });
}

/** A stream of bytes, looked at before they are taken. */
class Input {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #begun = false;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Whether another member begins here. throws  for other bytes at the start of the file */
  async startsMember(): Promise<boolean> {
    const start = await this.#have(4);
    // Method 8 is the only one, and the upper flags are reserved.
    const begins = start[0] === 0x1f && start[1] === 0x8b && start[2] === 8 && start[3]! < 32;
    if (!begins && !this.#begun) throw start.length < 4 ? cut() : damaged("incorrect header check");
    this.#begun = true;
    return begins;
  }

  /** The next bytes, at most so many, without taking them; none at the end. */
  async upTo(most: number): Promise<Buffer> {
    return (await this.#have(1)).subarray(0, most);
  }

  /** Exactly so many bytes, taken. */
  async next(count: number): Promise<Buffer> {
    const bytes = (await this.#have(count)).subarray(0, count);
    if (bytes.length < count) throw cut();
    this.take(count);
    return bytes;
  }

  take(count: number): void {
    this.#rest = this.#rest.subarray(count);
  }

  async #have(count: number): Promise<Buffer> {
    while (this.#rest.length < count) {
      const { value, done } = await this.#chunks.next();
      if (done === true) break;
      this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
    }
    return this.#rest;
  }
}
