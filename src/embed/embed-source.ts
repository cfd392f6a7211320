/** Embeds every picture of a source into a folder of shards, and goes on where it was stopped. */
import { createLoader, type Loader } from "../data/loader/loader.ts";
import { asOnlyWriterOf, checkApart } from "../files/atomic-folder.ts";
import { pixelBound } from "../data/image/decode/decode.ts";
import { MAX_PIXELS } from "../data/image/index.ts";
import type { NpyPrecision } from "../files/npy.ts";
import type { Batch } from "../data/sample.ts";
import type { Problem } from "../data/sources/source.ts";
import type { SourceSpec } from "../data/sources/source-spec.ts";
import { imageBatchSize } from "../inference/batch-size.ts";
import type { Precision } from "../inference/encoder.ts";
import { embedTexts } from "../inference/encode-texts.ts";
import { checkCount, type InferenceModel } from "../inference/inference-model.ts";
import { EmbeddingShard, type ShardLayout, type ShardRows } from "./embedding-shard.ts";
import {
  checkExtent,
  openState,
  writeState,
  type EmbedSettings,
  type EmbedState,
  modelProbe,
} from "./embed-state.ts";
import { tableColumns } from "./metadata-spool.ts";
import { conformTable } from "./metadata-table.ts";
import { digitsOf, shardFiles, widenNames } from "./shard-files.ts";

export interface EmbedOptions {
  model: InferenceModel;
  source: SourceSpec;
  folder: string;
  /** The first caption of every picture too. Default false. */
  texts?: boolean;
  /** Default `float16`, which is what clip-retrieval writes. */
  store?: NpyPrecision;
  /** Rows of a shard; a stopped run goes on at the first shard that is not whole. Default 1,000,000. */
  shardSize?: number;
  /** Pictures per forward pass; by default what is fast and fits the memory. */
  batchSize?: number;
  /** Decoding threads. */
  workers?: number;
  /** A picture of more pixels cannot be read, told from its header. By default 178,956,970. */
  maxPixels?: number;
  /** A sample that cannot be read ends the run (default), or is left out and counted. */
  onError?: "skip" | "fail";
  /** Called after every batch. */
  onProgress?: (progress: EmbedProgress) => void;
  /** Asked after every batch; true ends the run before the next one. */
  shouldStop?: () => boolean;
}

export interface EmbedProgress {
  /** Rows in this folder, those of unfinished shards too. */
  rows: number;
  /** Of the source, good or bad, where they are counted without reading them all. */
  samples: number | undefined;
  /** Shards of the source that are done, and all of them; one for a folder or a table. */
  parts: { readonly done: number; readonly all: number };
  skipped: number;
  /** Of this run. */
  picturesPerSecond: number;
}

export interface EmbedResult {
  folder: string;
  rows: number;
  skipped: number;
  /** The first bad samples of this run. */
  badSamples: Problem[];
  shards: number;
  dim: number;
  /** Rows that were there already. */
  resumedFrom: number;
  complete: boolean;
  /** What the model computed in. */
  precision: Precision;
  /** Of this run; 0 where there was nothing to do. */
  picturesPerSecond: number;
}

/**
 * Writes clip-retrieval's layout (see shard-files.ts) with `embed.json` beside it, which comes first.
 * Shards appear whole; a run that is stopped or fails loses the rows of its unfinished shard. In the
 * end all shards have the same columns of the same types.
 *
 * throws  DataError for a sample that cannot be read (`onError: fail`), a source without samples, or
 *         a folder with embeddings of something else; StorageError when the disk is full, where
 *         another process writes there, and for a folder inside the source's
 */
export async function embedSource(options: EmbedOptions): Promise<EmbedResult> {
  const { model, source, folder, texts = false, store = "float16" } = options;
  const shardSize = checkCount("shardSize", options.shardSize ?? 1_000_000);
  const dim = model.encoder.dim;
  const settings: EmbedSettings = {
    ...{ source, texts, store, precision: model.encoder.precision, shardSize, dim },
    onError: options.onError ?? "fail",
    maxPixels: pixelBound(options.maxPixels, MAX_PIXELS),
    probe: modelProbe(model),
  };
  if (source.kind === "folder") checkApart(folder, [source.directory]);
  return asOnlyWriterOf(folder, async () => {
    const state = await openState(folder, settings);
    const run = new EmbedRun(options, { folder, dim, precision: store, texts }, state);
    await run.work();
    return run.result();
  });
}

class EmbedRun {
  readonly #options: EmbedOptions;
  readonly #layout: ShardLayout;
  readonly #resumedFrom: number;
  #state: EmbedState;
  #shard: EmbeddingShard | undefined;
  /** Rows of the loader that are done already. */
  #drop: number;
  #started = 0;
  #rows = 0;
  #seconds = 0;
  #badSamples: Problem[] = [];

  constructor(options: EmbedOptions, layout: ShardLayout, state: EmbedState) {
    this.#options = options;
    this.#layout = layout;
    this.#state = state;
    this.#drop = state.next.drop;
    this.#resumedFrom = total(state.shards);
  }

  async work(): Promise<void> {
    const { model, onError = "fail", texts = false, workers, maxPixels } = this.#options;
    const { position } = this.#state.next;
    const loader = await createLoader({
      source: this.#options.source,
      transform: model.encoder.transform,
      batchSize: this.#options.batchSize ?? imageBatchSize(model.encoder, undefined),
      mode: "evaluate",
      onError,
      floats: "marked",
      ...(texts ? { tokenizer: model.tokenizer.description } : {}),
      ...(workers === undefined ? {} : { workers }),
      ...(maxPixels === undefined ? {} : { maxPixels }),
      ...(position === null ? {} : { position }),
    });
    try {
      checkExtent(this.#options.folder, this.#state, loader.extent);
      if (this.#state.complete) return;
      this.#started = performance.now();
      await this.#embedAll(loader);
    } finally {
      this.#shard?.discard();
      this.#badSamples = [...loader.badSamples];
      await loader.close();
    }
  }

  async #embedAll(loader: Loader): Promise<void> {
    for (;;) {
      const before = loader.position();
      const batch = await loader.next();
      if (batch === null) break;
      const dropped = Math.min(this.#drop, batch.size);
      this.#drop -= dropped;
      if (dropped < batch.size) await this.#write(loader, batch, { before, dropped });
      this.#report(loader);
      if (this.#options.shouldStop?.() === true) return;
    }
    await this.#finishShard(loader, { position: loader.position(), drop: 0 });
    await this.#complete();
  }

  /** Types that became wider in later shards become so in all; a folder is one table then. */
  async #complete(): Promise<void> {
    const { folder, texts } = this.#layout;
    const { shards, width, columns } = this.#state;
    const wanted = tableColumns(columns, texts);
    for (const number of shards.keys()) {
      await conformTable(shardFiles(folder, number, width).metadata, wanted);
    }
    this.#keep({ complete: true });
  }

  /** Embeds a batch and deals its rows out to shards. `dropped` rows of it are there already. */
  async #write(
    loader: Loader,
    batch: Batch,
    { before, dropped }: { before: ReturnType<Loader["position"]>; dropped: number },
  ): Promise<void> {
    const { shardSize = 1_000_000 } = this.#options;
    const rows = this.#embed(batch);
    this.#rows += batch.size - dropped;
    for (let from = dropped; from < batch.size;) {
      this.#shard ??= this.#nextShard(loader);
      const to = Math.min(batch.size, from + shardSize - this.#shard.rows);
      this.#shard.append(slice(rows, from, to, this.#layout.dim));
      from = to;
      if (this.#shard.rows < shardSize) break;
      const within = to < batch.size;
      const next = within
        ? { position: before, drop: to }
        : { position: loader.position(), drop: 0 };
      await this.#finishShard(loader, next);
    }
  }

  /** The state says what the files are before there are any. */
  #nextShard({ extent }: Loader): EmbeddingShard {
    const number = this.#state.shards.length;
    const width = Math.max(this.#state.width, digitsOf(number + 1));
    if (number === 0 || width > this.#state.width) this.#keep({ width, extent });
    widenNames(this.#layout.folder, number, width);
    return new EmbeddingShard(this.#layout, { number, width, columns: this.#state.columns });
  }

  #embed(batch: Batch): ShardRows {
    const { model, texts = false } = this.#options;
    const images = model.encoder.encodeImages(batch.pixels).data;
    const captions = firstCaptions(batch);
    const metadata = batch.keys.map((key, i) => ({
      // As clip-retrieval has it: the file of a picture, the key of one in a shard.
      image_path: batch.imageFiles?.[i] ?? key,
      ...(texts ? { caption: captions[i] as string } : {}),
      record: recordOf(batch, i),
    }));
    if (!texts) return { images, metadata };
    return { images, metadata, texts: embedTexts(model, captions).data };
  }

  async #finishShard(loader: Loader, next: EmbedState["next"]): Promise<void> {
    const { skipped } = loader.position();
    const shard = this.#shard;
    if (shard === undefined) return this.#keep({ skipped, next });
    await shard.finish();
    const shards = [...this.#state.shards, shard.rows];
    this.#shard = undefined;
    this.#keep({ shards, columns: shard.columns, skipped, next });
  }

  #keep(change: Partial<EmbedState>): void {
    this.#state = { ...this.#state, ...change };
    writeState(this.#options.folder, this.#state);
  }

  #report(loader: Loader): void {
    this.#seconds = (performance.now() - this.#started) / 1000;
    this.#options.onProgress?.({
      rows: total(this.#state.shards) + (this.#shard?.rows ?? 0),
      samples: loader.extent.samples,
      parts: { done: partsDone(loader), all: loader.extent.parts },
      skipped: loader.position().skipped,
      picturesPerSecond: this.#rows / this.#seconds,
    });
  }

  result(): EmbedResult {
    const { shards, skipped, complete } = this.#state;
    return {
      folder: this.#options.folder,
      rows: total(shards),
      skipped,
      badSamples: this.#badSamples,
      shards: shards.length,
      dim: this.#layout.dim,
      precision: this.#options.model.encoder.precision,
      resumedFrom: this.#resumedFrom,
      complete,
      picturesPerSecond: this.#seconds === 0 ? 0 : this.#rows / this.#seconds,
    };
  }
}

function partsDone(loader: Loader): number {
  const { cursor } = loader.position();
  return cursor.epoch > 0 ? loader.extent.parts : cursor.part;
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** [N] the first caption of each picture; one picture, one row of text. */
function firstCaptions({ size, captions, owners }: Batch): string[] {
  const first = Array.from<string>({ length: size });
  for (let row = captions.length - 1; row >= 0; row--) {
    first[owners[row] as number] = captions[row] as string;
  }
  return first;
}

function recordOf({ labels, metas }: Batch, i: number): Record<string, unknown> {
  const label = labels?.[i];
  return { ...(label === undefined ? {} : { label }), ...metas?.[i] };
}

function slice(
  { images, texts, metadata }: ShardRows,
  from: number,
  to: number,
  dim: number,
): ShardRows {
  const part = (rows: Float32Array): Float32Array => rows.subarray(from * dim, to * dim);
  return {
    images: part(images),
    metadata: metadata.slice(from, to),
    ...(texts ? { texts: part(texts) } : {}),
  };
}
