/**
 * The few field kinds of Protocol Buffers that event files need, written by hand: a dependency
 * would be larger than this file. Knows no message.
 */

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
    : Uint8Array.from([...varint(number * 8), ...varint(value)]);
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
  return message(Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes);
}

function varint(value: number): number[] {
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
