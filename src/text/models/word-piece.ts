/** WordPiece and whole words: the two models without merges or scores. */
import type { PieceModel } from "./piece-model.ts";

interface WordPieceOptions {
  ids: ReadonlyMap<string, number>;
  unknownId: number;
  /** In front of every piece but a word's first. */
  prefix: string;
  /** A word of more characters is unknown as a whole. */
  longestWord: number;
}

/** BERT's WordPiece: the longest piece that fits, from left to right; else the word is unknown. */
export function createWordPiece(options: WordPieceOptions): PieceModel {
  const { ids, unknownId, prefix, longestWord } = options;
  let longestPiece = 0;
  for (const piece of ids.keys()) longestPiece = Math.max(longestPiece, piece.length);
  const encode = (word: string): readonly number[] => {
    if (word.length > longestWord && Array.from(word).length > longestWord) return [unknownId];
    const pieces: number[] = [];
    for (let start = 0; start < word.length;) {
      const front = start === 0 ? "" : prefix;
      let end = Math.min(word.length, start + longestPiece - front.length);
      let id: number | undefined;
      for (; end > start; end--) {
        // Half a character is no piece.
        if (isBetweenSurrogates(word, end)) continue;
        id = ids.get(front + word.slice(start, end));
        if (id !== undefined) break;
      }
      if (id === undefined) return [unknownId];
      pieces.push(id);
      start = end;
    }
    return pieces;
  };
  return { ids, encode };
}

function isBetweenSurrogates(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}

/** Whole words or nothing. */
export function createWordLevel(ids: ReadonlyMap<string, number>, unknownId?: number): PieceModel {
  return {
    ids,
    encode: (word) => {
      const id = ids.get(word) ?? unknownId;
      return id === undefined ? [] : [id];
    },
  };
}
