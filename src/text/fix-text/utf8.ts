/**
 * UTF-8 in byte strings (see fix-encoding.ts): decoding, with the variants that real software
 * writes, and the repair of sequences that lost a byte on the way.
 */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of a byte string, or undefined if the bytes are not UTF-8 in its strict form. */
export function decodeUtf8(bytes: string): string | undefined {
  try {
    return decoder.decode(Buffer.from(bytes, "latin1"));
  } catch {
    return undefined;
  }
}

// Python's `$` also holds before a newline that ends the string; the reference relies on it here.
const end = "(?=\\n?(?![^]))";
const pairOfSurrogates =
  `\\xed(?:[\\xa0-\\xaf]|${end})(?:[\\x80-\\xbf]|${end})` +
  `(?:\\xed|${end})(?:[\\xb0-\\xbf]|${end})(?:[\\x80-\\xbf]|${end})`;
const oneSurrogate = `\\xed(?:[\\xa0-\\xbf]|${end})(?:[\\x80-\\xbf]|${end})`;
const javaNull = `\\xc0(?:\\x80|${end})`;
const variants = new RegExp(`${javaNull}|${pairOfSurrogates}|${oneSurrogate}`, "g");
const pairHere = new RegExp(pairOfSurrogates, "y");

/**
 * Text of a byte string in UTF-8, CESU-8 (astral characters as two encoded surrogates) or Java's
 * UTF-8 (U+0000 as C0 80), also mixed; undefined if it is none of them.
 */
export function decodeUtf8Variants(bytes: string): string | undefined {
  let text = "";
  let position = 0;
  while (position < bytes.length) {
    variants.lastIndex = position;
    const start = variants.exec(bytes)?.index ?? bytes.length;
    if (start > position) {
      const plain = decodeUtf8(bytes.slice(position, start));
      if (plain === undefined) return undefined;
      text += plain;
      position = start;
      continue;
    }
    const special = decodeVariant(bytes, position);
    if (special === undefined) return undefined;
    text += special.text;
    position += special.length;
  }
  return text;
}

function decodeVariant(bytes: string, at: number): { text: string; length: number } | undefined {
  const left = bytes.length - at;
  if (bytes.charCodeAt(at) === 0xc0) return left > 1 ? { text: "\0", length: 2 } : undefined;
  pairHere.lastIndex = at;
  // A lone surrogate, or one cut off at the end, is no character in any variant.
  if (left < 6 || !pairHere.test(bytes)) return undefined;
  const bits = (offset: number, mask: number): number => bytes.charCodeAt(at + offset) & mask;
  const high = (bits(1, 0x0f) << 16) + (bits(2, 0x3f) << 10);
  return {
    text: String.fromCodePoint(high + (bits(4, 0x0f) << 6) + bits(5, 0x3f) + 0x10000),
    length: 6,
  };
}

// Sequences that decode to likely characters once a space becomes the byte A0 again: leads whose
// character with A0 is unlikely are left out.
const spaced =
  /[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf][\x80-\xbf]|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf] /;
const everySpaced = new RegExp(spaced, "g");
// `Ã ` is `à` and a space, except in the Portuguese words às, àquele, àquela, àquilo.
const graveWord = /\xc3 (?! |quele|quela|quilo|s )/g;

/** Puts back the bytes A0 that some program took for spaces and wrote as 20. */
export function restoreNoBreakSpaces(bytes: string): string {
  if (!spaced.test(bytes)) return bytes;
  return bytes
    .replace(graveWord, "\xc3\xa0 ")
    .replace(everySpaced, (match) => match.replaceAll(" ", "\xa0"));
}

const lossy = new RegExp(
  [
    "[\\xc2-\\xdf]\\x1a",
    "[\\xc2\\xc3]\\?",
    "\\xed[\\xa0-\\xaf][\\x1a?]\\xed[\\xb0-\\xbf][\\x1a?\\x80-\\xbf]",
    "\\xed[\\xa0-\\xaf][\\x1a?\\x80-\\xbf]\\xed[\\xb0-\\xbf][\\x1a?]",
    "[\\xe0-\\xef][\\x1a?][\\x1a\\x80-\\xbf]",
    "[\\xe0-\\xef][\\x1a\\x80-\\xbf][\\x1a?]",
    "[\\xf0-\\xf4][\\x1a?][\\x1a\\x80-\\xbf][\\x1a\\x80-\\xbf]",
    "[\\xf0-\\xf4][\\x1a\\x80-\\xbf][\\x1a?][\\x1a\\x80-\\xbf]",
    "[\\xf0-\\xf4][\\x1a\\x80-\\xbf][\\x1a\\x80-\\xbf][\\x1a?]",
    "\\x1a",
  ].join("|"),
  "g",
);

/** Sequences of which a byte was lost (1A, sometimes `?`) as the UTF-8 of U+FFFD. */
export function replaceLossySequences(bytes: string): string {
  return bytes.replace(lossy, "\xef\xbf\xbd");
}
