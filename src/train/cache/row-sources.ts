/** Rows that training reads instead of decoding or encoding: features of locked towers, pixels. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { Loader } from "../../data/loader/loader.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import type { Batch } from "../../data/sample.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { DataError, RecipeError } from "../../errors.ts";
import type { Device } from "../../torch/index.ts";
import type { BatchSources, RowSource } from "../step/batch-input.ts";
import { onlyCached } from "./cached-batch.ts";
import type { BuiltCache, EmbeddingCache } from "./embedding-cache.ts";
import {
  imageFeatureCache,
  pixelCache,
  textFeatureCache,
  type CacheOptions,
} from "./tower-caches.ts";
import type { DataRecipe, ResolvedRecipe } from "../recipe/recipe.ts";
import type { Trainer } from "../step/trainer.ts";

export interface OpenSources {
  sources: BatchSources;
  /** What the training loader need not do. */
  loader: Partial<LoaderOptions>;
  /** Leaves out of a loader's batches what no cache has. */
  filter: (loader: Loader) => Loader;
  close: () => void;
}

/** Told in a line what takes a while; nobody when absent. */
export type Announce = ((line: string) => void) | undefined;

export interface RowSourceContext {
  trainer: Trainer;
  transform: EvaluationTransform;
  tokenizer: Tokenizer;
  announce: Announce;
}

/**
 * Opens the caches that a recipe asks for, and makes those that are not there.
 *
 * throws  RecipeError where they do not go with the rest of the recipe; DataError for the source
 */
export async function openRowSources(
  recipe: ResolvedRecipe,
  { trainer, transform, tokenizer, announce }: RowSourceContext,
): Promise<OpenSources> {
  const { image, text } = recipe.towers;
  check(recipe);
  const { device, model } = trainer;
  const { precision } = recipe.train;
  const caches: { image?: EmbeddingCache; text?: EmbeddingCache; pixels?: OpenRows } = {};
  const close = (): void => {
    caches.image?.close();
    caches.text?.close();
    caches.pixels?.close();
  };
  try {
    if (image.cache) {
      const options = cacheOptions(recipe.data, image.cache, {
        transform,
        device,
        progress: progressOf("features of the image tower", announce),
      });
      const built = await imageFeatureCache({
        ...options,
        tower: model.imageTower,
        dtype: image.cache.precision,
        precision,
      });
      caches.image = built.cache;
      checkCount("towers.image.cache", built.cache);
      announceBuilt("features of the image tower", built, announce);
    }
    if (text.cache) {
      const options = cacheOptions(recipe.data, text.cache, {
        transform,
        device,
        progress: progressOf("features of the text tower", announce),
      });
      const built = await textFeatureCache({
        ...options,
        tower: model.textTower,
        tokenizer,
        dtype: text.cache.precision,
        precision,
      });
      caches.text = built.cache;
      announceBuilt("features of the text tower", built, announce);
    }
    const pixels = await openPixelRows(recipe, { transform, device, announce });
    if (pixels) caches.pixels = pixels;
  } catch (error) {
    close();
    throw error;
  }
  const pictures = caches.image ?? caches.pixels?.rows;
  return {
    sources: {
      ...(caches.image ? { imageFeatures: caches.image } : {}),
      ...(caches.text ? { textFeatures: caches.text } : {}),
      ...(caches.pixels ? { pixels: caches.pixels.rows } : {}),
    },
    loader: pictures ? { images: "skip" } : augmented(recipe.data),
    filter: (loader) => filtered(loader, pictures, caches.text),
    close,
  };
}

function check({ data, towers, train }: ResolvedRecipe): void {
  const { image, text } = towers;
  if (data.cache && image.cache) {
    throw new RecipeError(
      "data.cache",
      "Expected one cache of the pictures but received data.cache and towers.image.cache; keep " +
        "towers.image.cache, which saves more",
    );
  }
  for (const [key, cache] of Object.entries({
    "data.cache.views": data.cache,
    "towers.image.cache.views": image.cache,
  })) {
    if (cache && cache.views > 1) checkViews(key, cache.views, data);
  }
  if (text.cache && text.cache.views > 1) {
    throw new RecipeError(
      "towers.text.cache.views",
      `Expected 1 for towers.text.cache.views but received ${text.cache.views}; captions have no ` +
        "augmented versions",
    );
  }
  if (image.cache && text.cache && train.microBatchSize !== undefined) {
    throw new RecipeError(
      "train.microBatchSize",
      `Expected no train.microBatchSize with two cached towers but received ${train.microBatchSize}; ` +
        "there is nothing that it would save",
    );
  }
}

/** Batches of fewer than two pairs are passed over: with fewer rows there would be none at all. */
function checkCount(key: string, { count, skipped }: EmbeddingCache): void {
  if (count >= 2) return;
  throw new DataError(
    `Expected at least two pictures that can be read for ${key} but received ${count}, with ` +
      `${skipped} that cannot; check data.train`,
    { source: "data.train" },
  );
}

function checkViews(key: string, views: number, data: DataRecipe): void {
  if (data.augmentation !== undefined) return;
  throw new RecipeError(
    key,
    `Expected 1 for ${key} without data.augmentation but received ${views}; all views would be equal`,
  );
}

/** Decoded pictures of a recipe that keeps them. */
export interface OpenRows {
  rows: RowSource & { has(id: string): boolean };
  /** What the training loader need not do. */
  loader: Partial<LoaderOptions>;
  filter: (loader: Loader) => Loader;
  close: () => void;
}

/** Opens, or makes, the cache of decoded pictures that `data.cache` asks for; undefined without one. */
export async function openPixelRows(
  { data }: { data: Omit<DataRecipe, "tokenizer" | "captions"> },
  { transform, device, announce }: Omit<CacheContext, "progress"> & { announce: Announce },
): Promise<OpenRows | undefined> {
  if (data.cache === undefined) return undefined;
  if (data.cache.views > 1) checkViews("data.cache.views", data.cache.views, data as DataRecipe);
  const progress = progressOf("decoded pictures", announce);
  const options = cacheOptions(data, data.cache, { transform, device, progress });
  const built = await pixelCache(options);
  announceBuilt("decoded pictures", built, announce);
  const { cache } = built;
  try {
    checkCount("data.cache", cache);
  } catch (error) {
    cache.close();
    throw error;
  }
  return {
    rows: cache,
    loader: { images: "skip" },
    filter: (loader) => filtered(loader, cache, undefined),
    close: () => cache.close(),
  };
}

interface CacheContext {
  transform: EvaluationTransform;
  device: Device;
  progress: CacheOptions["onProgress"];
}

function cacheOptions(
  data: Omit<DataRecipe, "tokenizer" | "captions">,
  cache: { views: number; folder?: string | undefined },
  { transform, device, progress }: CacheContext,
): CacheOptions {
  const { train: source, augmentation, workers, onError } = data;
  return {
    loader: {
      source,
      transform,
      onError,
      ...(augmentation === undefined ? {} : { augmentation }),
      ...(workers === undefined ? {} : { workers }),
    },
    device,
    root: cache.folder,
    views: cache.views,
    onProgress: progress,
  };
}

/** A line at most every few seconds while a cache is made. */
function progressOf(what: string, announce: Announce): CacheContext["progress"] {
  if (announce === undefined) return undefined;
  let last = performance.now();
  return ({ view, views, done }) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    const which = views > 1 ? `, view ${view + 1} of ${views}` : "";
    announce(`Caching ${what}: ${done} samples${which} ...`);
  };
}

function announceBuilt(what: string, { cache, rebuilt }: BuiltCache, announce: Announce): void {
  if (rebuilt === undefined) return;
  const skipped = cache.skipped > 0 ? `, ${cache.skipped} could not be read` : "";
  announce?.(`Cached ${what} (${rebuilt}): ${cache.count} rows${skipped}, in ${cache.folder}`);
}

function augmented({ augmentation }: DataRecipe): Partial<LoaderOptions> {
  return augmentation === undefined ? {} : { augmentation };
}

/** The loader without what the caches lack; batches of fewer than two pairs are passed over. */
function filtered(
  loader: Loader,
  pictures: { has(id: string): boolean } | undefined,
  texts: { has(id: string): boolean } | undefined,
): Loader {
  if (!pictures && !texts) return loader;
  const has = {
    ...(pictures ? { image: (id: string) => pictures.has(id) } : {}),
    ...(texts ? { caption: (caption: string) => texts.has(caption) } : {}),
  };
  const next = async (): Promise<Batch | null> => {
    for (;;) {
      const batch = await loader.next();
      if (batch === null) return null;
      const kept = onlyCached(batch, has);
      if (kept.size >= 2) return kept;
    }
  };
  return {
    next,
    release: () => loader.release(),
    position: () => loader.position(),
    get waited() {
      return loader.waited;
    },
    contextLength: loader.contextLength,
    get skipped() {
      return loader.skipped;
    },
    get badSamples() {
      return loader.badSamples;
    },
    close: () => loader.close(),
    [Symbol.asyncIterator]: () => iterate(next),
  };
}

async function* iterate(next: () => Promise<Batch | null>): AsyncIterator<Batch> {
  for (let batch = await next(); batch !== null; batch = await next()) yield batch;
}
