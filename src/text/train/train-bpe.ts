/** What byte-pair encoding learns from words. */
interface PairMerges {
  /** Symbols in the order of learning, the initial ones (sorted) first. */
  symbols: string[];
  /** Pairs that were merged, in order. */
  merges: [string, string][];
}

interface Word {
  symbols: number[];
  readonly count: number;
}

interface Candidate {
  readonly pair: number;
  readonly count: number;
}

// A pair is one number: left * span + right.
const span = 2 ** 24;

/**
 * Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909, Algorithm 1): merges the most
 * frequent pair of neighbours until there are `symbolLimit` symbols or no pair is seen twice.
 * Ties go to the pair whose symbols were known first, so the result does not depend on the order
 * of the words.
 */
export function trainPairs(
  words: Iterable<readonly [symbols: readonly string[], count: number]>,
  initial: Iterable<string>,
  { symbolLimit, join }: { symbolLimit: number; join: (a: string, b: string) => string },
): PairMerges {
  const counted = [...words];
  const seen = counted.flatMap(([symbols]) => symbols);
  const symbols = [...new Set([...initial, ...new Set(seen)])].sort(byCodeUnits);
  const ids = new Map(symbols.map((symbol, id) => [symbol, id]));
  const table = new PairTable(
    counted.map(([names, count]) => ({ symbols: names.map((name) => ids.get(name) ?? 0), count })),
  );
  const merges: [string, string][] = [];
  while (symbols.length < symbolLimit) {
    const best = table.mostFrequent();
    if (best === undefined) break;
    const [left, right] = [Math.floor(best / span), best % span];
    const [a = "", b = ""] = [symbols[left], symbols[right]];
    const joined = join(a, b);
    // Two ways to one symbol give two merges and one id.
    const id = ids.get(joined) ?? symbols.push(joined) - 1;
    ids.set(joined, id);
    merges.push([a, b]);
    table.merge(best, id);
  }
  return { symbols, merges };
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Counts of neighbouring pairs, the words that have them, and a heap of the most frequent. */
class PairTable {
  readonly #words: Word[];
  readonly #counts = new Map<number, number>();
  readonly #where = new Map<number, Set<number>>();
  readonly #heap: Candidate[] = [];

  constructor(words: Word[]) {
    this.#words = words;
    for (const [index, word] of words.entries()) this.#add(word, index, 1);
    for (const pair of this.#counts.keys()) this.#push(pair);
  }

  /** The pair seen most often, at least twice. Counts in the heap may be out of date, too high. */
  mostFrequent(): number | undefined {
    for (;;) {
      const top = pop(this.#heap);
      if (top === undefined || top.count < 2) return undefined;
      const count = this.#counts.get(top.pair) ?? 0;
      if (count === top.count) return top.pair;
      this.#push(top.pair);
    }
  }

  merge(pair: number, id: number): void {
    const grown = new Set<number>();
    for (const index of this.#where.get(pair) ?? []) {
      const word = this.#words[index];
      if (word === undefined) continue;
      this.#add(word, index, -1);
      word.symbols = merged(word.symbols, pair, id);
      for (const changed of this.#add(word, index, 1)) grown.add(changed);
    }
    this.#where.delete(pair);
    this.#counts.delete(pair);
    for (const changed of grown) this.#push(changed);
  }

  /** Adds (or takes away) the pairs of a word; returns them. */
  #add({ symbols, count }: Word, index: number, sign: 1 | -1): number[] {
    const pairs: number[] = [];
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = (symbols[i] ?? 0) * span + (symbols[i + 1] ?? 0);
      this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + sign * count);
      if (sign > 0) {
        const words = this.#where.get(pair);
        if (words === undefined) this.#where.set(pair, new Set([index]));
        else words.add(index);
      }
      pairs.push(pair);
    }
    return pairs;
  }

  #push(pair: number): void {
    const count = this.#counts.get(pair) ?? 0;
    if (count > 1) push(this.#heap, { pair, count });
  }
}

function merged(symbols: readonly number[], pair: number, id: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const here = symbols[i] ?? 0;
    const next = symbols[i + 1];
    const matches = next !== undefined && here * span + next === pair;
    result.push(matches ? id : here);
    if (matches) i++;
  }
  return result;
}

function before(a: Candidate, b: Candidate): boolean {
  return a.count > b.count || (a.count === b.count && a.pair < b.pair);
}

function push(heap: Candidate[], candidate: Candidate): void {
  let at = heap.push(candidate) - 1;
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || !before(candidate, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = candidate;
}

function pop(heap: Candidate[]): Candidate | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    const [left, right] = [heap[down], heap[down + 1]];
    if (left === undefined) break;
    if (right !== undefined && before(right, left)) down++;
    const child = heap[down] ?? left;
    if (!before(child, last)) break;
    heap[at] = child;
    at = down;
  }
  heap[at] = last;
  return top;
}
