/** Opens the caches that training reads instead of decoding or encoding: features of locked towers, pixels. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { Loader } from "../../data/loader/loader.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import type { Batch } from "../../data/sample.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { atPath, counted, DataError, RecipeError } from "../../errors.ts";
import type { Device } from "../../torch/index.ts";
import type { BatchSources } from "../step/batch-input.ts";
import { onlyCached } from "./cached-batch.ts";
import type { BuiltCache, EmbeddingCache } from "./embedding-cache.ts";
import {
  imageFeatureCache,
  pixelCache,
  textFeatureCache,
  type CacheOptions,
} from "./tower-caches.ts";
import type { ProcessGroup } from "../process-group.ts";
import type { DataRecipe, ResolvedRecipe } from "../recipe/recipe.ts";

/** Caches that are open, and what follows from them for the loader. */
export interface OpenCaches {
  sources: BatchSources;
  /** Options of the training loader: what it need not load. */
  loader: Partial<LoaderOptions>;
  /** Leaves out of a loader's batches what has no row in the caches. */
  filter: (loader: Loader) => Loader;
  close: () => void;
}

/** Receives a line about what takes a while. */
export type Announce = ((line: string) => void) | undefined;

interface CacheContext {
  transform: EvaluationTransform;
  device: Device;
  group?: ProcessGroup;
  announce: Announce;
}

interface Caches {
  image?: EmbeddingCache;
  text?: EmbeddingCache;
  pixels?: EmbeddingCache;
}

/**
 * Opens the caches that a recipe asks for, and makes those that are not there.
 *
 * throws  RecipeError where they contradict the rest of the recipe; DataError for the source
 */
export async function openCaches(
  recipe: ResolvedRecipe,
  context: CacheContext & { model: DualEncoder; tokenizer: Tokenizer },
): Promise<OpenCaches> {
  check(recipe);
  const { cache: imageCache } = recipe.towers.image;
  const { cache: textCache } = recipe.towers.text;
  const { model, tokenizer } = context;
  const { precision } = recipe.train;
  const caches: Caches = {};
  try {
    if (imageCache) {
      const { precision: dtype } = imageCache;
      caches.image = await atPath("towers.image.cache", () =>
        opened("features of the image tower", context, (hooks) =>
          imageFeatureCache({
            ...cacheOptions(recipe.data, imageCache, { ...context, ...hooks }),
            ...{ tower: model.imageTower, dtype, precision },
          }),
        ),
      );
      checkCount("towers.image.cache", caches.image);
    }
    if (textCache) {
      const { precision: dtype } = textCache;
      caches.text = await atPath("towers.text.cache", () =>
        opened("features of the text tower", context, (hooks) =>
          textFeatureCache({
            ...cacheOptions(recipe.data, textCache, { ...context, ...hooks }),
            ...{ tower: model.textTower, tokenizer, dtype, precision },
          }),
        ),
      );
    }
    const pixels = await openPixels(recipe.data, context);
    if (pixels) caches.pixels = pixels;
  } catch (error) {
    closeAll(caches);
    throw error;
  }
  return inTraining(caches, recipe.data);
}

/** Opens or makes the cache of decoded pictures that `data.cache` asks for; undefined without it. */
export async function openPixelCache(
  { data }: { data: CachedData },
  context: CacheContext,
): Promise<OpenCaches | undefined> {
  const pixels = await openPixels(data, context);
  return pixels && inTraining({ pixels }, data);
}

type CachedData = Omit<DataRecipe, "tokenizer" | "captions">;

async function openPixels(
  data: CachedData,
  context: CacheContext,
): Promise<EmbeddingCache | undefined> {
  const { cache } = data;
  if (cache === undefined) return undefined;
  if (cache.views > 1) checkViews("data.cache.views", cache.views, data);
  const pixels = await atPath("data.cache", () =>
    opened("decoded pictures", context, (hooks) =>
      pixelCache(cacheOptions(data, cache, { ...context, ...hooks })),
    ),
  );
  try {
    checkCount("data.cache", pixels);
  } catch (error) {
    pixels.close();
    throw error;
  }
  return pixels;
}

function inTraining(caches: Caches, data: CachedData): OpenCaches {
  const { image, text, pixels } = caches;
  const pictures = image ?? pixels;
  return {
    sources: {
      ...(image ? { imageFeatures: image } : {}),
      ...(text ? { textFeatures: text } : {}),
      ...(pixels ? { pixels } : {}),
    },
    loader: pictures ? { images: "skip" } : augmented(data),
    filter: (loader) => filtered(loader, pictures, text),
    close: () => closeAll(caches),
  };
}

function closeAll({ image, text, pixels }: Caches): void {
  image?.close();
  text?.close();
  pixels?.close();
}

/** Opens or makes a cache, and says so. */
async function opened(
  what: string,
  { announce }: CacheContext,
  open: (hooks: Pick<CacheOptions, "onProgress" | "onWait">) => Promise<BuiltCache>,
): Promise<EmbeddingCache> {
  const { cache, rebuilt } = await open({
    onProgress: progressOf(what, announce),
    onWait: (folder, holder) => announce?.(`Waiting for ${holder}, which makes ${folder} ...`),
  });
  if (rebuilt !== undefined) {
    const skipped = cache.skipped > 0 ? `, ${cache.skipped} could not be read` : "";
    announce?.(
      `Cached ${what} (${rebuilt}): ${counted(cache.count, "row")}${skipped}, in ${cache.folder}`,
    );
  }
  return cache;
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

/** Batches of fewer than two pairs are left out: a cache of fewer rows would give no batch at all. */
function checkCount(key: string, { count, skipped }: EmbeddingCache): void {
  if (count >= 2) return;
  throw new DataError(
    `Expected at least two pictures that can be read for ${key} but received ${count}, with ` +
      `${skipped} that cannot; check data.train`,
    { source: "data.train" },
  );
}

function checkViews(key: string, views: number, data: CachedData): void {
  if (data.augmentation !== undefined) return;
  throw new RecipeError(
    key,
    `Expected 1 for ${key} without data.augmentation but received ${views}; all views would be equal`,
  );
}

function cacheOptions(
  data: CachedData,
  cache: { views: number; folder?: string | undefined },
  {
    transform,
    device,
    group,
    onProgress,
    onWait,
  }: Omit<CacheContext, "announce"> & Pick<CacheOptions, "onProgress" | "onWait">,
): CacheOptions {
  const { train: source, augmentation, workers, maxPixels, onError } = data;
  return {
    loader: {
      source,
      transform,
      onError,
      ...(augmentation === undefined ? {} : { augmentation }),
      ...(workers === undefined ? {} : { workers }),
      ...(maxPixels === undefined ? {} : { maxPixels }),
    },
    device,
    group,
    root: cache.folder,
    views: cache.views,
    onProgress,
    onWait,
  };
}

/** A line at most every few seconds while a cache is made. */
function progressOf(what: string, announce: Announce): CacheOptions["onProgress"] {
  if (announce === undefined) return undefined;
  let last = performance.now();
  return ({ view, views, done }) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    const which = views > 1 ? `, view ${view + 1} of ${views}` : "";
    announce(`Caching ${what}: ${counted(done, "sample")}${which} ...`);
  };
}

function augmented({ augmentation }: CachedData): Partial<LoaderOptions> {
  return augmentation === undefined ? {} : { augmentation };
}

/** The loader without what has no row in the caches, and without batches of fewer than two pairs. */
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
    extent: loader.extent,
    get skipped() {
      return loader.skipped;
    },
    get badSamples() {
      return loader.badSamples;
    },
    get warnings() {
      return loader.warnings;
    },
    close: () => loader.close(),
    [Symbol.asyncIterator]: () => iterate(next),
  };
}

async function* iterate(next: () => Promise<Batch | null>): AsyncIterator<Batch> {
  for (let batch = await next(); batch !== null; batch = await next()) yield batch;
}
