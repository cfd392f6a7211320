/** Byte-pair encoding of a word. Knows nothing about how text becomes words. */
import { bytePieces, type PieceModel } from "./piece-model.ts";
import { PairTable } from "./piece-trie.ts";

interface BpeOptions {
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

/** How two neighbouring symbols become one. */
interface MergeRules<T> {
  /** The lower, the earlier; below zero where the two do not merge. */
  rank(first: T, second: T): number;
  merged(first: T, second: T): T;
}

/**
 * Byte-pair encoding of one word: the merge of lowest rank first, of several the leftmost, until
 * none applies. O(n log n) for n symbols, which words of whole captions need.
 */
export function mergeSymbols<T>(symbols: readonly T[], rules: MergeRules<T>): T[] {
  const count = symbols.length;
  const current: (T | undefined)[] = [...symbols];
  const before = Int32Array.from(symbols, (_, i) => i - 1);
  const behind = Int32Array.from(symbols, (_, i) => (i + 1 < count ? i + 1 : -1));
  const queue = new MergeQueue<T>();
  const offer = (at: number): void => {
    const next = at < 0 ? -1 : (behind[at] ?? -1);
    if (next < 0) return;
    const [first, second] = [current[at] as T, current[next] as T];
    const rank = rules.rank(first, second);
    if (rank >= 0) queue.push({ rank, at, merged: rules.merged(first, second) });
  };
  for (let i = 0; i < count; i++) offer(i);
  for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
    const { at, merged } = top;
    const next = behind[at] ?? -1;
    if (current[at] === undefined || next < 0) continue;
    // What stood here when the merge was found may have been merged otherwise since.
    const [first, second] = [current[at], current[next] as T];
    if (rules.rank(first, second) < 0 || rules.merged(first, second) !== merged) continue;
    current[at] = merged;
    current[next] = undefined;
    const follower = behind[next] ?? -1;
    behind[at] = follower;
    behind[next] = -1;
    if (follower >= 0) before[follower] = at;
    offer(before[at] ?? -1);
    offer(at);
  }
  return current.filter((symbol): symbol is T & {} => symbol !== undefined);
}

interface Merge<T> {
  rank: number;
  at: number;
  merged: T;
}

/** A binary heap of merges. */
class MergeQueue<T> {
  readonly #merges: Merge<T>[] = [];

  push(merge: Merge<T>): void {
    const merges = this.#merges;
    let at = merges.push(merge) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isEarlier(merge, merges[parent]!)) break;
      merges[at] = merges[parent]!;
      at = parent;
    }
    merges[at] = merge;
  }

  pop(): Merge<T> | undefined {
    const merges = this.#merges;
    const top = merges[0];
    const last = merges.pop();
    if (last === undefined || merges.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= merges.length) break;
      if (child + 1 < merges.length && isEarlier(merges[child + 1]!, merges[child]!)) child++;
      if (!isEarlier(merges[child]!, last)) break;
      merges[at] = merges[child]!;
      at = child;
    }
    merges[at] = last;
    return top;
  }
}

function isEarlier<T>(a: Merge<T>, b: Merge<T>): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.at < b.at);
}
