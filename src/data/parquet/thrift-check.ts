/**
 * Thrift's compact protocol, as far as Parquet uses it: checked before a reader without bounds of its
 * own sees it. Lists are no longer than the bytes that hold them, numbers no longer than 64 bits.
 */

const MOST_DEPTH = 32;

export type ThriftValue = number | boolean | ThriftStruct | undefined;
/** Numbers, truth values and structs by their field numbers; what else there is was checked only. */
export interface ThriftStruct {
  [field: number]: ThriftValue;
}

/**
 * Reads the struct at `start`.
 *
 * throws   Error with a short reason for what is no such struct, or not whole
 */
export function readThrift(bytes: Uint8Array, start = 0): { value: ThriftStruct; end: number } {
  const reader = new Reader(bytes, start);
  const value = reader.struct(0);
  return { value, end: reader.at };
}

class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.at = start;
  }

  struct(depth: number): ThriftStruct {
    if (depth > MOST_DEPTH) throw new Error("structs that are too deep in each other");
    const value: ThriftStruct = {};
    let field = 0;
    for (;;) {
      const byte = this.#byte();
      const type = byte & 15;
      if (type === 0) return value;
      field = byte >> 4 === 0 ? zigzag(this.#varint()) : field + (byte >> 4);
      const read = this.#value(type, depth);
      if (field > 0 && field < 100) value[field] = read;
    }
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case 1:
      case 2:
        return type === 1;
      case 3:
        return (this.#byte() << 24) >> 24;
      case 4:
      case 5:
      case 6:
        return zigzag(this.#varint());
      case 7:
        return this.#skip(8);
      case 8:
        return this.#skip(this.#varint());
      case 9:
        return this.#list(depth + 1);
      case 12:
        return this.struct(depth + 1);
      default:
        throw new Error(`a field of unknown type ${type}`);
    }
  }

  #list(depth: number): undefined {
    if (depth > MOST_DEPTH) throw new Error("lists that are too deep in each other");
    const byte = this.#byte();
    const length = byte >> 4 === 15 ? this.#varint() : byte >> 4;
    if (length > this.#bytes.length - this.at) throw new Error("a list longer than its bytes");
    for (let i = 0; i < length; i++) {
      const type = byte & 15;
      if (type === 1 || type === 2) this.#byte();
      else this.#value(type, depth);
    }
  }

  #skip(count: number): undefined {
    if (count > this.#bytes.length - this.at) throw new Error("a field longer than its bytes");
    this.at += count;
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new Error("an end within a struct");
    return byte;
  }

  /** Below 2^70; what is beyond 2^53 is rounded, which no size is. */
  #varint(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return value;
    }
    throw new Error("a number longer than 64 bits");
  }
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
