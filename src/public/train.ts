/** `limn/train`: recipes resolved, caches of features, what a run leaves. */
export { resolveRecipe, type ResolveOptions } from "../train/recipe/resolve-recipe.ts";
export {
  buildEmbeddingCache,
  openEmbeddingCache,
  type BuildOptions,
  type BuiltCache,
  type CacheLocation,
  type EmbeddingCache,
  type OpenedCache,
} from "../train/cache/embedding-cache.ts";
export { createCacheKey, type CacheKey, type CacheKeyParts } from "../train/cache/cache-key.ts";
export {
  imageFeatureCache,
  pixelCache,
  textFeatureCache,
  type CacheOptions,
  type FeatureCacheOptions,
} from "../train/cache/tower-caches.ts";
