/** A SentencePiece model as SentencePiece itself runs it: texts to pieces. */
import { mergeSymbols } from "../models/bpe.ts";
import { bytePieces } from "../models/piece-model.ts";
import { PieceTrie } from "../models/piece-trie.ts";
import { bestPath, type PlacedPiece, unknownPenalty } from "../models/unigram.ts";
import { pieceTypes, type SentencePieceFile } from "./model-file.ts";
import { compileSentencePieceNormalizer } from "./normalizer.ts";

/** A piece of a text; an unknown one with the stretch of normalized text that it stands for. */
export interface Piece {
  id: number;
  surface?: string;
}

/** SentencePiece's processor: texts to pieces, the end of text not among them. */
interface SentencePieceProcessor {
  /** Pieces of a text; unknown characters in a row are one. */
  encode: (text: string) => Piece[];
  /** The id of a piece's name, the unknown piece's for others. */
  idOf: (name: string) => number;
  readonly ids: ReadonlyMap<string, number>;
  readonly vocabSize: number;
}

/** A model of the unigram or the BPE kind as SentencePiece itself runs it. */
export function openSentencePiece(file: SentencePieceFile): SentencePieceProcessor {
  const { pieces, unknownId, byteFallback } = file;
  const normalize = compileSentencePieceNormalizer(file);
  const ids = new Map(pieces.map(({ text }, id) => [text, id]));
  const segment = file.type === "unigram" ? compileUnigram(file) : compileBpe(file);
  const encode = (text: string): Piece[] => {
    const normalized = normalize(text);
    const found: Piece[] = [];
    for (const { start, end, id } of segment(normalized)) {
      const surface = id === unknownId ? normalized.slice(start, end) : undefined;
      const bytes = surface !== undefined && byteFallback ? bytePieces(surface, ids) : undefined;
      const before = found.at(-1);
      if (bytes !== undefined) for (const byte of bytes) found.push({ id: byte });
      else if (surface === undefined) found.push({ id });
      else if (before?.surface !== undefined) before.surface += surface;
      else found.push({ id, surface });
    }
    return found;
  };
  return {
    encode,
    idOf: (name) => ids.get(name) ?? unknownId,
    ids,
    vocabSize: pieces.length,
  };
}

const { normal, userDefined, unused } = pieceTypes;

/** Pieces that may be found in a text, with their ids. */
function searched({ pieces }: SentencePieceFile): [string, number][] {
  return pieces.flatMap(({ text, type }, id): [string, number][] =>
    type === normal || type === userDefined || type === unused ? [[text, id]] : [],
  );
}

/** Viterbi's path in single precision (unigram_model.cc, `EncodeOptimized`). */
function compileUnigram(file: SentencePieceFile): (text: string) => PlacedPiece[] {
  const { pieces, unknownId } = file;
  const usable = searched(file).filter(([, id]) => pieces[id]?.type !== unused);
  let [least, most] = [Infinity, -Infinity];
  for (const { score, type } of pieces) {
    if (type === normal) [least, most] = [Math.min(least, score), Math.max(most, score)];
  }
  const bytesOf = pieces.map(({ text, type }) =>
    type === userDefined ? Buffer.byteLength(text) : 0,
  );
  return bestPath({
    trie: new PieceTrie(usable, usable.length),
    unknownId,
    unknownScore: Math.fround(least - unknownPenalty),
    // A symbol that a user defined is always chosen.
    score: (id) => {
      const bytes = bytesOf[id] ?? 0;
      return bytes > 0 ? Math.fround(bytes * most) - 0.1 : (pieces[id]?.score ?? 0);
    },
    round: Math.fround,
  });
}

/** Merges by the score of their result (bpe_model.cc). */
function compileBpe(file: SentencePieceFile): (text: string) => PlacedPiece[] {
  const { pieces, unknownId } = file;
  const ids = new Map(searched(file));
  const names = new Map(pieces.map(({ text }, id) => [text, id]));
  const frozen = new Set(pieces.flatMap(({ text, type }) => (type === userDefined ? [text] : [])));
  const own = new PieceTrie(Array.from(frozen, (text) => [text, 0]));
  const ranks = ranksByScore(pieces.map(({ score }) => score));
  const isUnused = (piece: string): boolean => pieces[names.get(piece) ?? -1]?.type === unused;
  return (text) => {
    // A piece that is unused is taken apart again into what it was made of.
    const parts = new Map<string, readonly [string, string]>();
    const rules = {
      rank: (first: string, second: string): number => {
        if (frozen.has(first) || frozen.has(second)) return -1;
        return ranks[ids.get(first + second) ?? -1] ?? -1;
      },
      merged: (first: string, second: string): string => {
        const whole = first + second;
        if (isUnused(whole)) parts.set(whole, [first, second]);
        return whole;
      },
    };
    const path: PlacedPiece[] = [];
    let start = 0;
    const place = (piece: string): void => {
      const made = isUnused(piece) ? parts.get(piece) : undefined;
      if (made !== undefined) {
        made.forEach(place);
        return;
      }
      const end = start + piece.length;
      path.push({ start, end, id: names.get(piece) ?? unknownId });
      start = end;
    };
    mergeSymbols(split(text, own), rules).forEach(place);
    return path;
  };
}

/** Characters, and symbols that a user defined as one. */
function split(text: string, own: PieceTrie): string[] {
  const symbols: string[] = [];
  for (let at = 0; at < text.length;) {
    const size = (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    const end = Math.max(own.longest(text, at), at + size);
    symbols.push(text.slice(at, end));
    at = end;
  }
  return symbols;
}

/** Per piece its place by score, the greatest first; equal scores have one place. */
function ranksByScore(scores: readonly number[]): number[] {
  const places = new Map(
    [...new Set(scores)].sort((a, b) => b - a).map((score, place) => [score, place]),
  );
  return scores.map((score) => places.get(score) ?? 0);
}
