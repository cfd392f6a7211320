import { PieceTrie } from "../models/piece-trie.ts";
import { CharacterMap } from "./character-map.ts";
import { pieceTypes, type SentencePieceFile } from "./model-file.ts";

/** The mark that stands for a space. */
export const spaceMark = "▁";

/**
 * Text as SentencePiece normalizes it (normalizer.cc): the longest entry of the character map at
 * each place, white space at the ends and in runs dropped, a space in front, spaces as `▁`.
 * Symbols that a user defined stay as they are.
 */
export function compileSentencePieceNormalizer(file: SentencePieceFile): (text: string) => string {
  const { dummyPrefix, spaceAsSuffix, removeSpaces, escapeSpaces } = file.normalizer;
  const space = escapeSpaces ? spaceMark : " ";
  const split = compileSplit(file);
  return (text) => {
    const parts = split(text);
    let start = 0;
    if (removeSpaces) while (parts[start] === " ") start++;
    if (start === parts.length) return "";
    let normalized = dummyPrefix && !spaceAsSuffix ? space : "";
    let isAfterSpace = removeSpaces;
    for (; start < parts.length; start++) {
      let part = parts[start] ?? "";
      if (isAfterSpace) part = part.replace(/^ +/, "");
      if (part === "") continue;
      normalized += escapeSpaces ? part.replaceAll(" ", spaceMark) : part;
      isAfterSpace = removeSpaces && part.endsWith(" ");
    }
    if (removeSpaces) while (normalized.endsWith(space)) normalized = normalized.slice(0, -1);
    return dummyPrefix && spaceAsSuffix ? normalized + space : normalized;
  };
}

/** Cuts a text into the stretches that are replaced as one, replaced. */
function compileSplit({ normalizer, pieces }: SentencePieceFile): (text: string) => string[] {
  const map = normalizer.charsMap.length === 0 ? undefined : new CharacterMap(normalizer.charsMap);
  const named = pieces.filter(({ type }) => type === pieceTypes.userDefined);
  const own = new PieceTrie(named.map(({ text }) => [text, 0]));
  return (text) => {
    const bytes = map === undefined ? undefined : Buffer.from(text, "utf8");
    const parts: string[] = [];
    let byte = 0;
    for (let at = 0; at < text.length;) {
      const size = (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
      const ownEnd = named.length === 0 ? -1 : own.longest(text, at);
      const found = ownEnd < 0 && bytes !== undefined ? map?.longest(bytes, byte) : undefined;
      const end = ownEnd >= 0 ? ownEnd : found ? endOf(text, at, found.bytes) : at + size;
      const part = text.slice(at, end);
      parts.push(found?.text ?? part);
      byte += Buffer.byteLength(part);
      at = end;
    }
    return parts;
  };
}

/** Where the text stops that starts at `at` and has so many bytes of UTF-8. */
function endOf(text: string, at: number, bytes: number): number {
  while (bytes > 0 && at < text.length) {
    const code = text.codePointAt(at) ?? 0;
    bytes -= code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += code > 0xffff ? 2 : 1;
  }
  return at;
}
