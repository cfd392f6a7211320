/**
 * What of a language a tokenizer can write. A vocabulary without a language's words still gives numbers,
 * of pieces that mean nothing; better to know before one is trusted.
 */
import { counted } from "../errors.ts";
import type { Tokenizer } from "./tokenizer-description.ts";

/** Shares are in [0, 1]; NaN of no tokens, no words. */
export interface TokenCoverage {
  readonly texts: number;
  /** As Unicode cuts text into words (UAX 29), by dictionary where a script has no spaces. */
  readonly words: number;
  /** Ids of the texts, those that stand around every text left out. */
  readonly tokens: number;
  /** Tokens over words: 1 to 2 for a language that the vocabulary was made for. */
  readonly tokensPerWord: number;
  /** Share of tokens that stand for what the vocabulary lacks, such as `<unk>`. */
  readonly unknownTokens: number;
  /** Share of tokens that are bytes and no whole character. */
  readonly byteTokens: number;
  /** Share of words that are unknown as a whole or in part, or vanish. */
  readonly unknownWords: number;
  /** Share of words of which a part is written in bytes. */
  readonly byteWords: number;
  /** Share of texts that are longer than a row, and are cut. */
  readonly cutTexts: number;
  /** T, ids of a row, with those around a text. */
  readonly contextLength: number;
}

/**
 * How a tokenizer writes these texts.
 *
 * Tokens over words is the fertility of Rust et al., arXiv:2012.15613, section 4.1. Words are looked at
 * each for itself, so that one unknown piece for a whole sentence does not pass for one mistake.
 *
 * language   tag such as `ja`, of the rules by which text is cut into words
 * throws     RangeError for no texts, or a tag that is none
 */
export function tokenCoverage(
  { pieces, contextLength }: Pick<Tokenizer, "pieces" | "contextLength">,
  texts: readonly string[],
  language?: string,
): TokenCoverage {
  if (texts.length === 0) {
    throw new RangeError("Expected texts for a tokenizer's coverage but received none.");
  }
  const byteIds = pieces.byteIds();
  const segmenter = new Intl.Segmenter(language, { granularity: "word" });
  const known = new Map<string, WordCounts>();
  const total = {
    words: 0,
    tokens: 0,
    unknown: 0,
    bytes: 0,
    unknownWords: 0,
    byteWords: 0,
    cut: 0,
  };
  const countsOf = (text: string): WordCounts => countPieces(pieces.encode(text), pieces, byteIds);
  for (const text of texts) {
    const { tokens, unknown, bytes } = countsOf(text);
    total.tokens += tokens;
    total.unknown += unknown;
    total.bytes += bytes;
    if (tokens > pieces.room) total.cut++;
    for (const written of wordsOf(text, segmenter)) {
      const word = known.get(written) ?? countsOf(written);
      known.set(written, word);
      total.words++;
      if (word.unknown > 0 || word.tokens === 0) total.unknownWords++;
      if (word.bytes > 0) total.byteWords++;
    }
  }
  return {
    texts: texts.length,
    words: total.words,
    tokens: total.tokens,
    tokensPerWord: total.tokens / total.words,
    unknownTokens: total.unknown / total.tokens,
    byteTokens: total.bytes / total.tokens,
    unknownWords: total.unknownWords / total.words,
    byteWords: total.byteWords / total.words,
    cutTexts: total.cut / texts.length,
    contextLength,
  };
}

/** No word is longer; the segmenter's time grows with the square of what it is given. */
const longestRun = 1000;

/** Words of a text; none goes over white space. */
function* wordsOf(text: string, segmenter: Intl.Segmenter): Iterable<string> {
  for (const run of text.split(/\s+/u)) {
    for (let start = 0; start < run.length; start += longestRun) {
      const part = run.slice(start, start + longestRun);
      for (const { segment, isWordLike } of segmenter.segment(part)) {
        if (isWordLike === true) yield segment;
      }
    }
  }
}

interface WordCounts {
  tokens: number;
  unknown: number;
  bytes: number;
}

function countPieces(
  ids: ArrayLike<number>,
  { unknownId }: Tokenizer["pieces"],
  byteIds: ReadonlySet<number>,
): WordCounts {
  let [unknown, bytes] = [0, 0];
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === unknownId) unknown++;
    else if (byteIds.has(ids[i]!)) bytes++;
  }
  return { tokens: ids.length, unknown, bytes };
}

/** Of this share on it is said that words cannot be written, or are in bytes. */
const noticed = 0.005;

/**
 * The coverage in sentences, for people who are about to trust a number.
 *
 * of   what the texts are, such as `the class names in Japanese`
 */
export function coverageText(coverage: TokenCoverage, of: string): string {
  const { words, unknownWords, byteWords, tokensPerWord, cutTexts, contextLength } = coverage;
  const found: string[] = [];
  if (words === 0) found.push(`There are no words in ${of}.`);
  if (unknownWords >= noticed) {
    found.push(
      `This tokenizer cannot write ${percent(unknownWords)} of the words of ${of}: they are unknown to ` +
        "it, wholly or in part, and the model cannot tell them apart.",
    );
  }
  if (byteWords >= noticed) {
    found.push(
      `This tokenizer has no pieces for characters in ${percent(byteWords)} of the words of ${of} and ` +
        "writes them in bytes, which only a model that was trained on such text can read.",
    );
  }
  if (words > 0 && found.length === 0) {
    found.push(`This tokenizer writes the words of ${of} in pieces of its own.`);
  }
  if (words > 0) {
    const many = tokensPerWord >= 3 ? ", many: its vocabulary was made for other texts" : "";
    found.push(`A word takes ${tokensPerWord.toFixed(1)} tokens${many}.`);
  }
  if (cutTexts > 0) {
    found.push(
      `${percent(cutTexts)} of ${counted(coverage.texts, "text")} are longer than a row of ` +
        `${contextLength} tokens and are cut.`,
    );
  }
  return found.join(" ");
}

function percent(share: number): string {
  const size = share * 100;
  return `${size < 1 || (size > 99 && size < 100) ? size.toFixed(1) : size.toFixed(0)} %`;
}
