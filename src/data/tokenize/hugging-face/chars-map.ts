import { DataError } from "../../../errors.ts";

/**
 * SentencePiece's compiled normalization: a double-array trie over UTF-8 (darts-clone's layout)
 * whose values are offsets of replacement strings, behind it the strings, each ended by a zero.
 * Per grapheme, as Hugging Face applies it: a grapheme of up to 5 bytes is looked up whole, else
 * character by character.
 */
export function compileCharsMap(base64: string): (text: string) => string {
  const bytes = Buffer.from(base64, "base64");
  const trieBytes = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  if (trieBytes % 4 !== 0 || trieBytes === 0 || 4 + trieBytes > bytes.length) {
    throw new DataError(
      `Expected a compiled character map for precompiled_charsmap but received ${bytes.length} ` +
        `bytes that are none; use the tokenizer.json as it was published.`,
      { source: "tokenizer.json" },
    );
  }
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) =>
    bytes.readUInt32LE(4 + 4 * i),
  );
  const strings = bytes.subarray(4 + trieBytes);
  const find = (key: string): string | undefined => {
    const offset = lookUp(units, Buffer.from(key, "utf8"));
    if (offset === undefined) return undefined;
    const stop = strings.indexOf(0, offset);
    return strings.toString("utf8", offset, stop < 0 ? strings.length : stop);
  };
  const whole = remember((grapheme) =>
    Buffer.byteLength(grapheme) < 6 ? find(grapheme) : undefined,
  );
  const single = remember(find);
  const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
  const normalize = (grapheme: string): string =>
    whole(grapheme) ?? Array.from(grapheme, (character) => single(character) ?? character).join("");
  return (text) => {
    let normalized = "";
    // Without carriage returns every ASCII character is a grapheme.
    if (/^[\t\n\x20-\x7e]*$/.test(text)) {
      for (const character of text) normalized += normalize(character);
    } else {
      for (const { segment } of graphemes.segment(text)) normalized += normalize(segment);
    }
    return normalized;
  };
}

/** The function with the results for short texts kept. */
function remember(find: (key: string) => string | undefined): typeof find {
  const known = new Map<string, string | undefined>();
  return (key) => {
    if (known.has(key)) return known.get(key);
    const value = find(key);
    if (known.size < 65_536 && key.length < 8) known.set(key, value);
    return value;
  };
}

/** The value of the shortest key of the trie that starts `key`. */
function lookUp(units: Uint32Array, key: Uint8Array): number | undefined {
  const unit = (index: number): number => units[index] ?? 0;
  let node = offsetOf(unit(0));
  for (const byte of key) {
    if (byte === 0) return undefined;
    node ^= byte;
    const here = unit(node);
    if ((here & 0x800000ff) !== byte) return undefined;
    node ^= offsetOf(here);
    if (((here >>> 8) & 1) === 1) return unit(node) & 0x7fffffff;
  }
  return undefined;
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
