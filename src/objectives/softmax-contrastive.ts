/** CLIP's objective, whole and with memory linear in the batch. Knows no model, rank or recipe. */
import { arange, crossEntropy, noGrad, scope, stack, type Tensor } from "../torch/index.ts";
import { chunksOf } from "./chunks.ts";
import { checkChunkSize, checkPairs } from "./pairs.ts";
import { softmaxInChunks } from "./softmax-in-chunks.ts";

export interface SoftmaxContrastiveOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm. */
  logitScale: Tensor;
  /** Rows of the logits held at a time; the whole N x N matrix when absent. */
  chunkSize?: number;
}

/**
 * Symmetric InfoNCE with in-batch negatives: row i of `image` is paired with row i of `text`.
 *
 *     L = 1/2 [ CE(s I T^T, diag) + CE(s T I^T, diag) ]      CLIP, arXiv:2103.00020, Fig. 3
 *
 * image, text   [N, D] float, unit rows
 * returns       [] nats, the mean over 2N rows; ln N when every similarity is equal
 * memory        N x N numbers whole, 2 x chunkSize x N chunked; value and gradient are equal. The
 *               chunked form holds its gradient until the first backward pass, and has but that one
 * ownership     borrows all inputs; the result belongs to the caller's scope
 * throws        ShapeError if image and text differ in shape; RangeError if N = 0 or chunkSize < 1
 */
export function softmaxContrastive(
  image: Tensor,
  text: Tensor,
  { logitScale, chunkSize }: SoftmaxContrastiveOptions,
): Tensor {
  checkPairs(image, text);
  if (chunkSize === undefined) return whole(image, text, logitScale);
  checkChunkSize(chunkSize);
  return softmaxInChunks(image, text, logitScale, { chunkSize });
}

function whole(image: Tensor, text: Tensor, logitScale: Tensor): Tensor {
  return scope(() => {
    const logits = image.mm(text.t()).mul(logitScale);
    const diagonal = arange(image.size(0), { device: image.device });
    return crossEntropy(logits, diagonal).add(crossEntropy(logits.t(), diagonal)).mul(0.5);
  });
}

/**
 * The share of images whose nearest text in the batch is their own, and of texts likewise: [0, 1].
 * image, text [N, D] unit rows; in chunks of rows.
 */
export function contrastiveAccuracy(image: Tensor, text: Tensor, chunkSize = 4096): number {
  return noGrad(() =>
    scope(() => {
      const counts = [
        ...correctRows(image, text, chunkSize),
        ...correctRows(text, image, chunkSize),
      ];
      // One transfer, and so one wait, for all chunks.
      return stack(counts).sum().item() / (2 * image.size(0));
    }),
  );
}

/** [] for each chunk of queries: how many have their own candidate as the most similar one. */
function correctRows(query: Tensor, candidates: Tensor, chunkSize: number): Tensor[] {
  return chunksOf(query.size(0), chunkSize).map(({ start, length }) =>
    scope(() => {
      const nearest = query.narrow(0, start, length).mm(candidates.t()).argmax(1);
      const own = arange(length, { device: query.device }).add(start);
      return nearest.eq(own).sum();
    }),
  );
}
