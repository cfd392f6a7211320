/**
 * As much of Protocol Buffers' wire format as SentencePiece's model file (read) and TensorBoard's
 * event files (written) need: a dependency would be larger than this file. Knows no message.
 */

/** Varints and 32-bit floats as numbers, all else as bytes. */
export type Value = number | Uint8Array;
export type Message = Map<number, Value[]>;

/** The fields of a message. throws  TypeError for bytes that are not a message */
export function readMessage(bytes: Uint8Array): Message {
  const fields: Message = new Map();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new TypeError("it is cut");
      // Numbers below zero have ten bytes; only the lower 32 bits are of interest.
      if (shift < 35) value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new TypeError("not a SentencePiece model");
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new TypeError("it is cut");
    return bytes.subarray(at, (at += length));
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = readValue(tag & 7, { varint, take });
    const number = Math.floor(tag / 8);
    const values = fields.get(number);
    if (values === undefined) fields.set(number, [value]);
    else values.push(value);
  }
  return fields;
}

function readValue(
  kind: number,
  { varint, take }: { varint: () => number; take: (length: number) => Uint8Array },
): Value {
  if (kind === 0) return varint() | 0;
  if (kind === 1) return take(8);
  if (kind === 2) return take(varint());
  if (kind !== 5) throw new TypeError("not a SentencePiece model");
  const four = take(4);
  return new DataView(four.buffer, four.byteOffset, 4).getFloat32(0, true);
}

/** The value that counts where a field is there more than once. */
export function last(message: Message, field: number): Value | undefined {
  return message.get(field)?.at(-1);
}

export function integer(message: Message, field: number, otherwise: number): number {
  const value = last(message, field);
  return typeof value === "number" ? value : otherwise;
}

export function asBytes(value: Value): Uint8Array {
  if (typeof value === "number") throw new TypeError("not a SentencePiece model");
  return value;
}

/** Bytes of one or more encoded fields. */
export type Fields = Uint8Array;

/** Messages are their fields one after another. */
export function message(...fields: Fields[]): Uint8Array {
  return new Uint8Array(Buffer.concat(fields));
}

/** int32, int64, enum: a whole number >= 0 up to 2^53 - 1. Zero is left out, as proto3 does. */
export function varintField(number: number, value: number): Fields {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Expected a whole number >= 0 for field ${number} but received ${value}.`);
  }
  return value === 0
    ? new Uint8Array(0)
    : Uint8Array.from([...varintBytes(number * 8), ...varintBytes(value)]);
}

export function doubleField(number: number, value: number): Fields {
  const bytes = new Uint8Array(9);
  bytes[0] = number * 8 + 1;
  new DataView(bytes.buffer).setFloat64(1, value, true);
  return bytes;
}

export function floatField(number: number, value: number): Fields {
  const bytes = new Uint8Array(5);
  bytes[0] = number * 8 + 5;
  new DataView(bytes.buffer).setFloat32(1, value, true);
  return bytes;
}

/** bytes, string or an embedded message. */
export function bytesField(number: number, value: Uint8Array | string): Fields {
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  return message(
    Uint8Array.from([...varintBytes(number * 8 + 2), ...varintBytes(bytes.length)]),
    bytes,
  );
}

function varintBytes(value: number): number[] {
  const bytes: number[] = [];
  // Division, not shifts: numbers here may exceed 32 bits.
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}
