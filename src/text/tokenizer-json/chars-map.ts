import { DataError } from "../../errors.ts";
import { CharacterMap } from "../sentence-piece/character-map.ts";

/**
 * SentencePiece's compiled normalization as Hugging Face applies it: a grapheme of up to 5 bytes
 * is looked up whole, else character by character.
 */
export function compileCharsMap(base64: string): (text: string) => string {
  const map = readMap(base64);
  const find = (key: string): string | undefined => map.shortest(Buffer.from(key, "utf8"))?.text;
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

function readMap(base64: string): CharacterMap {
  const bytes = Buffer.from(base64, "base64");
  try {
    return new CharacterMap(bytes);
  } catch (cause) {
    throw new DataError(
      `Expected a compiled character map for precompiled_charsmap but received ${bytes.length} ` +
        `bytes that are none; use the tokenizer.json as it was published.`,
      { source: "tokenizer.json" },
      { cause },
    );
  }
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
