/**
 * Distillation from a teacher pair, whole and with memory linear in the batch, and its place in
 * recipes; the trainer embeds each batch by the teacher too.
 */
import { z } from "zod";

import { namedModelSchema } from "../checkpoints/named-model.ts";
import { RecipeError, ShapeError } from "../errors.ts";
import { scope, type Tensor } from "../torch/index.ts";
import { clipLogits, softmaxContrastive } from "./clip.ts";
import { declareObjective } from "./objective.ts";
import {
  closedForm,
  logitsOf,
  ownPairs,
  pullBack,
  type ChunkOptions,
  type LogitInputs,
} from "./shared/chunks.ts";
import { checkChunkSize, checkPairs, checkWeight } from "./shared/pairs.ts";
import { checkBatch, chunkSize } from "./shared/recipe-options.ts";
import { bothSoftmaxes, normalizersOf, softmaxValue } from "./shared/softmax-in-chunks.ts";

/** The teacher's embeddings of the same batch; their width need not be the student's. */
export interface TeacherPair {
  /** [N, D'] unit rows */
  image: Tensor;
  text: Tensor;
  /** [] > 0 */
  logitScale: Tensor;
}

export interface DistillationOptions extends ChunkOptions {
  /** [] > 0, dimensionless: the student's multiplier, not its logarithm. */
  logitScale: Tensor;
  teacher: TeacherPair;
  /** Weight of the distance from the teacher; default 1. */
  distillationWeight?: number;
  /** Weight of the student's own contrastive loss; default 1. */
  contrastiveWeight?: number;
}

/**
 * The student's contrastive loss, and its cross entropy from the teacher's distribution over the batch.
 *
 *     L = c L_CLIP + d/2 [ H(softmax(U), softmax(S)) + H(softmax(U^T), softmax(S^T)) ]
 *     H(p, q) = mean_i sum_j -p_ij log q_ij, S the student's logits, U the teacher's
 *     OpenCLIP's DistillClipLoss gives the two terms; Hinton et al., arXiv:1503.02531
 *
 * image, text   [N, D] float, unit rows; the teacher gets no gradient
 * returns       [] nats; never below d times the mean entropy of the teacher's distributions
 * memory        several N x N matrices whole, four [chunkSize, N] chunked; value and gradient are equal.
 *               The chunked form is usable once: a second backward throws
 * ownership     borrows all inputs; the result belongs to the caller's scope
 * throws        ShapeError if the pairs do not fit together; RangeError if N = 0, chunkSize < 1 or a
 *               weight is below 0
 */
export function distillation(
  image: Tensor,
  text: Tensor,
  {
    logitScale,
    teacher,
    distillationWeight = 1,
    contrastiveWeight = 1,
    chunkSize,
  }: DistillationOptions,
): Tensor {
  checkPairs(image, text);
  checkPairs(teacher.image, teacher.text);
  if (teacher.image.size(0) !== image.size(0)) {
    throw new ShapeError(
      `Expected ${image.size(0)} pairs for the teacher but received ${teacher.image.size(0)}; ` +
        "embed the same batch by both",
    );
  }
  checkWeight("distillationWeight", distillationWeight);
  checkWeight("contrastiveWeight", contrastiveWeight);
  const weights = { distillation: distillationWeight, contrastive: contrastiveWeight };
  const student = { image, text, logitScale };
  if (chunkSize === undefined) return whole(student, teacher, weights);
  checkChunkSize(chunkSize);
  return chunked(student, teacher, weights, chunkSize);
}

interface Weights {
  distillation: number;
  contrastive: number;
}

function whole(student: LogitInputs, teacher: TeacherPair, weights: Weights): Tensor {
  const { image, text, logitScale } = student;
  return scope(() => {
    const s = image.mm(text.t()).mul(logitScale);
    const u = teacher.image.mm(teacher.text.t()).mul(teacher.logitScale).detach();
    const direction = (dim: number): Tensor => u.softmax(dim).mul(s.logSoftmax(dim)).sum();
    const distance = direction(1)
      .add(direction(0))
      .mul(-weights.distillation / (2 * image.size(0)));
    const contrastive = softmaxContrastive(image, text, { logitScale });
    return contrastive.mul(weights.contrastive).add(distance);
  });
}

/**
 * With P and Q the student's softmaxes over rows and columns, and P', Q' the teacher's:
 *
 *     distance = 1/2N [ sum_i lse_j S_ij + sum_j lse_i S_ij - sum_ij (P' + Q') S ]
 *     G = dL/dS = [ (c + d) (P + Q) - 2 c diag - d (P' + Q') ] / 2N
 */
function chunked(
  student: LogitInputs,
  teacher: TeacherPair,
  { distillation: d, contrastive: c }: Weights,
  chunkSize: number,
): Tensor {
  const { image, text, logitScale } = student;
  return closedForm([image, text, logitScale], (wanted) => {
    const [forImage = false, forText = false, forScale = false] = wanted;
    const needs = { image: forImage, text: forText, logitScale: forScale };
    const factor = 1 / (2 * image.size(0));
    const own = normalizersOf(student, chunkSize);
    const theirs = normalizersOf(teacher, chunkSize);
    const expected = logitScale.detach().clone().zero_();
    const gradients = pullBack(student, needs, { chunkSize, factor }, (logits, chunk) => {
      const targets = bothSoftmaxes(logitsOf(teacher, chunk), theirs, chunk);
      expected.add_(scope(() => targets.mul(logits).sum()));
      const gradient = bothSoftmaxes(logits, own, chunk).mul_(c + d);
      ownPairs(gradient, chunk).add_(-2 * c);
      return gradient.add_(targets, -d);
    });
    // softmaxValue is the mean of log sum exp - own logit; the own logits go out again for the distance.
    const contrastive = softmaxValue(own);
    const distance = contrastive.add(own.pairs.mean()).sub(expected.mul(factor));
    return {
      loss: contrastive.mul(c).add(distance.mul(d)),
      gradients: gradients.slice(0, 3),
    };
  });
}

export const distillationObjective = declareObjective({
  schema: z
    .strictObject({
      kind: z.literal("distillation"),
      teacher: namedModelSchema.describe(
        "a model, named as `pretrained` is; its towers and embedding width need not be the student's",
      ),
      distillationWeight: z
        .number()
        .min(0)
        .default(1)
        .describe("d, above 0: of the distance from the teacher's distribution over the batch"),
      contrastiveWeight: z
        .number()
        .min(0)
        .default(1)
        .describe("c: of the student's own contrastive loss"),
      chunkSize,
    })
    .describe("CLIP's softmax, and the distance from a teacher's distribution over the batch"),
  reads: ["teacher"],
  logits: () => clipLogits,
  teacher: ({ teacher }) => teacher,
  create: ({ kind, teacher: _, ...options }, context) => {
    checkBatch(kind, context);
    checkTaught(options.distillationWeight);
    return {
      module: null,
      kept: null,
      compute: ({ image, text, logitScale, teacher }) => {
        if (!teacher) {
          throw new TypeError("internal: objective distillation received no teacher's embeddings");
        }
        return { loss: distillation(image, text, { logitScale, teacher, ...options }) };
      },
      dispose: () => undefined,
    };
  },
});

function checkTaught(distillationWeight: number): void {
  if (distillationWeight > 0) return;
  throw new RecipeError(
    "objective.distillationWeight",
    "Expected a weight above 0 for objective.distillationWeight but received 0; " +
      'name the objective "softmax" to train without a teacher',
  );
}
