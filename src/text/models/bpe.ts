import { mergeSymbols } from "./merge-symbols.ts";
import { PairTable } from "./pair-table.ts";
import { bytePieces, type PieceModel } from "./piece-model.ts";

export interface BpeOptions {
  ids: ReadonlyMap<string, number>;
  /** Best first. */
  merges: readonly (readonly [string, string])[];
  unknownId?: number;
  /** Unknown characters in a row are one unknown piece. */
  fuseUnknown: boolean;
  /** Characters without a piece become the pieces of their bytes. */
  byteFallback: boolean;
  /** A word that is a piece stays whole, whatever the merges say. */
  ignoreMerges: boolean;
  /** In front of every symbol but a word's first. */
  prefix: string;
  /** Behind a word's last symbol. */
  suffix: string;
}

/**
 * Byte-pair encoding as Hugging Face's `tokenizers` has it (models/bpe: characters to ids, then
 * merges of ids).
 *
 * throws   TypeError for a merge of pieces that have no id
 */
export function createBpe(options: BpeOptions): PieceModel {
  const { ids, ignoreMerges } = options;
  const rules = mergeRules(options);
  const encode = (word: string): readonly number[] => {
    const whole = ignoreMerges ? ids.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const symbols = symbolsOf(word, options);
    return symbols.length < 2 ? symbols : mergeSymbols(symbols, rules);
  };
  return { ids, encode };
}

function mergeRules({ ids, merges, prefix }: BpeOptions): {
  rank(first: number, second: number): number;
  merged(first: number, second: number): number;
} {
  const ranks = new PairTable(merges.length);
  const results = new Int32Array(merges.length);
  const idOf = (piece: string, rank: number): number => {
    const id = ids.get(piece);
    if (id !== undefined) return id;
    const name = JSON.stringify(piece.slice(0, 80));
    throw new TypeError(`merge ${rank + 1} has the piece ${name}, which the vocabulary lacks`);
  };
  for (const [rank, [first, second]] of merges.entries()) {
    const pair = [idOf(first, rank), idOf(second, rank)] as const;
    results[rank] = idOf(first + second.slice(prefix.length), rank);
    ranks.set(pair[0], pair[1], rank);
  }
  return {
    rank: (first, second) => ranks.get(first, second),
    merged: (first, second) => results[ranks.get(first, second)] ?? -1,
  };
}

function symbolsOf(word: string, options: BpeOptions): number[] {
  const { ids, unknownId, fuseUnknown, byteFallback, prefix, suffix } = options;
  const symbols: number[] = [];
  let unknownBefore = false;
  let at = 0;
  for (const character of word) {
    const front = at === 0 ? "" : prefix;
    at += character.length;
    const symbol = `${front}${character}${at === word.length ? suffix : ""}`;
    const id = ids.get(symbol);
    const bytes = id === undefined && byteFallback ? bytePieces(symbol, ids) : undefined;
    if (id !== undefined) symbols.push(id);
    else if (bytes !== undefined) symbols.push(...bytes);
    else if (unknownId !== undefined && !(fuseUnknown && unknownBefore)) symbols.push(unknownId);
    unknownBefore = id === undefined && bytes === undefined;
  }
  return symbols;
}
