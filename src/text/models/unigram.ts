/** The unigram language model: the likeliest pieces of a word. */
import { bytePieces, type PieceModel } from "./piece-model.ts";
import { PieceTrie } from "./piece-trie.ts";

/** Below the least likely piece stands an unknown character by this much (SentencePiece). */
export const unknownPenalty = 10;

interface UnigramOptions {
  /** Log probabilities; ids are the places in the list. */
  pieces: readonly (readonly [piece: string, score: number])[];
  unknownId: number;
  byteFallback: boolean;
}

/**
 * The likeliest pieces of a word, as Hugging Face's `tokenizers` finds them (models/unigram,
 * `encode_optimized`, in double precision); unknown characters in a row are one unknown piece.
 */
export function createUnigram({ pieces, unknownId, byteFallback }: UnigramOptions): PieceModel {
  const ids = new Map(pieces.map(([piece], id) => [piece, id]));
  const trie = new PieceTrie(ids, pieces.length);
  let least = Infinity;
  for (const [, score] of pieces) least = Math.min(least, score);
  const best = bestPath({
    trie,
    unknownId,
    score: (id) => pieces[id]?.[1] ?? 0,
    unknownScore: least - unknownPenalty,
    round: (score) => score,
  });
  const encode = (word: string): number[] => {
    const found: number[] = [];
    for (const { start, end, id } of fuseUnknown(best(word), unknownId)) {
      const piece = id === unknownId ? word.slice(start, end) : undefined;
      const known = piece === undefined ? id : ids.get(piece);
      if (known !== undefined) found.push(known);
      else
        found.push(...((byteFallback ? bytePieces(piece ?? "", ids) : undefined) ?? [unknownId]));
    }
    return found;
  };
  return { ids, encode };
}

/** One piece of a word: UTF-16 units from `start` to before `end`. */
export interface PlacedPiece {
  start: number;
  end: number;
  id: number;
}

interface BestPathOptions {
  trie: PieceTrie;
  /** Log probability of a piece. */
  score: (id: number) => number;
  unknownId: number;
  unknownScore: number;
  /** To the precision in which sums are kept. */
  round: (score: number) => number;
}

/** Viterbi's path through the pieces of a word; of two equally likely ends the longer last piece. */
export function bestPath(options: BestPathOptions): (word: string) => PlacedPiece[] {
  const { trie, unknownId, unknownScore, round } = options;
  return (word) => {
    const size = word.length;
    const totals = new Float64Array(size + 1);
    const starts = new Int32Array(size + 1).fill(-1);
    const lasts = new Int32Array(size + 1);
    const offer = (start: number, end: number, id: number, total: number): void => {
      if (starts[end] !== -1 && !(total > (totals[end] ?? 0))) return;
      [totals[end], starts[end], lasts[end]] = [total, start, id];
    };
    for (let start = 0; start < size;) {
      const next = start + ((word.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
      const till = totals[start] ?? 0;
      let single = false;
      trie.visit(word, start, (end, id) => {
        offer(start, end, id, round(options.score(id) + till));
        single ||= end === next;
      });
      if (!single) offer(start, next, unknownId, round(unknownScore + till));
      start = next;
    }
    const path: PlacedPiece[] = [];
    for (let end = size; end > 0; end = starts[end] ?? 0) {
      path.push({ start: starts[end] ?? 0, end, id: lasts[end] ?? unknownId });
    }
    return path.reverse();
  };
}

/** Neighbouring unknown pieces as one. */
export function fuseUnknown(path: readonly PlacedPiece[], unknownId: number): PlacedPiece[] {
  const fused: PlacedPiece[] = [];
  for (const piece of path) {
    const before = fused.at(-1);
    if (piece.id === unknownId && before?.id === unknownId) before.end = piece.end;
    else fused.push({ ...piece });
  }
  return fused;
}
