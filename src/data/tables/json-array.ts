/** A JSON list of objects, read element by element, however long the list is. */
import type { CutRow, ReadJson } from "./row-format.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const LINE_FEED = 10;

/** Where the first element may start, behind the bracket; undefined for what is no list. */
export function listStart(head: Buffer): number | undefined {
  const start = head.findIndex((byte) => byte > 0x20);
  return head[start] === OPEN_LIST ? start + 1 : undefined;
}

/**
 * The element at `start`, or what is between two of them, which is an empty row: so an element starts on
 * its own line. One that does not end takes all that is behind it.
 */
export function cutElement(
  bytes: Buffer,
  start: number,
  last: boolean,
  read: ReadJson,
): CutRow | undefined {
  let lines = 0;
  let at = start;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === LINE_FEED) lines++;
    else if (byte > 0x20 && byte !== COMMA && byte !== CLOSE_LIST) break;
  }
  if (at > start) return { end: at, lines };
  const found = endOfElement(bytes, at);
  if (found === undefined && !last) return undefined;
  const end = Math.max(found ?? bytes.length, at + 1);
  const row = read(bytes, at, end);
  const lost = found === undefined && row.reason !== undefined;
  const reason = lost ? `${row.reason}; what follows it is lost` : row.reason;
  const cut = { end, lines: countLines(bytes, at, end) };
  return reason === undefined ? { ...cut, cells: row.cells! } : { ...cut, reason };
}

/** Behind the value that starts here; undefined where it goes on behind the bytes. */
function endOfElement(bytes: Buffer, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
      if (at >= bytes.length) return undefined;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (byte === COMMA && depth === 0) return at;
  }
  return undefined;
}

function countLines(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED, start); at >= 0 && at < end; count++) {
    at = bytes.indexOf(LINE_FEED, at + 1);
  }
  return count;
}
