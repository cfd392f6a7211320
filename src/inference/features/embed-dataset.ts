/** A held-out set, embedded once for all the tasks that are measured on it. */
import { createLoader } from "../../data/loader/loader.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import type { SimilarityKernel } from "../../arrays/similarities.ts";
import type { EncodeOptions, TokenRows } from "../encoder.ts";
import type { InferenceModel } from "../inference-model.ts";
import { concatenateRows, type Embeddings } from "../../arrays/embeddings.ts";
import type { ProbabilityKind } from "../../pair/dual-encoder.ts";
import { tokenCoverage, type TokenCoverage } from "../../text/coverage.ts";
import type { LogitTerms } from "../similarity.ts";
import type { FeaturesCache } from "./features-cache.ts";
import { fitsWhere, noSamples, type Where } from "./fits-where.ts";
import { rememberedDataset } from "./remembered-dataset.ts";

/** What an evaluation asks of a model: embeddings as plain arrays, no tower and no tensor. */
export interface Embedder {
  /** Pictures as a loader makes them for the model, uint8 [N, cellBytes] -> [N, D] unit rows */
  encodeImages(cells: Uint8Array): Embeddings;
  /** Tokens as a loader makes them -> [N, D] unit rows */
  encodeTexts(rows: TokenRows): Embeddings;
  /** All at once -> [N, D] unit rows */
  embedTexts(texts: readonly string[]): Embeddings;
  /** [Q, D] x [M, D] -> [Q, M], on the model's device. */
  readonly similarities: SimilarityKernel;
  /** Those that the model carries for the names of classes, with `{}`; undefined where it has none. */
  readonly templates?: readonly string[] | undefined;
  /** How cosines become probabilities; undefined where the model's scale is still learned. */
  readonly logits?: (LogitTerms & { readonly kind: ProbabilityKind }) | undefined;
  /** How its tokenizer writes texts of a language, see `tokenCoverage`; undefined where it has no tokenizer. */
  coverage?(texts: readonly string[], language: string): TokenCoverage;
  /** Where embeddings are kept from one run to the next; undefined to keep none. */
  readonly cache?: FeaturesCache | undefined;
}

/** What evaluation needs of a model as an Embedder. Batches are the caller's. */
export function embedderOf(
  { encoder, tokenizer, templates }: Omit<InferenceModel, "pair">,
  { cache, logits, ...options }: EncodeOptions & Pick<Embedder, "cache" | "logits"> = {},
): Embedder {
  const { contextLength } = tokenizer;
  return {
    encodeImages: (cells) => encoder.encodeImages(cells, options),
    encodeTexts: (rows) => encoder.encodeTexts(rows, options),
    embedTexts: (texts) => {
      const { tokens, lengths } = tokenizer.encodeBatch(texts);
      return encoder.encodeTexts({ tokens, lengths, contextLength }, options);
    },
    similarities: encoder.similarities,
    coverage: (texts, language) => tokenCoverage(tokenizer, texts, language),
    ...{ templates, cache, logits },
  };
}

export interface EmbeddedDataset {
  keys: string[];
  /** [N, D] unit rows */
  imageEmbeddings: Embeddings;
  /** [M, D] unit rows, one per caption; none where captions were left out */
  textEmbeddings: Embeddings;
  captions: string[];
  /** [M] index of the image that each caption belongs to */
  imageOfText: Int32Array;
  labels: (string | undefined)[];
  metas: Record<string, unknown>[];
  /** The first pictures as the model sees them, for reports: uint8 [3, S, S] each, or patches. */
  pictures: Uint8Array[];
  imageSize: number;
}

export interface EmbedDatasetOptions {
  loader: Omit<LoaderOptions, "mode">;
  where?: Where | undefined;
  /** Whether captions are embedded; without them, images need none. Default true. */
  captions?: boolean;
  /** Pictures kept for a report, where nothing is cached. Default 0. */
  pictures?: number;
  /** Called after every batch with the pictures so far. */
  onProgress?: ((pictures: number) => void) | undefined;
  /** Ends the work before the next batch; what is cached stays. */
  signal?: AbortSignal | undefined;
}

/**
 * Reads a source in order and embeds every image that `where` chooses, and all its captions. With a cache
 * only what it lacks.
 *
 * throws  DataError for a sample that cannot be read, or when `where` leaves no sample
 */
export async function embedDataset(
  embedder: Embedder,
  options: EmbedDatasetOptions,
): Promise<EmbeddedDataset> {
  if (embedder.cache !== undefined) return rememberedDataset(embedder, embedder.cache, options);
  return embedNow(embedder, options);
}

async function embedNow(
  embedder: Embedder,
  {
    loader: options,
    where,
    captions = true,
    pictures = 0,
    onProgress,
    signal,
  }: EmbedDatasetOptions,
): Promise<EmbeddedDataset> {
  const { tokenizer, ...rest } = options;
  const withTokens = captions && tokenizer !== undefined ? { tokenizer } : {};
  const loader = await createLoader({ ...rest, ...withTokens, mode: "evaluate" });
  const set = new Collector(embedder, where, pictures);
  try {
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      signal?.throwIfAborted();
      set.add(batch);
      onProgress?.(set.count);
    }
  } finally {
    await loader.close();
  }
  return set.finish(JSON.stringify(options.source));
}

type EvaluationBatch = NonNullable<
  Awaited<ReturnType<Awaited<ReturnType<typeof createLoader>>["next"]>>
>;

const noRecord: Record<string, unknown> = Object.freeze({});

class Collector {
  readonly #embedder: Embedder;
  readonly #where: Where | undefined;
  readonly #pictures: number;
  readonly #images: Embeddings[] = [];
  readonly #texts: Embeddings[] = [];
  #imageSize = 0;
  readonly #set = {
    keys: [] as string[],
    captions: [] as string[],
    imageOfText: [] as number[],
    labels: [] as (string | undefined)[],
    metas: [] as Record<string, unknown>[],
    pictures: [] as Uint8Array[],
  };

  constructor(embedder: Embedder, where: Where | undefined, pictures: number) {
    this.#embedder = embedder;
    this.#where = where;
    this.#pictures = pictures;
  }

  add(batch: EvaluationBatch): void {
    const chosen = batch.keys.flatMap((_, i) =>
      fitsWhere(batch.metas?.[i], this.#where) ? [i] : [],
    );
    if (chosen.length === 0) return;
    const place = new Map(chosen.map((image, i) => [image, this.#set.keys.length + i]));
    this.#addImages(batch, chosen);
    if (batch.lengths.length > 0) this.#addTexts(batch, place);
  }

  #addImages(batch: EvaluationBatch, chosen: readonly number[]): void {
    const area = batch.pixels.length / batch.size;
    this.#imageSize = batch.imageSize;
    for (const i of chosen) {
      this.#set.keys.push(batch.keys[i] as string);
      this.#set.labels.push(batch.labels?.[i]);
      this.#set.metas.push(batch.metas?.[i] ?? noRecord);
      if (this.#set.pictures.length < this.#pictures) {
        this.#set.pictures.push(batch.pixels.slice(i * area, (i + 1) * area));
      }
    }
    const pixels = rowsAt(batch.pixels, area, chosen);
    this.#images.push(this.#embedder.encodeImages(pixels));
  }

  /** `place` maps the images of the batch that were chosen to their place in the whole set. */
  #addTexts(batch: EvaluationBatch, place: ReadonlyMap<number, number>): void {
    const { contextLength, tokens, lengths } = batch;
    const rows = [...batch.owners.keys()].filter((row) => place.has(batch.owners[row] as number));
    for (const row of rows) {
      this.#set.captions.push(batch.captions[row] as string);
      this.#set.imageOfText.push(place.get(batch.owners[row] as number) as number);
    }
    const chosen = {
      tokens: rowsAt(tokens, contextLength, rows),
      contextLength,
      lengths: rowsAt(lengths, 1, rows),
    };
    this.#texts.push(this.#embedder.encodeTexts(chosen));
  }

  get count(): number {
    return this.#set.keys.length;
  }

  finish(source: string): EmbeddedDataset {
    if (this.#set.keys.length === 0) throw noSamples(this.#where, source);
    return {
      ...this.#set,
      imageOfText: Int32Array.from(this.#set.imageOfText),
      imageEmbeddings: concatenateRows(this.#images),
      textEmbeddings: concatenateRows(this.#texts),
      imageSize: this.#imageSize,
    };
  }
}

/** Rows of `width` numbers at ascending `indices`; `data` itself when these are all. */
function rowsAt<T extends Uint8Array | Int32Array>(
  data: T,
  width: number,
  indices: readonly number[],
): T {
  if (indices.length * width === data.length) return data;
  const out = data.slice(0, indices.length * width) as T;
  for (const [row, index] of indices.entries()) {
    out.set(data.subarray(index * width, (index + 1) * width), row * width);
  }
  return out;
}
