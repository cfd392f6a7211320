/** As much of the protocol buffer's wire format as SentencePiece's model file needs. */

/** Varints and 32-bit floats as numbers, all else as bytes. */
export type Value = number | Uint8Array;
export type Message = Map<number, Value[]>;

/** Fields of a message; throws a TypeError for bytes that are none. */
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
