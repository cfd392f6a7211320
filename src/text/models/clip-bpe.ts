/**
 * CLIP's byte-level byte-pair encoding, and the alphabet of bytes that it shares with GPT-2's. Knows
 * nothing about files, nor about the ends of rows.
 */
import { DataError } from "../../errors.ts";

/** Ids of the vocabulary's symbols, and the names of start and end of text among them. */
export interface ClipVocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly startId: number;
  readonly endId: number;
  readonly size: number;
}

const suffix = "</w>";

/**
 * CLIP's vocabulary: 256 bytes, 256 bytes at the end of a word, one symbol per merge, start and
 * end of text.
 */
export function vocabularyOf(
  merges: readonly string[],
  [start, end]: readonly [string, string],
): ClipVocabulary {
  const ids = new Map<string, number>();
  let next = 0;
  for (const symbol of alphabetInVocabularyOrder) ids.set(symbol, next++);
  for (const symbol of alphabetInVocabularyOrder) ids.set(symbol + suffix, next++);
  for (const merge of merges) ids.set(merge.replace(" ", ""), next++);
  ids.set(start, next++);
  ids.set(end, next++);
  return { ids, startId: next - 2, endId: next - 1, size: next };
}

// More words are met once than are met again; a cache that is full starts anew.
const cacheLimit = 65_536;
const cachedWordLimit = 64;

/**
 * CLIP's byte-level byte-pair encoding of clean, lower-case text (openai/CLIP,
 * simple_tokenizer.py): words are letters, single digits, contractions or runs of other signs.
 */
export class ClipBpe {
  readonly vocabulary: ClipVocabulary;
  readonly #words: RegExp;
  readonly #special: ReadonlyMap<string, number>;
  /** Per merge of symbols a and b, under a * size + b: rank * size + id of the result. */
  readonly #merges = new Map<number, number>();
  readonly #byteIds: Int32Array;
  readonly #lastByteIds: Int32Array;
  readonly #cache = new Map<string, Int32Array>();

  constructor(
    merges: readonly string[],
    vocabulary: ClipVocabulary,
    specialTokens: readonly [string, string],
  ) {
    this.vocabulary = vocabulary;
    const { size } = vocabulary;
    const id = (symbol: string): number => requireId(vocabulary, symbol);
    this.#byteIds = Int32Array.from(byteAlphabet, id);
    this.#lastByteIds = Int32Array.from(byteAlphabet, (symbol) => id(symbol + suffix));
    for (const [rank, merge] of merges.entries()) {
      const [first = "", second = ""] = merge.split(" ");
      const pair = id(first) * size + id(second);
      this.#merges.set(pair, rank * size + id(first + second));
    }
    const [start, end] = specialTokens;
    this.#special = new Map([
      [start, vocabulary.startId],
      [end, vocabulary.endId],
    ]);
    // The reference matches contractions without regard to case: `ſ` is an s to it.
    this.#words = new RegExp(
      `${escape(start)}|${escape(end)}|'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]` +
        `|\\p{L}+|\\p{N}|[^${between}\\p{L}\\p{N}]+`,
      "gu",
    );
  }

  /** Ids of `text` into `row` from `at` on, as far as there is room; returns where they end. */
  write(text: string, row: Int32Array, at: number): number {
    this.#words.lastIndex = 0;
    for (let match = this.#words.exec(text); match !== null; match = this.#words.exec(text)) {
      for (const id of this.#encodeWord(match[0])) {
        if (at >= row.length) return at;
        row[at++] = id;
      }
    }
    return at;
  }

  #encodeWord(word: string): Int32Array {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const special = this.#special.get(word);
    const ids = special === undefined ? this.#merge(word) : Int32Array.of(special);
    if (word.length <= cachedWordLimit) {
      if (this.#cache.size >= cacheLimit) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  /** Applies the best-ranked merge everywhere in the word until none applies. */
  #merge(word: string): Int32Array {
    const bytes = Buffer.from(word, "utf8");
    const symbols = Int32Array.from(bytes, (byte) => this.#byteIds[byte] ?? 0);
    let count = symbols.length;
    symbols[count - 1] = this.#lastByteIds[bytes[count - 1] ?? 0] ?? 0;
    const { size } = this.vocabulary;
    while (count > 1) {
      let best = Infinity;
      let bestPair = 0;
      for (let i = 0; i + 1 < count; i++) {
        const pair = (symbols[i] ?? 0) * size + (symbols[i + 1] ?? 0);
        const merge = this.#merges.get(pair);
        if (merge !== undefined && merge < best) [best, bestPair] = [merge, pair];
      }
      if (best === Infinity) break;
      count = mergePair(symbols.subarray(0, count), bestPair, { merged: best % size, size });
    }
    return symbols.slice(0, count);
  }
}

/** Replaces every occurrence of a pair in place, left to right; returns the new length. */
function mergePair(
  symbols: Int32Array,
  pair: number,
  { merged, size }: { merged: number; size: number },
): number {
  const first = Math.floor(pair / size);
  const second = pair % size;
  let kept = 0;
  for (let i = 0; i < symbols.length; kept++) {
    const matches = symbols[i] === first && symbols[i + 1] === second;
    symbols[kept] = matches ? merged : (symbols[i] ?? 0);
    i += matches ? 2 : 1;
  }
  return kept;
}

// Unicode's White_Space, not JavaScript's \s, which takes U+FEFF in and leaves U+0085 out; and
// U+0345, a mark that is a letter to case folding, so that the reference's expression skips it.
const between = "\\p{White_Space}\\u0345";

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function requireId(vocabulary: ClipVocabulary, symbol: string): number {
  const id = vocabulary.ids.get(symbol);
  if (id !== undefined && id < vocabulary.size) return id;
  throw new DataError(
    `Expected the symbol ${JSON.stringify(symbol)} in the vocabulary of ${vocabulary.size} ids but ` +
      `it is missing; use vocab.json and merges.txt of the same model.`,
    { source: "vocab.json" },
  );
}

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
