/** The numbers and strings of a pickle's instructions, never beyond its end. */

export class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#at;
  }

  /** Moves on by `length` bytes; gives where they begin. */
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new Error(`its pickle is cut off at byte ${at}`);
    this.#at += length;
    return at;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }
  uint16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  int32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }
  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  float64(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }
  length4(): number {
    return this.uint32();
  }
  length8(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  /** A number of any length, two's complement; a bigint where a number would not be exact. */
  long(length: number): number | bigint {
    // A checkpoint counts and seeds; longer numbers only cost time to read.
    if (length > 64) throw new Error(`its pickle has a number of ${length} bytes`);
    const bytes = this.bytes(length);
    let value = 0n;
    for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(length * 8, value);
    return value >= -maxSafe && value <= maxSafe ? Number(value) : value;
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(length: number): string {
    return decode(this.bytes(length));
  }

  /** Up to the next line feed, which is left out. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw new Error(`its pickle is cut off at byte ${this.#at}`);
    const text = this.text(end - this.#at);
    this.#take(1);
    return text;
  }
}

const maxSafe = BigInt(Number.MAX_SAFE_INTEGER);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new Error("its pickle has a string that is not UTF-8", { cause });
  }
}
