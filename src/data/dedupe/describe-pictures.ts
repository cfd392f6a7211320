/** Reads every picture of a source and keeps what duplicates are told by. */
import type { Embeddings } from "../../arrays/embeddings.ts";
import { GrowingArray } from "../../arrays/growing.ts";
import type { SimilarityKernel } from "../../arrays/similarities.ts";
import type { EvaluationTransform } from "../image/index.ts";
import type { PictureTransform } from "../image/picture-cell.ts";
import { createLoader } from "../loader/loader.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import type { Problem } from "../sources/source.ts";
import { perceptualHash, SIDE, thumbnail, THUMBNAIL } from "./perceptual-hash.ts";
import { PictureNames } from "./picture-names.ts";
import { Thumbnails } from "./thumbnails.ts";

/** A model, as far as duplicates are concerned. */
export interface PictureEmbedder {
  transform: PictureTransform;
  /** Pictures at once; 64 by default. */
  batchSize?: number;
  /** pixels as the transform makes them, `Batch.pixels` -> [N, D] unit rows */
  embedPixels(pixels: Uint8Array): Embeddings;
  /** [Q, D] x [M, D] -> [Q, M] inner products */
  readonly similarities: SimilarityKernel;
}

/** What near pictures are told by, of N pictures. */
export interface Looks {
  /** [2 N] */
  hashes: Uint32Array;
  thumbnails: Thumbnails;
  /** [N, D] */
  embeddings: Embeddings | undefined;
}

/** Pictures that could not be read: their number, and the first of them. */
interface Unread {
  bad: number;
  badSamples: Problem[];
}

const TRANSFORM: EvaluationTransform = {
  imageSize: SIDE,
  resizeMode: "squash",
  interpolation: "bilinear",
  crop: "none",
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

interface DescribeOptions {
  embedder?: PictureEmbedder | undefined;
  workers?: number | undefined;
  maxPixels?: number | undefined;
  /** Called after each batch with a source's pictures read so far, in both passes. */
  onProgress?: ((source: number, pictures: number) => void) | undefined;
}

/**
 * All pictures of several sources, one source after the other: hashes and thumbnails in one pass,
 * embeddings in another. Pictures that cannot be read are left out.
 *
 * memory   220 bytes a picture, and 4 D with an embedder
 */
export async function describePictures(
  sources: readonly SourceSpec[],
  options: DescribeOptions,
): Promise<Looks & Unread & { names: PictureNames }> {
  const names = new PictureNames();
  const hashes = new GrowingArray(Uint32Array);
  const thumbnails = new Thumbnails();
  const rows = new GrowingArray(Float32Array);
  const unread: Unread = { bad: 0, badSamples: [] };
  const small = new Uint8Array(THUMBNAIL);
  const area = 3 * SIDE ** 2;
  let dim = 0;
  const { embedder } = options;
  for (const [number, source] of sources.entries()) {
    const reading = { source, number, transform: TRANSFORM, batchSize: 64 };
    names.startSet();
    const { bad, badSamples } = await forEachBatch(reading, options, ({ pixels, imageIds }) => {
      imageIds.forEach((id, i) => {
        const picture = pixels.subarray(i * area, (i + 1) * area);
        thumbnail(picture, small);
        names.push(id);
        for (const half of perceptualHash(picture)) hashes.push(half);
        thumbnails.push(small);
      });
    });
    unread.bad += bad;
    unread.badSamples.push(...badSamples);
    if (embedder === undefined) continue;
    const { transform, batchSize = 64 } = embedder;
    await forEachBatch({ source, number, transform, batchSize }, options, ({ pixels }) => {
      const embedded = embedder.embedPixels(pixels);
      dim = embedded.dim;
      rows.append(embedded.data);
    });
  }
  const count = names.count;
  const embeddings = embedder && { data: rows.view, count, dim };
  return { names, hashes: hashes.view, thumbnails, embeddings, ...unread };
}

interface Reading {
  source: SourceSpec;
  /** Which of the sources this is. */
  number: number;
  transform: PictureTransform;
  batchSize: number;
}

interface Visited {
  pixels: Uint8Array;
  imageIds: string[];
}

async function forEachBatch(
  { number, ...given }: Reading,
  { workers, maxPixels, onProgress }: DescribeOptions,
  visit: (batch: Visited) => void,
): Promise<Unread> {
  const loader = await createLoader({
    ...given,
    mode: "evaluate",
    captions: "first",
    onError: "skip",
    ...(workers !== undefined && { workers }),
    ...(maxPixels !== undefined && { maxPixels }),
  });
  try {
    let read = 0;
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      visit(batch);
      onProgress?.(number, (read += batch.size));
    }
    return { bad: loader.skipped, badSamples: [...loader.badSamples] };
  } finally {
    await loader.close();
  }
}
