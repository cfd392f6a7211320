/** The three kinds of cache that training reads: image features, text features, decoded pictures. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import type { Batch } from "../../data/sample.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { Encoder, type TokenRows } from "../../inference/encoder.ts";
import { cat, fromData, type Device, type Tensor } from "../../torch/index.ts";
import type { ImageTower, TextTower } from "../../towers/tower.ts";
import type { ProcessGroup } from "../process-group.ts";
import {
  defaultCacheRoot,
  hashWeights,
  preprocessingPart,
  tokenizerPart,
} from "../../inference/features/identity.ts";
import { createCacheKey, type CacheKey } from "./cache-key.ts";
import { fingerprintSource } from "../../data/data-fingerprint.ts";
import { buildEmbeddingCache, type BuildOptions, type BuiltCache } from "./embedding-cache.ts";

/** What every kind needs. */
export interface CacheOptions {
  /** Of the run's training data. */
  loader: Pick<LoaderOptions, "source" | "augmentation" | "workers" | "maxPixels" | "onError"> & {
    transform: EvaluationTransform;
  };
  /** Where `rows` puts its result, and the tower is. */
  device: Device;
  /** Where caches lie; `defaultCacheRoot("embeddings")` when absent. */
  root?: string | undefined;
  /** Augmented versions of each picture; 1 when absent. */
  views?: number;
  /** Of the augmentation; 0 when absent, so that runs of several seeds share a cache. */
  seed?: number;
  /** Pictures or captions in one pass of the tower; 256 when absent. */
  batchSize?: number;
  /** Processes of a run, of which the first one makes the cache; this one when absent. */
  group?: ProcessGroup | undefined;
  onProgress?: BuildOptions["onProgress"];
  onWait?: BuildOptions["onWait"];
}

export interface FeatureCacheOptions extends CacheOptions {
  /** Of the stored features; float16 halves the file and keeps 11 bits. */
  dtype?: "float16" | "float32";
  /** Of the tower's products. */
  precision?: "float32" | "bfloat16";
}

const BATCH = 256;

/**
 * `tower.features` of every picture by `Batch.imageIds`, [featureDim]. The projection is not part of
 * them: it may be trained. The tower is borrowed, and is in evaluation mode while it runs.
 *
 * throws   as `buildEmbeddingCache`; DataError where the source cannot be opened
 */
export async function imageFeatureCache(
  options: FeatureCacheOptions & { tower: ImageTower },
): Promise<BuiltCache> {
  const { tower, loader, precision = "float32", dtype = "float16", seed = 0 } = options;
  const { transform, augmentation, maxPixels, source } = loader;
  const key = createCacheKey({
    rows: "image features",
    data: await fingerprintSource(source),
    preprocessing: preprocessingPart({
      transform,
      augmentation,
      maxPixels,
      seed,
      normalized: true,
    }),
    ...towerParts(tower, precision),
    dtype,
  });
  const encoder = new Encoder({
    module: tower,
    dim: tower.featureDim,
    image: { transform, squares: (pixels) => tower.features(pixels) },
  });
  const encode = ({ imageIds, pixels }: Batch): { keys: string[]; rows: Tensor } => ({
    keys: imageIds,
    rows: encoder.imageRows(pixels, { precision }),
  });
  return build(options, key, { shape: [tower.featureDim], encode });
}

/**
 * `tower.features` of every caption of the source by its text, [featureDim]; equal captions share a
 * row. Reads no pictures.
 *
 * throws   as `buildEmbeddingCache`; DataError where the source cannot be opened
 */
export async function textFeatureCache(
  options: Omit<FeatureCacheOptions, "views" | "seed"> & { tower: TextTower; tokenizer: Tokenizer },
): Promise<BuiltCache> {
  const { tower, tokenizer, precision = "float32", dtype = "float16" } = options;
  const { augmentation: _, ...loader } = options.loader;
  const key = createCacheKey({
    rows: "text features",
    data: await fingerprintSource(loader.source),
    preprocessing: await tokenizerPart(tokenizer),
    ...towerParts(tower, precision),
    dtype,
  });
  const size = options.batchSize ?? BATCH;
  const encoder = new Encoder({
    module: tower,
    dim: tower.featureDim,
    text: { trimmable: tower.trimmable, forward: (tokens) => tower.features(tokens) },
  });
  const encode: BuildOptions["encode"] = (batch, has) => {
    const fresh = new Map<string, number>();
    for (const [row, caption] of batch.captions.entries()) {
      if (!has(caption) && !fresh.has(caption)) fresh.set(caption, row);
    }
    const rows = [...fresh.values()];
    const parts: Tensor[] = [];
    for (let at = 0; at < rows.length; at += size) {
      parts.push(encoder.textRows(tokensOf(batch, rows.slice(at, at + size)), { precision }));
    }
    return {
      keys: [...fresh.keys()],
      rows: parts.length === 0 ? fromData(new Float32Array(0)) : cat(parts),
    };
  };
  const { description } = tokenizer;
  return build({ ...options, loader, views: 1 }, key, {
    shape: [tower.featureDim],
    encode,
    texts: { tokenizer: description, captions: "together", images: "skip" },
  });
}

/**
 * Every picture decoded, by `Batch.imageIds`: uint8 [3, S, S] before normalising. Towers that are
 * trained read it instead of decoding; 150 KB for a picture at 224 pixels.
 *
 * throws   as `buildEmbeddingCache`; DataError where the source cannot be opened
 */
export async function pixelCache(options: CacheOptions): Promise<BuiltCache> {
  const { loader, seed = 0 } = options;
  const { transform, augmentation, maxPixels, source } = loader;
  const key = createCacheKey({
    rows: "pixels",
    data: await fingerprintSource(source),
    preprocessing: preprocessingPart({
      transform,
      augmentation,
      maxPixels,
      seed,
      normalized: false,
    }),
    dtype: "uint8",
  });
  const shape = [3, transform.imageSize, transform.imageSize];
  const encode = ({ imageIds, pixels, size }: Batch): { keys: string[]; rows: Tensor } => ({
    keys: imageIds,
    rows: fromData(pixels, [size, ...shape]),
  });
  return build(options, key, { shape, encode });
}

function build(
  options: CacheOptions,
  key: CacheKey,
  kind: Pick<BuildOptions, "shape" | "encode"> & {
    texts?: Pick<LoaderOptions, "tokenizer" | "captions" | "images">;
  },
): Promise<BuiltCache> {
  const { loader, device, views = 1, seed = 0, group, onProgress, onWait } = options;
  return buildEmbeddingCache({
    root: options.root ?? defaultCacheRoot("embeddings"),
    key,
    views,
    device,
    seed,
    group,
    onProgress,
    onWait,
    loader: { ...loader, ...kind.texts, batchSize: options.batchSize ?? BATCH },
    shape: kind.shape,
    encode: kind.encode,
  });
}

function towerParts(
  tower: ImageTower | TextTower,
  precision: "float32" | "bfloat16",
): Pick<Parameters<typeof createCacheKey>[0], "weights" | "tower" | "precision"> {
  return { weights: hashWeights(tower, { except: "projection." }), tower: tower.config, precision };
}

/** The tokens of some of a batch's captions. */
function tokensOf({ tokens, contextLength, lengths }: Batch, rows: readonly number[]): TokenRows {
  const chosen = new Int32Array(rows.length * contextLength);
  for (const [i, row] of rows.entries()) {
    const at = row * contextLength;
    chosen.set(tokens.subarray(at, at + contextLength), i * contextLength);
  }
  return { tokens: chosen, contextLength, lengths: Int32Array.from(rows, (row) => lengths[row]!) };
}
