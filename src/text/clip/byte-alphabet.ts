/**
 * The printable character that stands for each byte in byte-level vocabularies (GPT-2, CLIP):
 * visible Latin-1 characters stand for themselves, the other 68 bytes for U+0100 onwards.
 */
export const byteAlphabet: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  String.fromCharCode(isVisible(byte) ? byte : 0x100 + hiddenBelow(byte)),
);

function isVisible(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
}

function hiddenBelow(byte: number): number {
  let count = 0;
  for (let b = 0; b < byte; b++) if (!isVisible(b)) count++;
  return count;
}

/** The alphabet as CLIP's vocabulary lists it: the visible bytes first, then the hidden ones. */
export const alphabetInVocabularyOrder: readonly string[] = [...byteAlphabet].sort(
  (a, b) => a.charCodeAt(0) - b.charCodeAt(0),
);
