/** Pictures to embeddings: decoding and forward passes side by side. */
import { fromData, type Tensor } from "../torch/index.ts";
import type { Embeddings } from "../arrays/embeddings.ts";
import { pixelBound } from "../data/image/decode/decode.ts";
import { MAX_PIXELS } from "../data/image/index.ts";
import { checkSvgOptions, type SvgOptions } from "../data/image/svg/rasterize-svg.ts";
import { imageBatchSize } from "./batch-size.ts";
import type { EncodeOptions } from "./encoder.ts";
import {
  checkCount,
  isAsyncIterable,
  type EmbeddingBatch,
  type InferenceModel,
  type SkippedInput,
} from "./inference-model.ts";
import {
  isPicture,
  type Picture,
  decodingThreads,
  pictureBatches,
  type PictureBatchOptions,
} from "./picture-batches.ts";

/** Where `signal` is aborted the work ends before the next forward pass, with the signal's reason. */
export interface EncodeImagesOptions extends EncodeOptions {
  /** Pictures per forward pass; by default what is fast and fits the memory. Changes no result. */
  readonly batchSize?: number;
  /** A picture that cannot be read ends the work with its name (default), or is passed over. */
  readonly onError?: "throw" | "skip";
  /**
   * Threads that decode; 0 decodes on the calling thread. Default: every usable core except one, and
   * 0 for lists of fewer than 64 pictures.
   */
  readonly workers?: number;
  /**
   * An encoded picture of more pixels cannot be read: refused from its header. Default: 178,956,970, as
   * Pillow does.
   */
  readonly maxPixels?: number;
  /**
   * Allows SVG files, drawn on white at `size` pixels for the longer side, 1 to 1024; see docs/data.md. By
   * default they cannot be read.
   */
  readonly svg?: SvgOptions;
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
   * throws  DataError naming the picture that cannot be read; TypeError for a value that is not one;
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
  const embeddings = fromData(data, [count, dim], { device: model.encoder.device });
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
  const { dim } = model.encoder;
  const indices = Int32Array.from(parts.flatMap((part) => [...part.indices]));
  const data = new Float32Array(indices.length * dim);
  for (const { embeddings, start } of parts) data.set(embeddings, start * dim);
  const rows = { data, count: indices.length, dim };
  return { rows, indices, skipped: parts.flatMap((part) => part.skipped) };
}

/** The batches behind `encodeImages`; takes lists too. */
export async function* embeddingBatches(
  { encoder }: Pick<InferenceModel, "encoder">,
  pictures: readonly Picture[] | AsyncIterable<Picture>,
  options: EncodeImagesOptions = {},
): AsyncGenerator<EmbeddingBatch> {
  const wanted = isAsyncIterable(pictures) ? undefined : pictures.length;
  const { svg } = options;
  if (svg !== undefined) checkSvgOptions(svg);
  const settings: PictureBatchOptions = {
    transform: encoder.transform,
    batchSize: checkCount("batchSize", options.batchSize ?? imageBatchSize(encoder, wanted)),
    onError: checkOnError(options.onError),
    workers: checkCount("workers", options.workers ?? decodingThreads(wanted), 0),
    maxPixels: pixelBound(options.maxPixels, MAX_PIXELS),
    svg,
  };
  let start = 0;
  for await (const { cells, indices, skipped } of pictureBatches(pictures, settings)) {
    const { data: embeddings, count, dim } = encoder.encodeImages(cells, options);
    yield { embeddings, count, dim, start, indices, skipped };
    start += count;
  }
}

function checkOnError(value: "throw" | "skip" = "throw"): "throw" | "skip" {
  if (value === "throw" || value === "skip") return value;
  throw new RangeError(
    `Expected "throw" or "skip" for onError but received ${JSON.stringify(value)}`,
  );
}
