/** A held-out set, embedded once for all the tasks that are measured on it. */
import { types } from "node:util";

import { createLoader } from "../../data/loader/loader.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import { DataError } from "../../errors.ts";
import type { SimilarityKernel } from "../../arrays/similarities.ts";
import type { EncodeOptions, TokenRows } from "../encoder.ts";
import type { InferenceModel } from "../inference-model.ts";
import type { Embeddings } from "../../arrays/embeddings.ts";

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
}

/** What evaluation needs of a model as an Embedder. Batches are the caller's. */
export function embedderOf(
  { encoder, tokenizer, templates }: Omit<InferenceModel, "pair">,
  options: EncodeOptions = {},
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
    templates,
  };
}

/** Values that a sample's JSON must have. */
export type Where = Readonly<Record<string, string | number | boolean>>;

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

interface EmbedDatasetOptions {
  loader: Omit<LoaderOptions, "mode">;
  where?: Where | undefined;
  /** Whether captions are embedded; without them, images need none. Default true. */
  captions?: boolean;
  /** Pictures kept for a report. Default 0. */
  pictures?: number;
}

/**
 * Reads a source in order and embeds every image that `where` chooses, and all its captions.
 *
 * throws  DataError for a sample that cannot be read, or when `where` leaves no sample
 */
export async function embedDataset(
  embedder: Embedder,
  { loader: options, where, captions = true, pictures = 0 }: EmbedDatasetOptions,
): Promise<EmbeddedDataset> {
  const { tokenizer, ...rest } = options;
  const withTokens = captions && tokenizer !== undefined ? { tokenizer } : {};
  const loader = await createLoader({ ...rest, ...withTokens, mode: "evaluate" });
  const set = new Collector(embedder, where, pictures);
  try {
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      set.add(batch);
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

  finish(source: string): EmbeddedDataset {
    if (this.#set.keys.length === 0) {
      throw new DataError(
        `Expected samples with ${JSON.stringify(this.#where ?? {})} in ${source} but found none; ` +
          "check the source and the conditions of the suite",
        { source },
      );
    }
    return {
      ...this.#set,
      imageOfText: Int32Array.from(this.#set.imageOfText),
      imageEmbeddings: concatenate(this.#images),
      textEmbeddings: concatenate(this.#texts),
      imageSize: this.#imageSize,
    };
  }
}

/** Whether a sample's record has the values that are asked for. */
export function fitsWhere(
  meta: Readonly<Record<string, unknown>> | undefined,
  where: Where | undefined,
): boolean {
  return Object.entries(where ?? {}).every(([key, value]) => isEqual(meta?.[key], value));
}

/** A record's number may be a bigint, or a Number object where its text has a point (1.0). */
function isEqual(found: unknown, value: string | number | boolean): boolean {
  if (typeof value !== "number" || typeof found !== "object") return found === value;
  return types.isNumberObject(found) && Number(found) === value;
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

/** Stacks rows of equal width; the parts are let go one by one, so that memory holds one copy. */
function concatenate(parts: (Embeddings | undefined)[]): Embeddings {
  const count = parts.reduce((total, part) => total + (part?.count ?? 0), 0);
  const dim = parts[0]?.dim ?? 0;
  const data = new Float32Array(count * dim);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    if (part === undefined) continue;
    data.set(part.data, at);
    at += part.data.length;
    parts[i] = undefined;
  }
  return { data, count, dim };
}
