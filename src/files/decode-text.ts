/**
 * Text as people's programs write it, from bytes: UTF-8, and UTF-16 with its mark, as Notepad, Excel
 * and PowerShell write. Nothing is guessed and nothing becomes U+FFFD.
 */
import { isUtf8 } from "node:buffer";

/**
 * The text that some bytes are, without its byte order mark.
 *
 * throws   Error with a short reason that names no file: bytes that are not UTF-8, UTF-16 that is cut,
 *          UTF-32, and zero bytes, which UTF-16 without its mark has and text has not
 */
export function decodeText(bytes: Uint8Array): string {
  if (startsWith(bytes, [0xff, 0xfe, 0, 0]) || startsWith(bytes, [0, 0, 0xfe, 0xff])) {
    throw new Error("it is text in UTF-32; save it as UTF-8");
  }
  if (startsWith(bytes, [0xff, 0xfe])) return decodeUtf16(bytes.subarray(2), false);
  if (startsWith(bytes, [0xfe, 0xff])) return decodeUtf16(bytes.subarray(2), true);
  if (!isUtf8(bytes)) {
    throw new Error(`bytes that are not UTF-8 (byte ${firstWrongByte(bytes)}); save it as UTF-8`);
  }
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    throw new Error(
      `a zero byte (byte ${zero}), as text in UTF-16 without its mark has; save it as UTF-8`,
    );
  }
  // The decoder takes one mark off.
  return new TextDecoder().decode(bytes);
}

function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, i) => bytes[i] === byte);
}

function decodeUtf16(bytes: Uint8Array, bigEndian: boolean): string {
  const little = Buffer.from(bytes);
  try {
    if (bigEndian) little.swap16();
    return new TextDecoder("utf-16le", { fatal: true }).decode(little);
  } catch (cause) {
    throw new Error("text in UTF-16 that is cut or damaged; save it as UTF-8", { cause });
  }
}

/** The lowest and highest second byte after each first byte of a sequence (Unicode 16, table 3-7). */
function secondByte(first: number): [least: number, most: number] {
  if (first === 0xe0) return [0xa0, 0xbf];
  if (first === 0xed) return [0x80, 0x9f];
  if (first === 0xf0) return [0x90, 0xbf];
  return first === 0xf4 ? [0x80, 0x8f] : [0x80, 0xbf];
}

/** Where the first sequence begins that is no UTF-8; the length where all are. */
function firstWrongByte(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length === 0 || first > 0xf4) return at;
    const [least, most] = secondByte(first);
    for (let i = 1; i < length; i++) {
      const next = bytes[at + i] ?? 0;
      if (i === 1 ? next < least || next > most : next < 0x80 || next > 0xbf) return at;
    }
    at += length;
  }
  return bytes.length;
}

/**
 * The name of a file from its bytes, whatever they are. Bytes that are not UTF-8 become the lone
 * surrogates U+DC80 to U+DCFF, as Python's `surrogateescape` has them, so that two names stay two.
 */
export function decodeName(bytes: Uint8Array): string {
  let name = "";
  for (let rest = Buffer.from(bytes); ;) {
    const wrong = firstWrongByte(rest);
    name += rest.toString("utf8", 0, wrong);
    if (wrong === rest.length) return name;
    name += String.fromCharCode(0xdc00 + rest[wrong]!);
    rest = rest.subarray(wrong + 1);
  }
}

const escaped = /[\udc80-\udcff]/u;

/** The path as the file system wants it: its bytes where `decodeName` had to escape some. */
export function encodePath(path: string): string | Buffer {
  if (!escaped.test(path)) return path;
  const parts = path.split(/([\udc80-\udcff])/u);
  return Buffer.concat(
    parts.map((part) =>
      escaped.test(part) ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part),
    ),
  );
}

/** A name for people and for files that limn writes: escaped bytes as `%E9`, and then `%` as `%25`. */
export function readableName(name: string): string {
  if (!escaped.test(name)) return name;
  return name.replace(/[%\udc80-\udcff]/gu, (unit) =>
    unit === "%" ? "%25" : `%${(unit.charCodeAt(0) - 0xdc00).toString(16).toUpperCase()}`,
  );
}
