/** Counts the members of JSON objects, which tells of names that `JSON.parse` lets overwrite. */

/**
 * How many members the objects at this depth have, all together; 1 is the outermost.
 *
 * json  UTF-8 that `JSON.parse` accepts
 */
export function memberCount(json: Uint8Array, depth: number): number {
  let count = 0;
  let level = 0;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (byte === quote) {
      for (i++; json[i] !== quote && i < json.length; i++) if (json[i] === backslash) i++;
    } else if (byte === 0x7b || byte === 0x5b) level++;
    else if (byte === 0x7d || byte === 0x5d) level--;
    else if (byte === 0x3a && level === depth) count++;
  }
  return count;
}

const quote = 0x22;
const backslash = 0x5c;
