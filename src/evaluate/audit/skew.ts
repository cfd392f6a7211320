/**
 * How unevenly groups share the top of a ranking: MaxSkew@k and NDKL of neutral queries. Scores and groups
 * in, numbers out.
 */
import { createRandom } from "../../arrays/random.ts";
import { ShapeError } from "../../errors.ts";

/** What a ranking's shares are held against. */
export type DesiredShares = "equalOpportunity" | "demographicParity";

/** By the shares that are desired: 1 / G each, or those of the set. */
export type ByDesired = Readonly<Record<DesiredShares, number>>;

export interface SkewAtK {
  readonly k: number;
  /** ln of the most over-represented group's share over its desired share; 0 where none is. */
  readonly maxSkew: ByDesired;
  /** [G] ln(share / desired share) of every group */
  readonly skews: Readonly<Record<DesiredShares, readonly number[]>>;
}

export interface RankingSkew {
  readonly atK: readonly SkewAtK[];
  /** Over the whole ranking, in nats. */
  readonly ndkl: ByDesired;
}

interface Ranking {
  /** [N] similarity of every item with the query */
  readonly scores: ArrayLike<number>;
  /** [N] group of every item, from 0; -1 for an item that is not ranked */
  readonly members: Int32Array;
  /** G */
  readonly groupCount: number;
}

/**
 * Skew and NDKL of one ranking, best first.
 *
 *     skew@k(g) = ln(p_top-k(g) / p_desired(g))                   MaxSkew@k = max(0, max_g skew@k(g))
 *     NDKL = 1/Z sum_i KL(p_top-i || p_desired) / log2(i + 1)     Z = sum_i 1 / log2(i + 1)
 *
 *     Geyik et al., arXiv:1905.01989, section 4; as Berg et al., arXiv:2203.11933, compute them
 *     (oxai/debias-vision-lang, measuring_bias.py): a share of 0 counts as 1/k, items that tie with the
 *     k-th are kept though shares stay of k, and equal scores keep the order of the set
 *
 * ks      each below the number of ranked items, else left out
 * throws  ShapeError unless there is one score per group
 */
export function rankingSkew(ranking: Ranking, ks: readonly number[]): RankingSkew {
  const { scores, members, groupCount } = ranking;
  if (scores.length !== members.length) {
    throw new ShapeError(
      `Expected one score and one group per item but received ${scores.length} and ${members.length}.`,
    );
  }
  const order = ranked(scores, members);
  const totals = new Float64Array(groupCount);
  for (const item of order) totals[members[item]!] = totals[members[item]!]! + 1;
  const desired = {
    equalOpportunity: Array.from(totals, () => 1 / groupCount),
    demographicParity: Array.from(totals, (total) => total / order.length),
  };
  return {
    atK: ks
      .filter((k) => k < order.length)
      .map((k) => skewAtK(k, topCounts(ranking, order, k), desired)),
    ndkl: {
      equalOpportunity: ndkl(ranking, order, desired.equalOpportunity),
      demographicParity: ndkl(ranking, order, desired.demographicParity),
    },
  };
}

/**
 * What `rankingSkew` gives for rankings that know nothing of groups: the mean over shuffled ones. Of few
 * items at the top some group always has more than its share.
 */
export function skewByChance(
  { members, groupCount }: Omit<Ranking, "scores">,
  ks: readonly number[],
  { shuffles = 100, seed = 0 }: { shuffles?: number; seed?: number } = {},
): Pick<RankingSkew, "ndkl"> & { readonly atK: readonly Omit<SkewAtK, "skews">[] } {
  const random = createRandom(["skew", seed]);
  const order = Array.from(members.keys());
  const scores = new Float64Array(members.length);
  const all = Array.from({ length: shuffles }, () => {
    for (const [place, item] of random.shuffle(order).entries()) scores[item] = -place;
    return rankingSkew({ scores, members, groupCount }, ks);
  });
  return {
    atK: (all[0]?.atK ?? []).map(({ k }, i) => ({
      k,
      maxSkew: meanOf(all.map(({ atK }) => atK[i]!.maxSkew)),
    })),
    ndkl: meanOf(all.map((one) => one.ndkl)),
  };
}

/** The means of numbers that are given for both kinds of shares. */
export function meanOf(numbers: readonly ByDesired[]): ByDesired {
  const mean = (desired: DesiredShares): number =>
    numbers.reduce((sum, one) => sum + one[desired], 0) / numbers.length;
  return {
    equalOpportunity: mean("equalOpportunity"),
    demographicParity: mean("demographicParity"),
  };
}

/**
 * The k that is read first: the largest of at most half the items, since the top of more than that is the set
 * itself; else the smallest. Undefined without any.
 */
export function mainTop<T extends { readonly k: number }>(
  atK: readonly T[],
  count: number,
): T | undefined {
  return atK.findLast(({ k }) => 2 * k <= count) ?? atK[0];
}

/** Items that have a group, best first; equal scores in the order of the set. */
function ranked(scores: ArrayLike<number>, members: Int32Array): Int32Array {
  const items = Int32Array.from(Array.from(members.keys()).filter((item) => members[item]! >= 0));
  return items.sort((a, b) => scores[b]! - scores[a]! || a - b);
}

/** [G] how many of the first k, and of those that tie with the k-th, each group has. */
function topCounts(
  { scores, members, groupCount }: Ranking,
  order: Int32Array,
  k: number,
): Float64Array {
  const counts = new Float64Array(groupCount);
  const last = scores[order[k - 1]!]!;
  for (const [place, item] of order.entries()) {
    if (place >= k && scores[item]! < last) break;
    counts[members[item]!] = counts[members[item]!]! + 1;
  }
  return counts;
}

function skewAtK(
  k: number,
  counts: Float64Array,
  desired: Readonly<Record<DesiredShares, readonly number[]>>,
): SkewAtK {
  const skewsTo = (shares: readonly number[]): number[] =>
    shares.map((share, group) => Math.log((counts[group]! || 1) / k) - Math.log(share));
  const skews = {
    equalOpportunity: skewsTo(desired.equalOpportunity),
    demographicParity: skewsTo(desired.demographicParity),
  };
  return {
    k,
    maxSkew: {
      equalOpportunity: Math.max(0, ...skews.equalOpportunity),
      demographicParity: Math.max(0, ...skews.demographicParity),
    },
    skews,
  };
}

function ndkl(
  { members, groupCount }: Ranking,
  order: Int32Array,
  desired: readonly number[],
): number {
  const counts = new Float64Array(groupCount);
  let [sum, normalizer] = [0, 0];
  for (const [place, item] of order.entries()) {
    counts[members[item]!] = counts[members[item]!]! + 1;
    const discount = 1 / Math.log2(place + 2);
    let divergence = 0;
    for (let group = 0; group < groupCount; group++) {
      const share = counts[group]! / (place + 1);
      if (share > 0) divergence += share * Math.log(share / desired[group]!);
    }
    sum += divergence * discount;
    normalizer += discount;
  }
  return sum / normalizer;
}
