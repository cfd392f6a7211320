/** Puts pickles together byte by byte for tests, those above all that ask for something to be run. */

type Part = string | Uint8Array | readonly number[];

/** The bytes of parts; strings stand for themselves, one byte a character. */
export function pickle(...parts: readonly Part[]): Uint8Array {
  const pieces = parts.map((part) =>
    typeof part === "string" ? Buffer.from(part, "latin1") : Uint8Array.from(part),
  );
  return Buffer.concat([Uint8Array.of(0x80, 2), ...pieces, Buffer.from(".")]);
}

/** BINUNICODE of a text. */
export function textOf(content: string): Buffer {
  const bytes = Buffer.from(content);
  const head = Buffer.from([0x58, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** GLOBAL of a name. */
export function global(module: string, name: string): string {
  return `c${module}\n${name}\n`;
}
