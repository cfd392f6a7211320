/** CyCLIP's objective, whole and with memory linear in the batch, and its place in recipes. */
import { z } from "zod";

import { scope, type DType, type Tensor } from "../torch/index.ts";
import { clipLogits, softmaxContrastive } from "./clip.ts";
import { declareObjective } from "./objective.ts";
import { chunksOf, closedForm, type ChunkOptions } from "./shared/chunks.ts";
import { checkChunkSize, checkPairs, checkWeight } from "./shared/pairs.ts";
import { checkBatch, chunkSize } from "./shared/recipe-options.ts";

export interface CyclipOptions extends ChunkOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm; of the contrastive term only. */
  logitScale: Tensor;
  /** Weight of the in-modal consistency; default 0.25. */
  inModalWeight?: number;
  /** Weight of the cross-modal consistency; default 0.25. */
  crossModalWeight?: number;
}

/**
 * CLIP's objective with two regularisers that make the geometry of images and texts alike.
 *
 *     L = L_CLIP + a N mean_ij (I_i.I_j - T_i.T_j)^2 + b N mean_ij (I_i.T_j - I_j.T_i)^2
 *     CyCLIP, arXiv:2205.14459; a in-modal, b cross-modal, on cosines without the scale
 *
 * image, text   [N, D] float, unit rows
 * returns       [] nats for the first term; the regularisers are 0 when T = I
 * memory        several N x N matrices whole. Chunked, the regularisers are computed from three D x D
 *               moments in float64, where the differences that they are made of do not cancel, and
 *               CLIP's term as softmaxContrastive does; usable once: a second backward throws
 * ownership     borrows all inputs; the result belongs to the caller's scope
 * throws        ShapeError if image and text differ in shape; RangeError if N = 0, chunkSize < 1 or a
 *               weight is below 0
 */
export function cyclip(
  image: Tensor,
  text: Tensor,
  { logitScale, inModalWeight = 0.25, crossModalWeight = 0.25, chunkSize }: CyclipOptions,
): Tensor {
  checkPairs(image, text);
  checkWeight("inModalWeight", inModalWeight);
  checkWeight("crossModalWeight", crossModalWeight);
  const weights = { inModal: inModalWeight, crossModal: crossModalWeight };
  if (chunkSize === undefined) {
    return scope(() =>
      softmaxContrastive(image, text, { logitScale }).add(wholeConsistency(image, text, weights)),
    );
  }
  checkChunkSize(chunkSize);
  return scope(() =>
    softmaxContrastive(image, text, { logitScale, chunkSize }).add(
      consistencyInChunks(image, text, weights, chunkSize),
    ),
  );
}

interface Weights {
  inModal: number;
  crossModal: number;
}

/** N mean = sum / N. */
function wholeConsistency(image: Tensor, text: Tensor, weights: Weights): Tensor {
  const n = image.size(0);
  const inModal = image.mm(image.t()).sub(text.mm(text.t()));
  const cross = image.mm(text.t());
  const crossModal = cross.sub(cross.t());
  const squares = (of: Tensor, weight: number): Tensor =>
    of
      .mul(of)
      .sum()
      .mul(weight / n);
  return squares(inModal, weights.inModal).add(squares(crossModal, weights.crossModal));
}

/**
 * With the moments A = I^T I, B = T^T T, M = T^T I:
 *
 *     sum (I I^T - T T^T)^2 = |A|^2 + |B|^2 - 2 |M|^2
 *     sum (I T^T - T I^T)^2 = 2 <A, B> - 2 <M, M^T>
 *     dI = 4 [ I (a A + b B) - T (a M + b M^T) ] / N,   dT = 4 [ T (a B + b A) - I (a M^T + b M) ] / N
 */
function consistencyInChunks(
  image: Tensor,
  text: Tensor,
  { inModal: a, crossModal: b }: Weights,
  chunkSize: number,
): Tensor {
  return closedForm([image, text], ([forImage, forText]) => {
    const n = image.size(0);
    const { A, B, M } = moments(image, text, chunkSize);
    const dot = (x: Tensor, y: Tensor): Tensor => x.mul(y).sum();
    const inModal = dot(A, A).add(dot(B, B)).sub(dot(M, M), 2);
    const crossModal = dot(A, B).sub(dot(M, M.t())).mul(2);
    const loss = inModal.mul(a / n).add(crossModal.mul(b / n));
    const mixed = (x: Tensor, y: Tensor): Tensor => x.mul((4 * a) / n).add(y, (4 * b) / n);
    const gradient = (of: Tensor, other: Tensor, own: Tensor, cross: Tensor): Tensor =>
      differenceOfProducts({ of, own, other, cross }, chunkSize);
    return {
      loss: loss.to(image.dtype),
      gradients: [
        forImage ? gradient(image, text, mixed(A, B), mixed(M, M.t())) : null,
        forText ? gradient(text, image, mixed(B, A), mixed(M.t(), M)) : null,
      ],
    };
  });
}

interface Moments {
  A: Tensor;
  B: Tensor;
  M: Tensor;
}

/** [D, D] each, in float64 where the device has it. */
function moments(image: Tensor, text: Tensor, chunkSize: number): Moments {
  const dtype = exactType(image);
  const zero = scope(() =>
    image
      .narrow(0, 0, 1)
      .t()
      .mm(image.narrow(0, 0, 1))
      .to(dtype)
      .mul(0),
  );
  const [A, B, M] = [zero, zero.clone(), zero.clone()] as const;
  for (const { start, length } of chunksOf(image.size(0), chunkSize)) {
    scope(() => {
      const [i, t] = [image, text].map((of) => of.narrow(0, start, length).to(dtype));
      if (!i || !t) return;
      A.add_(i.t().mm(i));
      B.add_(t.t().mm(t));
      M.add_(t.t().mm(i));
    });
  }
  return { A, B, M };
}

/** Apple's GPU has no float64. */
function exactType(of: Tensor): DType {
  return of.device.startsWith("mps") ? "float32" : "float64";
}

interface Products {
  of: Tensor;
  own: Tensor;
  other: Tensor;
  cross: Tensor;
}

/** of @ own - other @ cross, in the type of the moments, given in the type of the embeddings. */
function differenceOfProducts({ of, own, other, cross }: Products, chunkSize: number): Tensor {
  const result = of.detach().clone();
  for (const { start, length } of chunksOf(of.size(0), chunkSize)) {
    scope(() => {
      const rows = (x: Tensor): Tensor => x.narrow(0, start, length).to(own.dtype);
      const part = rows(of).mm(own).sub(rows(other).mm(cross));
      result.narrow(0, start, length).copy_(part);
    });
  }
  return result;
}

export const cyclipObjective = declareObjective({
  schema: z
    .strictObject({
      kind: z.literal("cyclip"),
      inModalWeight: z
        .number()
        .min(0)
        .default(0.25)
        .describe("a: distances among images equal those among texts"),
      crossModalWeight: z
        .number()
        .min(0)
        .default(0.25)
        .describe("b: image i with text j equals image j with text i"),
      chunkSize,
    })
    .describe("CLIP's softmax, and CyCLIP's two terms for equal distances among images and texts"),
  reads: [],
  logits: () => clipLogits,
  create: ({ kind, ...options }, context) => {
    checkBatch(kind, context);
    return {
      module: null,
      kept: null,
      compute: ({ image, text, logitScale }) => ({
        loss: cyclip(image, text, { logitScale, ...options }),
      }),
      dispose: () => undefined,
    };
  },
});
