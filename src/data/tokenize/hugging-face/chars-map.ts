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
  const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
  return (text) => {
    let normalized = "";
    for (const { segment } of graphemes.segment(text)) {
      const whole = Buffer.byteLength(segment) < 6 ? find(segment) : undefined;
      if (whole !== undefined) normalized += whole;
      else for (const character of segment) normalized += find(character) ?? character;
    }
    return normalized;
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
