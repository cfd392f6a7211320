/** SentencePiece's normalization of text. Knows nothing about pieces but those that a user defined. */
import { PieceTrie } from "../models/piece-trie.ts";
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

/**
 * The compiled character map of SentencePiece: a double-array trie over UTF-8 (darts-clone's
 * layout) whose values are offsets of replacement strings, behind it the strings, each ended by a
 * zero byte.
 *
 * throws   TypeError for bytes that hold no such map
 */
export class CharacterMap {
  readonly #units: Uint32Array;
  readonly #strings: Buffer;

  constructor(bytes: Uint8Array) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const trieBytes = buffer.length < 4 ? 0 : buffer.readUInt32LE(0);
    if (trieBytes % 4 !== 0 || trieBytes === 0 || 4 + trieBytes > buffer.length) {
      throw new TypeError(`${buffer.length} bytes that are no compiled character map`);
    }
    this.#units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) =>
      buffer.readUInt32LE(4 + 4 * i),
    );
    this.#strings = buffer.subarray(4 + trieBytes);
  }

  /** The replacement and the length in bytes of the shortest key at the start of `key`. */
  shortest(key: Uint8Array): { bytes: number; text: string } | undefined {
    let found: { bytes: number; text: string } | undefined;
    this.#walk(key, 0, (bytes, offset) => {
      found = { bytes, text: this.#string(offset) };
      return false;
    });
    return found;
  }

  /** The same of the longest key in `text` from byte `at` on. */
  longest(text: Uint8Array, at: number): { bytes: number; text: string } | undefined {
    let length = 0;
    let value = 0;
    this.#walk(text, at, (bytes, offset) => {
      [length, value] = [bytes, offset];
      return true;
    });
    return length === 0 ? undefined : { bytes: length, text: this.#string(value) };
  }

  #string(offset: number): string {
    const stop = this.#strings.indexOf(0, offset);
    return this.#strings.toString("utf8", offset, stop < 0 ? this.#strings.length : stop);
  }

  /** Calls `visit` for every key, shortest first, until it returns false. */
  #walk(key: Uint8Array, start: number, visit: (bytes: number, value: number) => boolean): void {
    const unit = (index: number): number => this.#units[index] ?? 0;
    let node = offsetOf(unit(0));
    for (let at = start; at < key.length; at++) {
      const byte = key[at] ?? 0;
      if (byte === 0) return;
      node ^= byte;
      const here = unit(node);
      if ((here & 0x800000ff) !== byte) return;
      node ^= offsetOf(here);
      if (((here >>> 8) & 1) === 1 && !visit(at - start + 1, unit(node) & 0x7fffffff)) return;
    }
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
