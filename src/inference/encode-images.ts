/** Pictures to embeddings: decoding and forward passes side by side. */
import { cat, fromData, scope, type Tensor } from "../torch/index.ts";
import type { Embeddings } from "../arrays/embeddings.ts";
import { cellBytes } from "../data/image/picture-cell.ts";
import { inference } from "../pair/dual-encoder.ts";
import { encodeCells } from "./encode-cells.ts";
import { imageBatchSize, withFittingBatches } from "./batch-size.ts";
import {
  checkCount,
  isAsyncIterable,
  pictureTransform,
  type EmbeddingBatch,
  type InferenceModel,
  type SkippedInput,
} from "./inference-model.ts";
import { isPicture, type Picture } from "./picture.ts";
import { decodingThreads, pictureBatches, type PictureBatchOptions } from "./picture-batches.ts";

export interface EncodeImagesOptions {
  /** Pictures per forward pass; by default what is fast and fits the memory. Changes no result. */
  readonly batchSize?: number;
  /** A picture that cannot be read ends the work with its name (default), or is passed over. */
  readonly onError?: "throw" | "skip";
  /**
   * Threads that decode; 0 decodes on the calling thread. Default: every usable core except one, and
   * 0 for lists of fewer than 64 pictures.
   */
  readonly workers?: number;
  /** `bfloat16` runs the products in it. Default `float32`. */
  readonly precision?: "float32" | "bfloat16";
}

/** The embeddings of a list in which some pictures may have been passed over. */
export interface EncodedPictures {
  /** [N, D] unit rows of the good ones; the caller owns it. */
  readonly embeddings: Tensor;
  /** [N] position of each row's picture in the list */
  readonly indices: Int32Array;
  readonly skipped: readonly SkippedInput[];
}

export interface EncodeImages {
  /** As below, with the pictures that were passed over. */
  (
    pictures: Picture | Iterable<Picture>,
    options: EncodeImagesOptions & { readonly onError: "skip" },
  ): Promise<EncodedPictures>;
  /**
   * One picture or a list to imageEmbeddings [N, D] float32, unit rows. The caller owns the result.
   *
   * throws  DataError naming the picture that cannot be read; TypeError for what is no picture;
   *         RangeError for an empty list or a batch size below 1
   */
  (pictures: Picture | Iterable<Picture>, options?: EncodeImagesOptions): Promise<Tensor>;
  /** A stream of pictures to batches of embeddings, in order; decoding goes on meanwhile. */
  (pictures: AsyncIterable<Picture>, options?: EncodeImagesOptions): AsyncGenerator<EmbeddingBatch>;
}

/** `encodeImages` of a model. */
export function imageEncoder(model: InferenceModel): EncodeImages {
  function encode(
    pictures: Picture | Iterable<Picture> | AsyncIterable<Picture>,
    options: EncodeImagesOptions = {},
  ): Promise<Tensor | EncodedPictures> | AsyncGenerator<EmbeddingBatch> {
    if (isAsyncIterable<Picture>(pictures)) return embeddingBatches(model, pictures, options);
    return encodedTensor(model, pictures, options);
  }
  return encode as EncodeImages;
}

/** throws  TypeError for a value that is neither a picture nor a list */
export function listOf(pictures: Picture | Iterable<Picture>): readonly Picture[] {
  if (isPicture(pictures)) return [pictures];
  if (typeof pictures === "object" && pictures !== null && Symbol.iterator in pictures) {
    return [...pictures];
  }
  throw new TypeError(
    `Expected a picture, a list or an async iterable for pictures but received ` +
      `${pictures === null ? "null" : typeof pictures}; pass bytes, a path or several of them`,
  );
}

async function encodedTensor(
  model: InferenceModel,
  pictures: Picture | Iterable<Picture>,
  options: EncodeImagesOptions,
): Promise<Tensor | EncodedPictures> {
  const { rows, indices, skipped } = await encodeList(model, pictures, options);
  const { data, count, dim } = rows;
  const embeddings = fromData(data, [count, dim], { device: model.model.device });
  return options.onError === "skip" ? { embeddings, indices, skipped } : embeddings;
}

/** A whole list as plain rows, with what was passed over. Throws as `EncodeImages`. */
export async function encodeList(
  model: InferenceModel,
  pictures: Picture | Iterable<Picture>,
  options: EncodeImagesOptions,
): Promise<Omit<EncodedPictures, "embeddings"> & { rows: Embeddings }> {
  const list = listOf(pictures);
  if (list.length === 0) {
    throw new RangeError("Expected at least one picture for encodeImages but received none");
  }
  const parts: EmbeddingBatch[] = [];
  for await (const batch of embeddingBatches(model, list, options)) parts.push(batch);
  const dim = model.model.config.embedDim;
  const indices = Int32Array.from(parts.flatMap((part) => [...part.indices]));
  const data = new Float32Array(indices.length * dim);
  for (const { embeddings, start } of parts) data.set(embeddings, start * dim);
  const rows = { data, count: indices.length, dim };
  return { rows, indices, skipped: parts.flatMap((part) => part.skipped) };
}

/** The batches behind `encodeImages`; takes lists too. */
export async function* embeddingBatches(
  given: InferenceModel,
  pictures: readonly Picture[] | AsyncIterable<Picture>,
  options: EncodeImagesOptions = {},
): AsyncGenerator<EmbeddingBatch> {
  const { model } = given;
  const { precision = "float32" } = options;
  const wanted = isAsyncIterable(pictures) ? undefined : pictures.length;
  const settings: PictureBatchOptions = {
    transform: pictureTransform(given),
    batchSize: checkCount("batchSize", options.batchSize ?? imageBatchSize(given, wanted)),
    onError: checkOnError(options.onError),
    workers: checkCount("workers", options.workers ?? decodingThreads(wanted), 0),
  };
  let start = 0;
  for await (const { cells, indices, skipped } of pictureBatches(pictures, settings)) {
    const count = indices.length;
    const embeddings = embedCells(given, cells, count, precision);
    yield { embeddings, count, dim: model.config.embedDim, start, indices, skipped };
    start += count;
  }
}

/** cells uint8 [N, cellBytes(transform)], as many as fit at once -> [N, D] unit rows */
export function embedCells(
  given: InferenceModel,
  cells: Uint8Array,
  count: number,
  precision: "float32" | "bfloat16" = "float32",
): Float32Array {
  if (count === 0) return new Float32Array(0);
  const { model } = given;
  const transform = pictureTransform(given);
  const size = cellBytes(transform);
  return scope(() => {
    const parts = withFittingBatches(count, (from, to) =>
      scope(() =>
        inference(model, precision, () =>
          encodeCells(model, cells.subarray(from * size, to * size), transform),
        ),
      ),
    );
    return (parts.length === 1 ? (parts[0] as Tensor) : cat(parts)).toFloat32Array();
  });
}

function checkOnError(value: "throw" | "skip" = "throw"): "throw" | "skip" {
  if (value === "throw" || value === "skip") return value;
  throw new RangeError(
    `Expected "throw" or "skip" for onError but received ${JSON.stringify(value)}`,
  );
}
