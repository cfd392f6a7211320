/** SigLIP's objective, whole and with memory linear in the batch, and its place in recipes. */
import { z } from "zod";

import { RecipeError } from "../errors.ts";
import { call, operator, scope, type Tensor } from "../torch/index.ts";
import { declareObjective, type LogitDefaults } from "./objective.ts";
import {
  closedForm,
  ownPairs,
  pullBack,
  sigmoidInPlace,
  type ChunkOptions,
} from "./shared/chunks.ts";
import { checkChunkSize, checkPairs } from "./shared/pairs.ts";
import { checkBatch, chunkSize } from "./shared/recipe-options.ts";

export interface SigmoidContrastiveOptions extends ChunkOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm. SigLIP starts it at 10. */
  logitScale: Tensor;
  /** [] added to every logit; SigLIP starts it at -10. None when absent or null. */
  logitBias?: Tensor | null;
}

/**
 * Each image with each text is a question of its own: do they belong together?
 *
 *     L = 1/N sum_i sum_j -log sigmoid( z_ij (s I_i . T_j + b) )      z = 1 for i = j, else -1
 *     SigLIP, arXiv:2303.15343, Section 3.2, Algorithm 1: a sum over texts, a mean over images
 *
 * image, text   [N, D] float, unit rows
 * returns       [] nats; N ln 2 when every logit is 0
 * memory        several N x N matrices whole, two [chunkSize, N] chunked, and never a label matrix;
 *               value and gradient are equal. The chunked form makes one pass over the logits and is
 *               usable once: a second backward throws
 * ownership     borrows all inputs; the result belongs to the caller's scope
 * throws        ShapeError if image and text differ in shape; RangeError if N = 0 or chunkSize < 1
 */
export function sigmoidContrastive(
  image: Tensor,
  text: Tensor,
  { logitScale, logitBias = null, chunkSize }: SigmoidContrastiveOptions,
): Tensor {
  checkPairs(image, text);
  const inputs = { image, text, logitScale, logitBias };
  if (chunkSize === undefined) return whole(inputs);
  checkChunkSize(chunkSize);
  return chunked(inputs, chunkSize);
}

interface Inputs {
  image: Tensor;
  text: Tensor;
  logitScale: Tensor;
  logitBias: Tensor | null;
}

/** -z logit for every pair: the softplus of it is -log sigmoid(z logit), stable at both ends. */
function whole({ image, text, logitScale, logitBias }: Inputs): Tensor {
  return scope(() => {
    const scaled = image.mm(text.t()).mul(logitScale);
    const logits = logitBias ? scaled.add(logitBias) : scaled;
    logits.diagonal().mul_(-1);
    return softplus(logits)
      .sum()
      .mul(1 / image.size(0));
  });
}

/** G = sigmoid(-z logit) * -z / N: the sigmoid, with the sign of the pairs' own entries turned. */
function chunked(inputs: Inputs, chunkSize: number): Tensor {
  const { image, text, logitScale, logitBias } = inputs;
  const leaves = logitBias ? [image, text, logitScale, logitBias] : [image, text, logitScale];
  return closedForm(leaves, (wanted) => {
    const [forImage = false, forText = false, forScale = false, forBias = false] = wanted;
    const needs = { image: forImage, text: forText, logitScale: forScale, logitBias: forBias };
    const factor = 1 / image.size(0);
    const total = logitScale.detach().clone().zero_();
    const gradients = pullBack(inputs, needs, { chunkSize, factor }, (logits, chunk) => {
      ownPairs(logits, chunk).mul_(-1);
      total.add_(scope(() => softplus(logits).sum()));
      const gradient = sigmoidInPlace(logits);
      ownPairs(gradient, chunk).mul_(-1);
      return gradient;
    });
    return { loss: total.mul_(factor), gradients: gradients.slice(0, leaves.length) };
  });
}

/** log(1 + e^x), exact to float64: libtorch's own default rounds to x from 20 on. */
function softplus(x: Tensor): Tensor {
  return call(softplusOp, x, 1, 40);
}

const softplusOp = operator("softplus");

/** The scale from 10 without a limit, the bias from -10 (arXiv:2303.15343, section 3.2; big_vision). */
export const siglipLogits: LogitDefaults = {
  scaleInit: 10,
  scaleMax: null,
  scaleAs: "log",
  bias: -10,
};

export const siglipObjective = declareObjective({
  schema: z
    .strictObject({
      kind: z.literal("sigmoid"),
      bias: z
        .boolean()
        .default(true)
        .describe(
          "the model's learned bias is added; false goes with `logits.bias: null`, an ablation",
        ),
      chunkSize,
    })
    .describe("SigLIP's sigmoid: every image with every text is a yes or no of its own"),
  reads: ["logitBias"],
  logits: () => siglipLogits,
  create: (options, context) => {
    checkBatch("sigmoid", context);
    checkBias(options.bias, context.hasLogitBias);
    return {
      module: null,
      kept: null,
      compute: ({ image, text, logitScale, logitBias }) => ({
        loss: sigmoidContrastive(image, text, {
          logitScale,
          logitBias,
          chunkSize: options.chunkSize,
        }),
      }),
      dispose: () => undefined,
    };
  },
});

function checkBias(bias: boolean, hasLogitBias: boolean): void {
  if (bias === hasLogitBias) return;
  throw new RecipeError(
    "objective.bias",
    bias
      ? "Expected a model with a learned bias for objective.bias true but received one without; " +
          "give logits.bias a number (SigLIP starts it at -10), or set objective.bias to false"
      : "Expected a model without a learned bias for objective.bias false but received one with; " +
          "set logits.bias to null, or remove objective.bias",
  );
}
