/** CLIP's objective, whole and with memory linear in the batch, and its place in recipes. */
import { z } from "zod";

import { arange, crossEntropy, scope, type Tensor } from "../torch/index.ts";
import { declareObjective, type LogitDefaults } from "./objective.ts";
import type { ChunkOptions } from "./shared/chunks.ts";
import { checkChunkSize, checkPairs } from "./shared/pairs.ts";
import { chunkSize } from "./shared/recipe-options.ts";
import { softmaxInChunks } from "./shared/softmax-in-chunks.ts";

export interface SoftmaxContrastiveOptions extends ChunkOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm. */
  logitScale: Tensor;
}

/**
 * Symmetric InfoNCE with in-batch negatives: row i of `image` is paired with row i of `text`.
 *
 *     L = 1/2 [ CE(s I T^T, diag) + CE(s T I^T, diag) ]      CLIP, arXiv:2103.00020, Fig. 3
 *
 * image, text   [N, D] float, unit rows
 * returns       [] nats, the mean over 2N rows; ln N when every similarity is equal
 * memory        N x N numbers whole, 2 x chunkSize x N chunked; value and gradient are equal. The
 *               chunked form is usable once: a second backward throws
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

/** The scale from 1 / 0.07, at most 100, learned as its logarithm (arXiv:2103.00020, section 2.5). */
export const clipLogits: LogitDefaults = {
  scaleInit: 1 / 0.07,
  scaleMax: 100,
  scaleAs: "log",
  bias: null,
};

export const clipObjective = declareObjective({
  schema: z
    .strictObject({ kind: z.literal("softmax"), chunkSize })
    .describe("CLIP's symmetric softmax over the batch"),
  reads: [],
  logits: () => clipLogits,
  create: (options) => ({
    module: null,
    kept: null,
    compute: ({ image, text, logitScale }) => ({
      loss: softmaxContrastive(image, text, { logitScale, chunkSize: options.chunkSize }),
    }),
    dispose: () => undefined,
  }),
});
