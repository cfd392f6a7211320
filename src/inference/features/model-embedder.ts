/** A loaded model as an evaluation uses it: with its scale, and its kept embeddings where a folder is named. */
import type { LoadedModel } from "../load-model.ts";
import { logitTerms } from "../similarity.ts";
import { embedderOf, type Embedder } from "./embed-dataset.ts";
import { FeaturesCache } from "./features-cache.ts";

/** cache   folder that keeps embeddings, of a model that was loaded with `identify`; none are kept without one */
export function modelEmbedder(loaded: LoadedModel, cache: string | null | undefined): Embedder {
  const { identity, probabilities: kind } = loaded;
  const kept =
    cache === undefined || cache === null || identity === undefined
      ? undefined
      : new FeaturesCache(cache, identity);
  return embedderOf(loaded, { cache: kept, logits: { ...logitTerms(loaded.pair), kind } });
}
