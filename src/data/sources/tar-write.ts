/** Writes tar archives (POSIX ustar, with pax records where ustar is too small). */

const BLOCK = 512;
const encoder = new TextEncoder();

/** The bytes of one regular file: header, contents, padding. Names of any length and script. */
export function tarEntry(name: string, contents: Uint8Array): Buffer {
  const nameBytes = encoder.encode(name);
  const plain = nameBytes.length === name.length && nameBytes.length <= 100;
  const parts: Uint8Array[] = [];
  if (!plain || contents.length > 0o77777777777) parts.push(...paxEntry(name, contents.length));
  const short = plain ? name : `long-name/${name.replace(/[^\x20-\x7e]|\//g, "_").slice(-80)}`;
  parts.push(header(short, Math.min(contents.length, 0o77777777777), "0"), contents);
  parts.push(padding(contents.length));
  return Buffer.concat(parts);
}

/** The two zero blocks that end an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** A pax extended header that carries the real name and size (POSIX.1-2001, pax). */
function paxEntry(name: string, size: number): Uint8Array[] {
  let text = paxRecord("path", name);
  if (size > 0o77777777777) text += paxRecord("size", String(size));
  const bytes = encoder.encode(text);
  return [header("pax-header", bytes.length, "x"), bytes, padding(bytes.length)];
}

/** `<length> key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length += 1;
  return `${length} ${key}=${value}\n`;
}

function header(name: string, size: number, type: "0" | "x"): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, "latin1");
  block.write("0000644\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1");
  block.write("0000000\0", 116, "latin1");
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  // Time 0: the same samples give the same archive, byte for byte.
  block.write("00000000000\0", 136, "latin1");
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
