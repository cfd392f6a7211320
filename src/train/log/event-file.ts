/**
 * TensorBoard event files: TFRecord frames around Event messages, for scalars, texts and pictures.
 * Field numbers are those of tensorboard/compat/proto/{event,summary,tensor}.proto.
 */
import { join } from "node:path";
import { AppendFile } from "./append-file.ts";
import { makeFolder } from "../../files/storage.ts";
import { bytesField, doubleField, floatField, message, varintField } from "../../files/protobuf.ts";

interface EventFileOptions {
  /** Made if missing; TensorBoard shows all event files of one directory as one run. */
  readonly directory: string;
  /**
   * Set on resume to the first step that will be written again: TensorBoard then hides what older
   * files of the directory hold from that step on.
   */
  readonly purgeStep?: number;
  /** Seconds since 1970; a test passes its own. */
  readonly now?: () => number;
}

/** Appends events to a new file; every call is on disk's way when it returns. */
export class EventFile {
  readonly path: string;
  readonly #file: AppendFile;
  readonly #now: () => number;

  /** throws  StorageError naming the directory or the file where it cannot be written */
  constructor({ directory, purgeStep, now = () => Date.now() / 1000 }: EventFileOptions) {
    this.#now = now;
    makeFolder(directory);
    this.#file = createFile(directory, now());
    this.path = this.#file.path;
    this.#write(bytesField(3, "brain.Event:2"));
    if (purgeStep !== undefined) {
      const start = varintField(1, 1);
      this.#write(varintField(2, purgeStep), bytesField(7, start));
    }
  }

  /** One number under a tag such as `train/loss`. NaN and infinities are kept. */
  scalar(tag: string, value: number, step: number): void {
    this.scalars({ [tag]: value }, step);
  }

  /** Several numbers of one step, in one event. */
  scalars(values: Readonly<Record<string, number>>, step: number): void {
    const entries = Object.entries(values).map(([tag, value]) =>
      bytesField(1, message(bytesField(1, tag), floatField(2, value))),
    );
    if (entries.length > 0) this.#writeSummary(message(...entries), step);
  }

  /** A text; TensorBoard renders it as Markdown. */
  text(tag: string, markdown: string, step: number): void {
    const stringType = 7;
    const tensor = message(
      varintField(1, stringType),
      bytesField(2, bytesField(2, varintField(1, 1))), // shape [1]
      bytesField(8, markdown),
    );
    const metadata = bytesField(1, bytesField(1, "text"));
    const value = message(bytesField(1, tag), bytesField(8, tensor), bytesField(9, metadata));
    this.#writeSummary(bytesField(1, value), step);
  }

  /**
   * A picture, as the bytes of a PNG file.
   *
   * throws  TypeError if the bytes are not a PNG file
   */
  image(tag: string, png: Uint8Array, step: number): void {
    const { width, height, channels } = readPngHeader(png);
    const image = message(
      varintField(1, height),
      varintField(2, width),
      varintField(3, channels),
      bytesField(4, png),
    );
    const value = message(bytesField(1, tag), bytesField(4, image));
    this.#writeSummary(bytesField(1, value), step);
  }

  /** Waits until everything written is on the disk itself. */
  sync(): void {
    this.#file.sync();
  }

  /** Closes the file; closing twice is fine, writing afterwards is not. */
  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #writeSummary(summary: Uint8Array, step: number): void {
    this.#write(varintField(2, step), bytesField(5, summary));
  }

  #write(...fields: Uint8Array[]): void {
    this.#file.append(frame(message(doubleField(1, this.#now()), ...fields)));
  }
}

/** TFRecord: length (8 bytes), its masked sum (4), the bytes, their masked sum (4). */
function frame(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, maskedCrc32c(out.subarray(0, 8)), true);
  out.set(bytes, 12);
  view.setUint32(12 + bytes.length, maskedCrc32c(bytes), true);
  return out;
}

/**
 * TensorBoard reads the files of a run in the order of their names, hence the padded seconds. The
 * machine's name, which other writers put there, is left out: run directories get published.
 */
function createFile(directory: string, seconds: number): AppendFile {
  const stamp = String(Math.floor(seconds)).padStart(10, "0");
  for (let n = 0; ; n++) {
    const path = join(directory, `events.out.tfevents.${stamp}.limn.${process.pid}.${n}`);
    try {
      return new AppendFile(path, "ax");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** PNG colour type -> channels: grey, RGB, palette (decoded as RGB), grey + alpha, RGBA. */
const channelsOfColourType: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

function readPngHeader(png: Uint8Array): { width: number; height: number; channels: number } {
  const channels = channelsOfColourType[png[25] ?? -1];
  if (!pngSignature.every((byte, i) => png[i] === byte) || channels === undefined) {
    throw new TypeError(
      `Expected the bytes of a PNG file but received ${png.length} bytes of something else; ` +
        "encode the picture as PNG first.",
    );
  }
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20), channels };
}

/** RFC 3720, appendix B.4: the Castagnoli polynomial, bits reversed. */
const castagnoli = 0x82f6_3b78;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ castagnoli : crc >>> 1;
  return crc;
});

/** CRC-32C of `bytes` as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * The checksum as TFRecord stores it: rotated and offset, because sums of data that themselves
 * contain sums are weak.
 */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0;
}
