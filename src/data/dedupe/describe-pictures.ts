/** Reads every picture of a source and keeps what duplicates are told by. */
import type { Embeddings } from "../../arrays/embeddings.ts";
import type { SimilarityKernel } from "../../arrays/similarities.ts";
import type { EvaluationTransform } from "../image/index.ts";
import type { PictureTransform } from "../image/picture-cell.ts";
import { createLoader } from "../loader/loader.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import type { Problem } from "../sources/source.ts";
import { perceptualHash, SIDE, thumbnail, THUMBNAIL } from "./perceptual-hash.ts";

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

/** Pictures of one or several sources, in order. */
export interface Pictures {
  /** `Batch.imageIds` */
  ids: string[];
  /** [2 N] */
  hashes: Uint32Array;
  /** [N, 3, 8, 8] */
  thumbnails: Uint8Array;
  /** [N, D] */
  embeddings: Embeddings | undefined;
  bad: number;
  /** The first of them. */
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
  /** Called after each batch with the pictures read so far, in both passes. */
  onProgress?: ((pictures: number) => void) | undefined;
}

/** Hashes and thumbnails in one pass, embeddings in another; pictures that cannot be read are left out. */
export async function describePictures(
  source: SourceSpec,
  options: DescribeOptions,
): Promise<Pictures> {
  const ids: string[] = [];
  const hashes: number[] = [];
  const thumbnails: Uint8Array[] = [];
  const area = 3 * SIDE ** 2;
  const { bad, badSamples } = await forEachBatch(
    { source, transform: TRANSFORM, batchSize: 64 },
    options,
    ({ pixels, imageIds }) => {
      imageIds.forEach((id, i) => {
        const picture = pixels.subarray(i * area, (i + 1) * area);
        const small = new Uint8Array(THUMBNAIL);
        thumbnail(picture, small);
        ids.push(id);
        hashes.push(...perceptualHash(picture));
        thumbnails.push(small);
      });
    },
  );
  const { embedder } = options;
  return {
    ids,
    hashes: Uint32Array.from(hashes),
    thumbnails: stack(thumbnails, new Uint8Array(thumbnails.length * THUMBNAIL)),
    embeddings: embedder && (await embedPictures(source, embedder, options)),
    bad,
    badSamples,
  };
}

async function embedPictures(
  source: SourceSpec,
  embedder: PictureEmbedder,
  options: DescribeOptions,
): Promise<Embeddings> {
  const parts: Float32Array[] = [];
  let [count, dim] = [0, 0];
  const { transform, batchSize = 64 } = embedder;
  await forEachBatch({ source, transform, batchSize }, options, ({ pixels }) => {
    const rows = embedder.embedPixels(pixels);
    parts.push(rows.data);
    count += rows.count;
    dim = rows.dim;
  });
  return { data: stack(parts, new Float32Array(count * dim)), count, dim };
}

interface Visited {
  pixels: Uint8Array;
  imageIds: string[];
}

async function forEachBatch(
  given: { source: SourceSpec; transform: PictureTransform; batchSize: number },
  { workers, onProgress }: DescribeOptions,
  visit: (batch: Visited) => void,
): Promise<Pick<Pictures, "bad" | "badSamples">> {
  const loader = await createLoader({
    ...given,
    mode: "evaluate",
    captions: "first",
    onError: "skip",
    ...(workers !== undefined && { workers }),
  });
  try {
    let read = 0;
    for (let batch = await loader.next(); batch !== null; batch = await loader.next()) {
      visit(batch);
      onProgress?.((read += batch.size));
    }
    return { bad: loader.skipped, badSamples: [...loader.badSamples] };
  } finally {
    await loader.close();
  }
}

/** Several sources' pictures as one list. */
export function joinPictures(all: readonly Pictures[]): Pictures {
  const dim = all[0]?.embeddings?.dim;
  const count = all.reduce((sum, { ids }) => sum + ids.length, 0);
  const embeddings = all.flatMap((one) => (one.embeddings ? [one.embeddings.data] : []));
  return {
    ids: all.flatMap(({ ids }) => ids),
    hashes: stack(
      all.map(({ hashes }) => hashes),
      new Uint32Array(2 * count),
    ),
    thumbnails: stack(
      all.map(({ thumbnails }) => thumbnails),
      new Uint8Array(count * THUMBNAIL),
    ),
    embeddings:
      dim === undefined
        ? undefined
        : { data: stack(embeddings, new Float32Array(count * dim)), count, dim },
    bad: all.reduce((sum, { bad }) => sum + bad, 0),
    badSamples: all.flatMap(({ badSamples }) => badSamples),
  };
}

function stack<T extends Uint8Array | Uint32Array | Float32Array>(parts: readonly T[], out: T): T {
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
