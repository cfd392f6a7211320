/** ALIGN's objective, whole and with memory linear in the batch, and its place in recipes. */
import { z } from "zod";

import { arange, call, operator, scope, type Tensor } from "../torch/index.ts";
import { declareObjective } from "./objective.ts";
import type { ChunkOptions } from "./shared/chunks.ts";
import { checkChunkSize, checkPairs } from "./shared/pairs.ts";
import { checkBatch, chunkSize } from "./shared/recipe-options.ts";
import { softmaxInChunks } from "./shared/softmax-in-chunks.ts";

export interface AlignContrastiveOptions extends ChunkOptions {
  /** [] > 0, dimensionless: similarities are divided by it. ALIGN starts it at 1 and ends near 1/64. */
  temperature: Tensor;
  /** Share of the targets spread evenly over all N candidates, in [0, 1); default 0.1. */
  labelSmoothing?: number;
  /** The two directions are averaged (default, as transformers does) or summed (as the paper writes). */
  reduction?: "mean" | "sum";
}

/**
 * Normalised softmax in both directions, with a learned temperature that divides and smoothed labels.
 *
 *     L = CE(I T^T / t, Y) + CE(T I^T / t, Y),  Y = (1 - e) diag + e / N     "sum"
 *     ALIGN, arXiv:2102.05918, Section 4.1, Eq. 1 and 2; "mean" halves it
 *
 * image, text   [N, D] float, unit rows
 * returns       [] nats; ln N ("mean") when every similarity is equal
 * memory        N x N numbers whole, 2 x chunkSize x N chunked; value and gradient are equal. The
 *               chunked form is usable once: a second backward throws
 * ownership     borrows all inputs; the result belongs to the caller's scope
 * throws        ShapeError if image and text differ in shape; RangeError if N = 0, chunkSize < 1 or
 *               labelSmoothing is outside [0, 1)
 */
export function alignContrastive(
  image: Tensor,
  text: Tensor,
  { temperature, labelSmoothing = 0.1, reduction = "mean", chunkSize }: AlignContrastiveOptions,
): Tensor {
  checkPairs(image, text);
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new RangeError(
      `Expected a number in [0, 1) for labelSmoothing but received ${labelSmoothing}; ALIGN uses 0.1`,
    );
  }
  if (chunkSize !== undefined) checkChunkSize(chunkSize);
  return scope(() => {
    const mean =
      chunkSize === undefined
        ? whole(image, text, temperature, labelSmoothing)
        : softmaxInChunks(image, text, temperature.pow(-1), { chunkSize, labelSmoothing });
    return reduction === "mean" ? mean : mean.mul(2);
  });
}

function whole(image: Tensor, text: Tensor, temperature: Tensor, labelSmoothing: number): Tensor {
  const logits = image.mm(text.t()).div(temperature);
  const diagonal = arange(image.size(0), { device: image.device });
  const direction = (rows: Tensor): Tensor =>
    call(crossEntropyOp, rows, diagonal, null, meanReduction, noIgnoredClass, labelSmoothing);
  return direction(logits).add(direction(logits.t())).mul(0.5);
}

const crossEntropyOp = operator("cross_entropy_loss");
const meanReduction = 1;
const noIgnoredClass = -100;

/** The temperature is the inverse of the model's logit scale, and learned itself. */
export const alignObjective = declareObjective({
  schema: z
    .strictObject({
      kind: z.literal("align"),
      labelSmoothing: z
        .number()
        .min(0)
        .lt(1)
        .default(0.1)
        .describe("e: the share of the targets spread evenly over the batch"),
      reduction: z
        .enum(["mean", "sum"])
        .default("mean")
        .describe("of the two directions: `mean` as transformers does, `sum` as in the paper"),
      chunkSize,
    })
    .describe("ALIGN's softmax, with smoothed targets and a learned temperature"),
  reads: [],
  // A temperature that divides, from 1 (arXiv:2102.05918, section 4.1).
  logits: () => ({ scaleInit: 1, scaleMax: null, scaleAs: "temperature", bias: null }),
  create: ({ kind, ...options }, context) => {
    checkBatch(kind, context);
    return {
      module: null,
      kept: null,
      compute: ({ image, text, logitScale }) => ({
        loss: alignContrastive(image, text, { temperature: logitScale.pow(-1), ...options }),
      }),
      dispose: () => undefined,
    };
  },
});
