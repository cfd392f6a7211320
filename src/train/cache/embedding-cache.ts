/**
 * Rows that a run computes once and later epochs, runs and recipes read: features of a locked tower,
 * or decoded pictures. One file per view. Knows nothing of how a key is made.
 */
import { join } from "node:path";
import { createLoader } from "../../data/loader/loader.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import { createRandom } from "../../arrays/random.ts";
import type { Batch } from "../../data/sample.ts";
import type { Problem } from "../../data/sources/source.ts";
import { DataError } from "../../errors.ts";
import { WRITERS_PATIENCE_MS, withFileLock } from "../../files/file-lock.ts";
import { lockName } from "../../files/folder-record.ts";
import { solo, type ProcessGroup } from "../process-group.ts";
import { scope, type Device, type Tensor } from "../../torch/index.ts";
import { cacheFolder, explainMissing, saveKey, viewFile, type CacheKey } from "./cache-key.ts";
import type { Unusable } from "./row-file.ts";
import { RowStore } from "./row-store.ts";
import { RowWriter } from "./row-writer.ts";

export interface CacheLocation {
  /** Where caches lie, see `defaultCacheRoot`. */
  root: string;
  key: CacheKey;
  /** Stored versions of each picture, at least 1. */
  views: number;
  /** Where `rows` puts its result. */
  device?: Device;
}

interface CacheProgress {
  view: number;
  views: number;
  /** Batches' pictures that were visited in this view so far. */
  done: number;
  skipped: number;
}

export class EmbeddingCache {
  readonly folder: string;
  readonly key: CacheKey;
  readonly #views: readonly RowStore[];
  readonly #device: Device;

  constructor(folder: string, key: CacheKey, views: readonly RowStore[], device: Device) {
    this.folder = folder;
    this.key = key;
    this.#views = views;
    this.#device = device;
  }

  get views(): number {
    return this.#views.length;
  }

  /** Rows of a view; a sample that could be read in one view can be read in all. */
  get count(): number {
    return Math.min(...this.#views.map(({ count }) => count));
  }

  /** Samples that could not be read when the cache was made. */
  get skipped(): number {
    return this.#views[0]!.header.skipped;
  }

  /** Whether every view has the row. */
  has(id: string): boolean {
    return this.#views.every((view) => view.has(id));
  }

  /**
   * The rows of `ids` in the view of an epoch (epoch mod views), [N, ...shape] on the device:
   * features float32, pictures uint8.
   *
   * throws   DataError naming the first id that has no row
   */
  rows(ids: readonly string[], epoch: number): Tensor {
    return this.#views[epoch % this.views]!.rows(ids, this.#device);
  }

  /** Lets the files go; the caches stay. */
  close(): void {
    for (const view of this.#views) view.close();
  }
}

/** Every view of a cache, or the views that have to be made and why. */
export type OpenedCache =
  { cache: EmbeddingCache } | { cache?: undefined; missing: number[]; reason: string };

/**
 * Opens a cache that is there as a whole. One that is absent, truncated, damaged or of another key
 * is not opened: `reason` says why the first unusable view has to be made again.
 */
export function openEmbeddingCache({ root, key, views, device }: CacheLocation): OpenedCache {
  const folder = cacheFolder(root, key);
  const open: RowStore[] = [];
  const missing: number[] = [];
  let first: Unusable | undefined;
  for (let view = 0; view < views; view++) {
    const found = RowStore.open(viewFile(folder, view), key.digest);
    if (found instanceof RowStore) open.push(found);
    else {
      first ??= found;
      missing.push(view);
    }
  }
  if (first === undefined) {
    return { cache: new EmbeddingCache(folder, key, open, device ?? "cpu") };
  }
  for (const store of open) store.close();
  if (!first.absent) return { missing, reason: first.reason };
  const reason = open.length === 0 ? explainMissing(root, key) : "it has fewer views";
  return { missing, reason };
}

export interface BuildOptions extends CacheLocation {
  /** What is visited and how; order and number of passes are the cache's own. */
  loader: Pick<
    LoaderOptions,
    "source" | "transform" | "batchSize" | "workers" | "prefetch" | "onError" | "tokenizer"
  > &
    Partial<Pick<LoaderOptions, "augmentation" | "captions" | "images" | "maxPixels">>;
  /** Views drawn with augmentation are those of this seed. */
  seed?: number;
  /** Of one row: [W] or [3, S, S]. */
  shape: readonly number[];
  /**
   * The rows of a batch with their keys, [keys.length, ...shape]; may leave out those that `has`
   * says are there. Runs in a scope.
   */
  encode: (
    batch: Batch,
    has: (key: string) => boolean,
  ) => { keys: readonly string[]; rows: Tensor };
  /** The first of these processes makes the cache while the others wait; this one when absent. */
  group?: ProcessGroup | undefined;
  onProgress?: ((progress: CacheProgress) => void) | undefined;
  /** Called once with the cache's folder where another process makes the same cache, which is waited for. */
  onWait?: ((folder: string, holder: string) => void) | undefined;
}

export interface BuiltCache {
  cache: EmbeddingCache;
  /** Why it had to be made; absent where it was there. */
  rebuilt?: string;
  /** The first samples that could not be read in making it. */
  badSamples: readonly Problem[];
}

/**
 * The cache of a key, made where it is not there: one pass over the source for each missing view.
 * A view's file appears when it is complete, so what a crash leaves behind is never read.
 *
 * throws   DataError for a sample that cannot be read (`onError: "fail"`); RangeError for views
 *          that would all be alike; StorageError naming the file on a full disk
 */
export async function buildEmbeddingCache(options: BuildOptions): Promise<BuiltCache> {
  const { group = solo } = options;
  checkViews(options);
  if (group.isFirst) {
    const built = await openOrBuild(options);
    group.barrier();
    return built;
  }
  group.barrier();
  const found = openEmbeddingCache(options);
  if (found.cache) return { cache: found.cache, badSamples: [] };
  throw new DataError(
    `Expected the cache that the first process made in ${cacheFolder(options.root, options.key)} but ` +
      `${found.reason}; keep caches in a folder that all processes share`,
    { source: options.root },
  );
}

async function openOrBuild(options: BuildOptions): Promise<BuiltCache> {
  const before = openEmbeddingCache(options);
  if (before.cache) return { cache: before.cache, badSamples: [] };
  const folder = cacheFolder(options.root, options.key);
  // Another run that makes the same rows will have finished them.
  return withFileLock(join(folder, lockName), () => build(options, folder), {
    patience: WRITERS_PATIENCE_MS,
    onWait: (holder) => options.onWait?.(folder, holder),
  });
}

async function build(options: BuildOptions, folder: string): Promise<BuiltCache> {
  const before = openEmbeddingCache(options);
  if (before.cache) return { cache: before.cache, badSamples: [] };
  saveKey(folder, options.key);
  const badSamples: Problem[] = [];
  for (const view of before.missing) badSamples.push(...(await buildView(options, folder, view)));
  const after = openEmbeddingCache(options);
  if (after.cache) return { cache: after.cache, rebuilt: before.reason, badSamples };
  throw new Error(`internal: a cache that was just made cannot be opened: ${after.reason}`);
}

function checkViews({ views, loader: { augmentation } }: BuildOptions): void {
  const alike = augmentation === undefined && views > 1;
  if (Number.isSafeInteger(views) && views >= 1 && !alike) return;
  throw new RangeError(
    `Expected ${alike ? "1" : "an integer from 1"} for views but received ${views}; ` +
      (alike ? "views differ by their augmentation, and there is none" : "say how many to store"),
  );
}

/** The seed of a view's augmentation; it does not depend on the number of views. */
function viewSeed(seed: number, view: number): number {
  return createRandom([seed, "view", view]).integer(2 ** 31);
}

async function buildView(
  { loader: options, key, shape, encode, onProgress, seed = 0, views }: BuildOptions,
  folder: string,
  view: number,
): Promise<readonly Problem[]> {
  const { dtype } = key.parts;
  const writer = new RowWriter(viewFile(folder, view), { dtype, shape, key: key.digest });
  const has = (id: string): boolean => writer.has(id);
  let done = 0;
  try {
    const loader = await createLoader({
      captions: "first",
      ...options,
      seed: viewSeed(seed, view),
      mode: "train",
      shuffle: false,
      epochs: 1,
      lastBatch: "keep",
    });
    try {
      for await (const batch of loader) {
        scope(() => {
          const { keys, rows } = encode(batch, has);
          if (keys.length > 0) writer.append(keys, rows);
        });
        done += batch.size;
        onProgress?.({ view, views, done, skipped: loader.skipped });
      }
      writer.finish({ skipped: loader.skipped });
      return loader.badSamples;
    } finally {
      await loader.close();
    }
  } finally {
    writer.discard();
  }
}
