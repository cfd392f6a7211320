/** Tip-Adapter: the zero-shot classifier with a cache of labelled examples beside it. */
import { checkedSimilarities, plainSimilarities } from "../arrays/similarities.ts";
import {
  defineAdapter,
  demandText,
  type Adapter,
  type AdapterOptions,
  type Support,
} from "./adapter.ts";

export interface TipSetting {
  /** Weight of the cache beside the text, at least 0; 0 is zero-shot. */
  readonly alpha: number;
  /** Sharpness of the cache, above 0. */
  readonly beta: number;
}

export interface TipAdapterOptions extends AdapterOptions {
  /**
   * The multiplier of the texts' cosines; 100, CLIP's, when absent. Predictions depend on
   * alpha / logitScale alone, so one value for all models keeps their grids comparable.
   */
  logitScale?: number;
}

const alphas = [0, 0.3, 0.6, 1, 1.5, 2, 3, 5, 8, 13, 20, 30, 50];
const betas = [0.5, 1, 2, 3.5, 5.5, 8, 12, 20, 30];
/** The published start for ImageNet. */
const fixed: TipSetting = { alpha: 1.17, beta: 1 };

/**
 *     logits = s f W^T + alpha exp( -beta (1 - f F^T) ) L          arXiv:2207.09519
 *
 * with F the support's rows, L its labels one-hot and W the text weights. No weight is trained.
 *
 * throws  RangeError for a logitScale that is not positive
 */
export function tipAdapter({
  logitScale = 100,
  similarities = plainSimilarities,
}: TipAdapterOptions = {}): Adapter<TipSetting> {
  if (!(logitScale > 0 && Number.isFinite(logitScale))) {
    throw new RangeError(`Expected a positive number for logitScale but received ${logitScale}`);
  }
  return defineAdapter<TipSetting>({
    name: "tipAdapter",
    similarities,
    grid: () => betas.flatMap((beta) => alphas.map((alpha) => ({ alpha, beta }))),
    fixed: () => fixed,
    check: ({ alpha, beta }, support) => {
      demandText("tipAdapter", support);
      if (!(alpha >= 0 && Number.isFinite(alpha))) {
        throw new RangeError(`Expected a number of at least 0 for alpha but received ${alpha}`);
      }
      if (beta > 0 && Number.isFinite(beta)) return;
      throw new RangeError(`Expected a positive number for beta but received ${beta}`);
    },
    prepare: (support, queries) => {
      const texts = checkedSimilarities(similarities, queries, demandText("tipAdapter", support));
      const cosines = checkedSimilarities(similarities, queries, support.embeddings);
      // Settings come in order of beta; the exponentials are the whole cost.
      let last: { beta: number; cache: Float32Array } | undefined;
      return ({ alpha, beta }) => {
        if (last?.beta !== beta) last = { beta, cache: cacheOf(cosines, support, beta) };
        const { cache } = last;
        return texts.map((text, i) => logitScale * text + alpha * cache[i]!);
      };
    },
  });
}

/** [Q, C] exp( -beta (1 - cos) ) summed over each class's examples. */
function cacheOf(
  cosines: Float32Array,
  { embeddings: { count }, labels, classCount }: Support,
  beta: number,
): Float32Array {
  const queryCount = cosines.length / count;
  const cache = new Float32Array(queryCount * classCount);
  for (let query = 0; query < queryCount; query++) {
    const own = cache.subarray(query * classCount, (query + 1) * classCount);
    for (let row = 0; row < count; row++) {
      own[labels[row]!]! += Math.exp(beta * (cosines[query * count + row]! - 1));
    }
  }
  return cache;
}
