/**
 * AmorLIP's representation objective (arXiv:2505.18983) and the log-partition functions under it, in
 * log space. Knows no network, schedule or recipe.
 */
import { ShapeError } from "../../errors.ts";
import {
  call,
  customGradient,
  gradEnabled,
  operator,
  scope,
  type Tensor,
} from "../../torch/index.ts";
import {
  chunksOf,
  expInPlace,
  logitsOf,
  ownPairs,
  pullBack,
  type Chunk,
  type ChunkOptions,
} from "../shared/chunks.ts";
import { checkChunkSize, checkPairs } from "../shared/pairs.ts";

export interface LogPartitionsOptions extends ChunkOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm. */
  logitScale: Tensor;
  /** Weight of the own pair in the sums, in [0, 1]; 1e-3 in the released command, 0 for none of it. */
  positiveCoefficient: number;
}

/** One number for each image and each text of a batch, [N]. */
export interface PerPair {
  image: Tensor;
  text: Tensor;
}

export interface LogPartitions extends PerPair {
  /** [N] the logits of the pairs themselves, s_ii. */
  pairs: Tensor;
}

/**
 * The logarithms of the batch's partition functions, of every image and of every text.
 *
 *     image_i = log sum_j w_ij e^(s_ij),  text_j = log sum_i w_ij e^(s_ij),  s = logitScale I T^T
 *     w_ij = positiveCoefficient where i = j, else 1
 *
 * AmorLIP, arXiv:2505.18983, Eq. 2 by sums over the batch as in the released code (N times the
 * paper's mean).
 *
 * image, text   [N, D] float, unit rows
 * returns       [N] each, in the graph of the inputs
 * memory        N x N numbers whole, 3 x chunkSize x N chunked; value and gradient are equal. The
 *               chunked form is usable once: a second backward throws
 * ownership     borrows all inputs; the result belongs to the caller's scope
 * throws        ShapeError if image and text differ in shape; RangeError if N < 2, chunkSize < 1 or
 *               positiveCoefficient is outside [0, 1]
 */
export function logPartitions(
  image: Tensor,
  text: Tensor,
  { logitScale, positiveCoefficient, chunkSize }: LogPartitionsOptions,
): LogPartitions {
  checkPairs(image, text);
  checkUnit("positiveCoefficient", positiveCoefficient);
  if (image.size(0) < 2) {
    throw new RangeError(
      "Expected at least two pairs for the batch but received one; a partition function needs negatives",
    );
  }
  const logWeight = Math.log(positiveCoefficient);
  if (chunkSize === undefined) return whole({ image, text, logitScale }, logWeight);
  checkChunkSize(chunkSize);
  return chunked({ image, text, logitScale }, logWeight, chunkSize);
}

interface Inputs {
  image: Tensor;
  text: Tensor;
  logitScale: Tensor;
}

function whole({ image, text, logitScale }: Inputs, logWeight: number): LogPartitions {
  return scope(() => {
    const logits = image.mm(text.t()).mul(logitScale);
    if (logWeight !== 0) logits.diagonal().add_(logWeight);
    const pairs = image.mul(text).sum(1).mul(logitScale);
    return { image: logits.logsumexp(1), text: logits.logsumexp(0), pairs };
  });
}

function chunked(inputs: Inputs, logWeight: number, chunkSize: number): LogPartitions {
  const { image, text, logitScale } = inputs;
  const leaves = [image, text, logitScale];
  const needs = leaves.map((input) => gradEnabled() && input.requiresGrad);
  const held: Tensor[] = [];
  const hold = (tensor: Tensor): Tensor => {
    const kept = tensor.detach().keep();
    held.push(kept);
    return kept;
  };
  const [rows, columns, pairs] = customGradient(
    leaves,
    () =>
      scope(() => {
        const found = sumsInChunks(inputs, logWeight, chunkSize);
        if (needs.includes(true)) [...leaves, ...found].forEach(hold);
        return [...found, image.mul(text).sum(1).mul(logitScale)];
      }),
    (upstream) => {
      const gradients = gradientsInChunks(held, { upstream, needs, logWeight, chunkSize });
      for (const tensor of held) tensor.dispose();
      return gradients;
    },
  );
  return { image: rows as Tensor, text: columns as Tensor, pairs: pairs as Tensor };
}

function sumsInChunks(inputs: Inputs, logWeight: number, chunkSize: number): [Tensor, Tensor] {
  const n = inputs.image.size(0);
  const rows = inputs.logitScale.detach().expand(n).clone();
  const columns = rows.clone().fill_(-Infinity);
  for (const chunk of chunksOf(n, chunkSize)) {
    scope(() => {
      const logits = weighted(logitsOf(inputs, chunk), chunk, logWeight);
      rows.narrow(0, chunk.start, chunk.length).copy_(logits.logsumexp(1));
      columns.copy_(logAddExp(columns, logits.logsumexp(0)));
    });
  }
  return [rows, columns];
}

function weighted(logits: Tensor, chunk: Chunk, logWeight: number): Tensor {
  ownPairs(logits, chunk).add_(logWeight);
  return logits;
}

interface Pass {
  upstream: (Tensor | null)[];
  needs: boolean[];
  logWeight: number;
  chunkSize: number;
}

/**
 * With p, q the softmax over rows and columns of s + log w, and a, b, c what comes from above for
 * rows, columns and pairs:  dL/ds_ij = a_i p_ij + b_j q_ij + c_i [i = j].
 */
function gradientsInChunks(held: readonly Tensor[], pass: Pass): (Tensor | null)[] {
  const [image, text, logitScale, rows, columns] = held as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const { upstream, needs, logWeight, chunkSize } = pass;
  const [a, b, c] = upstream;
  const wanted = { image: needs[0] === true, text: needs[1] === true, logitScale: !!needs[2] };
  const inputs = { image, text, logitScale };
  const found = pullBack(inputs, wanted, { chunkSize, factor: 1 }, (plain, chunk) => {
    const { start, length } = chunk;
    const logits = weighted(plain, chunk, logWeight);
    const own = (of: Tensor): Tensor => of.narrow(0, start, length);
    const gradient = a
      ? expInPlace(logits.sub(own(rows).unsqueeze(1))).mul_(own(a).unsqueeze(1))
      : logits.clone().zero_();
    if (b) gradient.add_(expInPlace(logits.sub(columns)).mul_(b));
    if (c) ownPairs(gradient, chunk).add_(own(c));
    return gradient;
  });
  return found.slice(0, needs.length);
}

/**
 * log((1 - beta) e^batch + beta e^previous): the target of the amortisation, which mixes the batch's
 * sums with what the network of the epoch before says (arXiv:2505.18983, Eq. 12).
 *
 * batch, previous   [N] logarithms          beta   share of `previous`, in [0, 1]
 */
export function combineLogTargets(batch: Tensor, previous: Tensor, beta: number): Tensor {
  checkUnit("beta", beta);
  return scope(() =>
    logAddExp(batch.add(Math.log(1 - beta)), previous.detach().add(Math.log(beta))),
  );
}

/**
 * log(e^negatives + coefficient e^pairs): puts the own pair into sums made without it.
 *
 * negatives, pairs   [N] logarithms
 */
export function addPositives(negatives: Tensor, pairs: Tensor, coefficient: number): Tensor {
  checkUnit("coefficient", coefficient);
  return scope(() => logAddExp(negatives, pairs.add(Math.log(coefficient))));
}

export interface AmorlipOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm. */
  logitScale: Tensor;
  /** L / sg(s) + rho / s in place of L; default true. */
  scaleLoss?: boolean;
  /** Pushes the scale up where positive, down where negative; default 0. Only with scaleLoss. */
  rho?: number;
  /** Adds the term of log Z to the scale's gradient, as in FastCLIP v3; default false. */
  adaptiveTemperature?: boolean;
}

/**
 * AmorLIP's representation objective: the partition functions are given, not differentiated.
 *
 *     L = -2 mean_i s_ii + mean_i e^(Z^I_i - A^I_i) + mean_j e^(Z^T_j - A^T_j)
 *     arXiv:2505.18983, Eq. 6, with Z = `partitions` in the graph and A = `logLambda`, a constant
 *
 * With scaleLoss L becomes L / sg(s) + rho / s, s the logit scale; adaptiveTemperature adds
 * (-2 mean sg(s_ii) + mean(A^I + A^T) - 2 ln N) / s.
 *
 * Where A = Z with positiveCoefficient 1, the gradient is that of both directions of CLIP's loss
 * summed: twice that of `softmaxContrastive`.
 *
 * partitions   of the batch, as `logPartitions` gives them      logLambda   [N] each
 * returns      [], in the graph of `partitions` and the scale. Finite while Z - A < 88 in float32,
 *              which holds at any scale where A mixes Z in (`combineLogTargets` with beta < 1)
 * ownership    borrows all inputs; the result belongs to the caller's scope
 * throws       ShapeError if logLambda is not [N]; RangeError for rho without scaleLoss
 */
export function amorlip(
  partitions: LogPartitions,
  logLambda: PerPair,
  { logitScale, scaleLoss = true, rho = 0, adaptiveTemperature = false }: AmorlipOptions,
): Tensor {
  checkLambda(partitions, logLambda);
  if (!scaleLoss && rho !== 0) {
    throw new RangeError(
      `Expected no rho without scaleLoss but received ${rho}; rho balances the scaled loss only`,
    );
  }
  return scope(() => {
    const [lambdaOfImage, lambdaOfText] = [logLambda.image.detach(), logLambda.text.detach()];
    const positive = partitions.pairs.mean().mul(2);
    const ofImages = partitions.image.sub(lambdaOfImage).exp().mean();
    const ofTexts = partitions.text.sub(lambdaOfText).exp().mean();
    let loss = ofImages.add(ofTexts).sub(positive);
    if (scaleLoss) loss = loss.div(logitScale.detach()).add(logitScale.pow(-1).mul(rho));
    if (adaptiveTemperature) {
      const logs = lambdaOfImage.add(lambdaOfText).mean();
      const term = logs.sub(positive.detach()).add(-2 * Math.log(partitions.pairs.size(0)));
      loss = loss.add(term.div(logitScale));
    }
    return loss;
  });
}

function checkLambda({ pairs }: LogPartitions, { image, text }: PerPair): void {
  for (const [name, { shape }] of Object.entries({ image, text })) {
    if (shape.join() === pairs.shape.join()) continue;
    throw new ShapeError(
      `Expected [${pairs.shape.join(", ")}] for logLambda.${name} but received ` +
        `[${shape.join(", ")}]; give one number for each pair of the batch`,
    );
  }
}

function checkUnit(name: string, value: number): void {
  if (value >= 0 && value <= 1) return;
  throw new RangeError(`Expected a number in [0, 1] for ${name} but received ${value}`);
}

/** log(e^a + e^b) without overflow; either may be -infinity, both as well. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  return call(logAddExpOp, a, b);
}

const logAddExpOp = operator("logaddexp");
