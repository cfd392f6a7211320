/** How two neighbouring symbols become one. */
export interface MergeRules<T> {
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
