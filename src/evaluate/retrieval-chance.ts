/** What guessing scores in retrieval; knows only how many candidates are right. */

/**
 * Recall at every cutoff, then the median rank, for candidates in uniformly random order.
 *
 *     P(rank <= k) = 1 - C(M - p, k) / C(M, k)     with p right ones of M candidates
 *
 * averaged over the queries. `positives` lists p for each query, or once if all are alike. The
 * median is the smallest rank that half of the queries reach.
 */
export function chanceOfRetrieval(
  positives: readonly number[],
  candidateCount: number,
  cutoffs: readonly number[],
): number[] {
  const groups = new Map<number, number>();
  for (const p of positives) groups.set(p, (groups.get(p) ?? 0) + 1);
  const hitWithin = (k: number): number => {
    let total = 0;
    for (const [p, queries] of groups) total += queries * hitProbability(p, candidateCount, k);
    return total / positives.length;
  };
  return [...cutoffs.map(hitWithin), medianRank(hitWithin, candidateCount)];
}

/** The product (1 - p/M)(1 - p/(M-1)) ... over k draws is the chance to miss with all of them. */
function hitProbability(p: number, candidates: number, k: number): number {
  if (k > candidates - p) return 1;
  let miss = 1;
  // Drawing k candidates to miss p, or p to miss k, is the same: take the shorter product.
  const [draws, avoided] = k < p ? [k, p] : [p, k];
  for (let i = 0; i < draws; i++) miss *= 1 - avoided / (candidates - i);
  return 1 - miss;
}

function medianRank(hitWithin: (k: number) => number, candidates: number): number {
  let [low, high] = [1, candidates];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    // Half, up to rounding of the products above.
    if (hitWithin(middle) >= 0.5 - 1e-12) high = middle;
    else low = middle + 1;
  }
  return low;
}
