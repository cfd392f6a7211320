/** Votes of the nearest examples. */
import type { Embeddings } from "../arrays/embeddings.ts";
import { checkedSimilarities, fillTop, plainSimilarities } from "../arrays/similarities.ts";
import { defineAdapter, type Adapter, type AdapterOptions, type Support } from "./adapter.ts";

export type Voting = "plurality" | "softmax" | "rank";

export interface NeighborSetting {
  /** Neighbours that vote; all examples where there are fewer. */
  readonly k: number;
  /** Of the softmax vote: cosines are divided by it. Others ignore it. */
  readonly temperature: number;
}

export interface NeighborOptions extends AdapterOptions {
  voting: Voting;
}

/** Greatest first: the nearest 200 are found once and serve all that follow. */
const ks = [200, 100, 50, 20, 10, 5, 3, 2, 1];
const temperatures = [0.02, 0.04, 0.07, 0.15];
/** DINO's evaluation (arXiv:2104.14294). */
const fixed: NeighborSetting = { k: 20, temperature: 0.07 };

/**
 * k-NN with cosines; the k nearest of a query vote for their classes:
 *
 *     plurality   1 each; equal counts go to the class with the nearest neighbour, which the
 *                 fraction of a score says
 *     softmax     exp( (cos - cos_1) / temperature ), cos_1 the nearest's
 *     rank        1 / rank, from 1
 *
 * Equally near examples are taken in their order. The weights of the rank vote are our choice.
 */
export function nearestNeighbors({
  voting,
  similarities = plainSimilarities,
}: NeighborOptions): Adapter<NeighborSetting> {
  return defineAdapter<NeighborSetting>({
    name: `nearestNeighbors/${voting}`,
    similarities,
    grid: ({ embeddings: { count } }) => {
      const possible = ks.filter((k) => k <= count);
      const warmth = voting === "softmax" ? temperatures : [fixed.temperature];
      return possible.flatMap((k) => warmth.map((temperature) => ({ k, temperature })));
    },
    fixed: () => fixed,
    check: ({ k, temperature }) => {
      if (!Number.isInteger(k) || k < 1) {
        throw new RangeError(`Expected a positive integer for k but received ${k}`);
      }
      if (temperature > 0) return;
      throw new RangeError(
        `Expected a positive number for temperature but received ${temperature}`,
      );
    },
    prepare: (support, queries) => {
      const cosines = checkedSimilarities(similarities, queries, support.embeddings);
      let nearest: Nearest | undefined;
      return (setting) => {
        const k = Math.min(setting.k, support.embeddings.count);
        if (nearest === undefined || k > nearest.k)
          nearest = nearestOf(cosines, support.embeddings.count, k);
        return vote(support, queries, nearest, { ...setting, k, voting });
      };
    },
  });
}

interface Nearest {
  readonly k: number;
  /** [Q, k] rows of the support, nearest first, and their cosines. */
  readonly rows: Int32Array;
  readonly cosines: Float32Array;
}

function nearestOf(cosines: Float32Array, count: number, k: number): Nearest {
  const queryCount = cosines.length / count;
  const rows = new Int32Array(queryCount * k);
  const found = new Float32Array(queryCount * k);
  for (let query = 0; query < queryCount; query++) {
    const at = query * k;
    const own = cosines.subarray(query * count, (query + 1) * count);
    fillTop(own, rows.subarray(at, at + k), found.subarray(at, at + k));
  }
  return { k, rows, cosines: found };
}

function vote(
  { labels, classCount }: Support,
  { count }: Embeddings,
  nearest: Nearest,
  { k, temperature, voting }: NeighborSetting & { voting: Voting },
): Float32Array {
  const scores = new Float32Array(count * classCount);
  for (let query = 0; query < count; query++) {
    const from = query * nearest.k;
    const own = scores.subarray(query * classCount, (query + 1) * classCount);
    const top = nearest.cosines[from]!;
    for (let i = 0; i < k; i++) {
      const label = labels[nearest.rows[from + i]!]!;
      if (voting === "softmax") {
        own[label]! += Math.exp((nearest.cosines[from + i]! - top) / temperature);
      } else if (voting === "rank") own[label]! += 1 / (i + 1);
      // The first vote of a class carries a fraction below 1, greater the nearer it is.
      else own[label]! += own[label] === 0 ? 1 + (k - i) / (k + 1) : 1;
    }
  }
  return scores;
}
