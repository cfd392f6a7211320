/** Embeds every picture of a source into a folder of shards, and goes on where it was stopped. */
import { createLoader, type Loader } from "../data/loader/loader.ts";
import type { NpyPrecision } from "../files/npy.ts";
import type { Batch } from "../data/sample.ts";
import { openSource } from "../data/sources/open-source.ts";
import type { Problem } from "../data/sources/source.ts";
import type { SourceSpec } from "../data/sources/source-spec.ts";
import { DataError } from "../errors.ts";
import { imageBatchSize } from "../inference/batch-size.ts";
import { embedTexts } from "../inference/encode-texts.ts";
import { checkCount, type InferenceModel } from "../inference/inference-model.ts";
import { EmbeddingShard, type ShardLayout, type ShardRows } from "./embedding-shard.ts";
import {
  openState,
  writeState,
  type EmbedSettings,
  type EmbedState,
  modelProbe,
} from "./embed-state.ts";

export interface EmbedOptions {
  model: InferenceModel;
  source: SourceSpec;
  folder: string;
  /** The first caption of every picture too. Default false. */
  texts?: boolean;
  /** Default `float16`, which is what clip-retrieval writes. */
  precision?: NpyPrecision;
  /** Rows of a shard; a stopped run goes on at the first shard that is not whole. Default 1,000,000. */
  shardSize?: number;
  /** Pictures per forward pass; by default what is fast and fits the memory. */
  batchSize?: number;
  /** Decoding threads. */
  workers?: number;
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
  /** Samples of the source, good or bad. */
  samples: number;
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
  /** Of this run; 0 where there was nothing to do. */
  picturesPerSecond: number;
}

/**
 * Writes clip-retrieval's layout (see embedding-shard.ts) with `embed.json` beside it. Shards appear
 * whole; a run that is stopped or fails loses the rows of its unfinished shard.
 *
 * throws  DataError for a sample that cannot be read (`onError: fail`), a source without samples, or
 *         a folder with embeddings of something else; StorageError when the disk is full
 */
export async function embedSource(options: EmbedOptions): Promise<EmbedResult> {
  const { model, source, folder, texts = false, precision = "float16" } = options;
  const shardSize = checkCount("shardSize", options.shardSize ?? 1_000_000);
  const { samples, files } = await surveySource(source);
  const dim = model.encoder.dim;
  const settings: EmbedSettings = {
    ...{ source, samples, texts, precision, shardSize, dim },
    onError: options.onError ?? "fail",
    probe: modelProbe(model),
  };
  const state = openState(folder, settings);
  const width = String(Math.ceil(samples / shardSize)).length;
  const run = new EmbedRun(options, { folder, dim, precision, texts, width }, state, files);
  if (!state.complete) await run.work();
  return run.result();
}

/** How many entries a source has, and where each picture is a file of its own, its path. */
async function surveySource(
  spec: SourceSpec,
): Promise<{ samples: number; files: string[] | undefined }> {
  const source = await openSource(spec);
  const files: string[] = [];
  let samples = 0;
  for (const part of source.parts) {
    for await (const { ref } of part.read()) {
      samples++;
      if (source.listed) files.push(ref?.file ?? "");
    }
  }
  if (samples === 0) {
    throw new DataError(`Expected samples in ${source.name} but found none; check the source`, {
      source: source.name,
    });
  }
  return { samples, files: source.listed ? files : undefined };
}

class EmbedRun {
  readonly #options: EmbedOptions;
  readonly #layout: ShardLayout;
  readonly #files: readonly string[] | undefined;
  readonly #resumedFrom: number;
  #state: EmbedState;
  #shard: EmbeddingShard | undefined;
  /** Rows of the loader that are done already. */
  #drop: number;
  #started = 0;
  #rows = 0;
  #seconds = 0;
  #badSamples: Problem[] = [];

  constructor(
    options: EmbedOptions,
    layout: ShardLayout,
    state: EmbedState,
    files: readonly string[] | undefined,
  ) {
    this.#options = options;
    this.#layout = layout;
    this.#files = files;
    this.#state = state;
    this.#drop = state.next.drop;
    this.#resumedFrom = total(state.shards);
  }

  async work(): Promise<void> {
    const { model, onError = "fail", texts = false, workers } = this.#options;
    const { position } = this.#state.next;
    const loader = await createLoader({
      source: this.#options.source,
      transform: model.encoder.transform,
      batchSize: this.#options.batchSize ?? imageBatchSize(model.encoder, undefined),
      mode: "evaluate",
      onError,
      ...(texts ? { tokenizer: model.tokenizer.description } : {}),
      ...(workers === undefined ? {} : { workers }),
      ...(position === null ? {} : { position }),
    });
    this.#started = performance.now();
    try {
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
      if (dropped < batch.size) this.#write(loader, batch, { before, dropped });
      this.#report(loader);
      if (this.#options.shouldStop?.() === true) return;
    }
    this.#finishShard(loader, { position: loader.position(), drop: 0 }, true);
  }

  /** Embeds a batch and deals its rows out to shards. `dropped` rows of it are there already. */
  #write(
    loader: Loader,
    batch: Batch,
    { before, dropped }: { before: ReturnType<Loader["position"]>; dropped: number },
  ): void {
    const { shardSize = 1_000_000 } = this.#options;
    const rows = this.#embed(batch);
    this.#rows += batch.size - dropped;
    for (let from = dropped; from < batch.size;) {
      this.#shard ??= new EmbeddingShard(this.#layout, this.#state.shards.length);
      const to = Math.min(batch.size, from + shardSize - this.#shard.rows);
      this.#shard.append(slice(rows, from, to, this.#layout.dim));
      from = to;
      if (this.#shard.rows < shardSize) break;
      const within = to < batch.size;
      const next = within
        ? { position: before, drop: to }
        : { position: loader.position(), drop: 0 };
      this.#finishShard(loader, next, false);
    }
  }

  #embed(batch: Batch): ShardRows {
    const { model, texts = false } = this.#options;
    const images = model.encoder.encodeImages(batch.pixels).data;
    const captions = firstCaptions(batch);
    const metadata = batch.keys.map((key, i) => ({
      image_path: this.#pathOf(batch.imageIds[i] as string) ?? key,
      ...(texts ? { caption: captions[i] as string } : {}),
      record: recordOf(batch, i),
    }));
    if (!texts) return { images, metadata };
    return { images, metadata, texts: embedTexts(model, captions).data };
  }

  /** As clip-retrieval has it: the file of a picture, the key of one in a shard. */
  #pathOf(imageId: string): string | undefined {
    return this.#files?.[Number(imageId.slice(imageId.lastIndexOf("#") + 1))];
  }

  #finishShard(loader: Loader, next: EmbedState["next"], complete: boolean): void {
    const shards = [...this.#state.shards];
    if (this.#shard) {
      this.#shard.finish();
      shards.push(this.#shard.rows);
      this.#shard = undefined;
    }
    const { skipped } = loader.position();
    this.#state = { ...this.#state, shards, skipped, next, complete };
    writeState(this.#options.folder, this.#state);
  }

  #report(loader: Loader): void {
    this.#seconds = (performance.now() - this.#started) / 1000;
    this.#options.onProgress?.({
      rows: total(this.#state.shards) + (this.#shard?.rows ?? 0),
      samples: this.#state.settings.samples,
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
      resumedFrom: this.#resumedFrom,
      complete,
      picturesPerSecond: this.#seconds === 0 ? 0 : this.#rows / this.#seconds,
    };
  }
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
