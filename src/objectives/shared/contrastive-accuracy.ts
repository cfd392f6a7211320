/** How often an objective's own pairs are the most similar ones of a batch. Knows no loss. */
import { arange, noGrad, scope, where, zerosLike, type Tensor } from "../../torch/index.ts";
import { chunksOf, type Chunk } from "./chunks.ts";
import { checkChunkSize, checkPairs } from "./pairs.ts";

/** Bytes of similarities at a time, where the caller does not say how many rows. */
const CHUNK_BYTES = 64 * 2 ** 20;

/**
 * The share of images whose nearest text in the batch is their own, and of texts likewise: [0, 1].
 * Of equally near ones the first in the batch counts as the nearest.
 *
 * image, text   [N, D] unit rows
 * chunkSize     rows of similarities held at a time; when absent, as many as fit in 64 MiB
 * throws        ShapeError if image and text differ in shape; RangeError if N = 0 or chunkSize < 1
 * memory        chunkSize x N numbers: one N x N product, a chunk freed before the next is made
 */
export function contrastiveAccuracy(
  image: Tensor,
  text: Tensor,
  chunkSize: number = rowsWithin(CHUNK_BYTES, text.size(0)),
): number {
  checkPairs(image, text);
  checkChunkSize(chunkSize);
  return noGrad(() =>
    scope(() => {
      const count = image.size(0);
      const place = arange(count, { device: image.device });
      // Images by their nearest text, which one chunk of rows decides.
      const correctImages = zerosLike(place.narrow(0, 0, 1));
      // Texts by their nearest image so far: chunks of rows follow one another in its column.
      const best = zerosLike(image.select(1, 0)).fill_(-Infinity);
      const nearest = zerosLike(place);
      for (const chunk of chunksOf(count, chunkSize)) {
        scope(() => {
          const similarities = image.narrow(0, chunk.start, chunk.length).mm(text.t());
          const own = place.narrow(0, chunk.start, chunk.length);
          correctImages.add_(similarities.argmax(1).eq(own).sum());
          nearestSoFar(similarities, chunk, { best, nearest });
        });
      }
      const correctTexts = nearest.eq(place).sum();
      // One transfer, and so one wait, for all chunks.
      return correctImages.add(correctTexts).item() / (2 * count);
    }),
  );
}

/** Takes a chunk's rows into the greatest similarity of each column and the row that has it. */
function nearestSoFar(
  similarities: Tensor,
  { start }: Chunk,
  { best, nearest }: { best: Tensor; nearest: Tensor },
): void {
  const greatest = similarities.amax(0);
  const rows = similarities.argmax(0).add(start);
  nearest.copy_(where(greatest.gt(best), rows, nearest));
  best.copy_(best.maximum(greatest));
}

function rowsWithin(bytes: number, columns: number): number {
  return Math.max(1, Math.floor(bytes / (4 * columns)));
}
