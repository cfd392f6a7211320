/** Leave-one-out cross-attention over a batch, LIxP's context. Knows no loss, model or recipe. */
import { ShapeError } from "../../errors.ts";
import {
  arange,
  callInPlace,
  customGradient,
  noGrad,
  operator,
  scope,
  type Tensor,
} from "../../torch/index.ts";
import { chunksOf, type Chunk, type ChunkOptions } from "../shared/chunks.ts";
import { checkChunkSize } from "../shared/pairs.ts";

/** Which path of the gradient is cut, for the ablation; the paper cuts none. */
type ContextStopGradient = "none" | "values" | "keys";

export interface ContextAttentionOptions extends ChunkOptions {
  /** [] > 0: cosines are divided by contextTemperature * sqrt(D). */
  contextTemperature: Tensor;
  /** Whether an image is hidden from itself; true when absent. */
  mask?: boolean;
  stopGradient?: ContextStopGradient;
}

export interface Context {
  /** [N, D] in the graph of the inputs; not unit rows. */
  context: Tensor;
  /**
   * [] without a graph: the mean entropy of a row of attention over its greatest, ln(N - 1) (ln N
   * without mask). 1 is the mean of the batch, 0 one neighbour; 1 where there is one candidate.
   */
  entropy: Tensor;
}

/**
 * Every image as a mixture of the others of its batch.
 *
 *     context_i = sum_k softmax_k( x_i . x_k / (tau sqrt(D)) ) v_k,  k != i      arXiv:2411.15099
 *
 * image      [N, D] float, unit rows x: queries and keys
 * rawImage   [N, D] float: the values v, the embeddings before they are brought to length 1
 * memory     several N x N numbers whole, several chunkSize x N chunked, where the weights are
 *            computed again in the backward pass; value and gradient are equal. The chunked form is
 *            usable once: a second backward throws
 * ownership  borrows all inputs; the results belong to the caller's scope
 * throws     ShapeError if the two differ in shape; RangeError for chunkSize < 1, N = 0, and for
 *            N = 1 with mask
 */
export function contextAttention(
  image: Tensor,
  rawImage: Tensor,
  { contextTemperature, mask = true, stopGradient = "none", chunkSize }: ContextAttentionOptions,
): Context {
  check(image, rawImage, mask);
  if (chunkSize !== undefined) checkChunkSize(chunkSize);
  const inputs = { image, rawImage, contextTemperature, mask, stopGradient };
  return chunkSize === undefined ? whole(inputs) : chunked(inputs, chunkSize);
}

interface Inputs {
  image: Tensor;
  rawImage: Tensor;
  contextTemperature: Tensor;
  mask: boolean;
  stopGradient: ContextStopGradient;
}

function check(image: Tensor, rawImage: Tensor, mask: boolean): void {
  const [a, b] = [image.shape, rawImage.shape];
  if (a.length !== 2 || a.join() !== b.join()) {
    throw new ShapeError(
      `Expected image and rawImage to have equal shape [N, D] but received [${a.join(", ")}] and ` +
        `[${b.join(", ")}]; pass the same embeddings with and without unit length`,
    );
  }
  const [count = 0] = a;
  if (count >= (mask ? 2 : 1)) return;
  throw new RangeError(
    `Expected at least ${mask ? "two images" : "one image"} for the batch but received ${count}; ` +
      "an image has no context but the others of its batch",
  );
}

function whole({ image, rawImage, contextTemperature, mask, stopGradient }: Inputs): Context {
  return scope(() => {
    const [count, dim] = [image.size(0), image.size(1)];
    const keys = stopGradient === "keys" ? image.detach() : image;
    const values = stopGradient === "values" ? rawImage.detach() : rawImage;
    const similarities = image.mm(keys.t());
    const logits = similarities.div(contextTemperature.mul(Math.sqrt(dim)));
    const shown = mask ? logits.maskedFill(diagonalOf(count, image), -Infinity) : logits;
    const weights = shown.softmax(1);
    const entropy = noGrad(() => entropies(shown, logits, weights).mean());
    return { context: weights.mm(values), entropy: normalized(entropy, count, mask) };
  });
}

function diagonalOf(count: number, like: Tensor): Tensor {
  const order = arange(count, { device: like.device });
  return order.unsqueeze(1).eq(order);
}

/** [rows] nats: log sum exp of the shown logits less their mean under the weights. */
function entropies(shown: Tensor, logits: Tensor, weights: Tensor): Tensor {
  // The hidden entry has weight 0 and a finite logit here: 0 * -infinity would be NaN.
  return shown.logsumexp(1).sub(weights.mul(logits).sum(1));
}

function normalized(entropy: Tensor, count: number, mask: boolean): Tensor {
  const candidates = mask ? count - 1 : count;
  if (candidates === 1) return entropy.detach().clone().fill_(1);
  return noGrad(() => entropy.mul(1 / Math.log(candidates)));
}

function chunked(inputs: Inputs, chunkSize: number): Context {
  const { image, rawImage, contextTemperature, mask } = inputs;
  // What the backward pass needs is no more than handles to the inputs and one [N, D].
  const held: Inputs = {
    ...inputs,
    image: image.detach().keep(),
    rawImage: rawImage.detach().keep(),
    contextTemperature: contextTemperature.detach().keep(),
  };
  const count = image.size(0);
  let entropy: Tensor | undefined;
  let output: Tensor | undefined;
  const [context] = customGradient(
    [image, rawImage, contextTemperature],
    () => {
      const found = forwardInChunks(held, chunkSize);
      entropy = normalized(found.entropy, count, mask);
      output = found.context.detach().keep();
      return [found.context];
    },
    ([upstream]) => {
      const gradients = upstream
        ? backwardInChunks(held, { output: output as Tensor, upstream }, chunkSize)
        : [null, null, null];
      release(held, output);
      return gradients;
    },
  );
  const recorded = (context as Tensor).requiresGrad;
  if (!recorded) release(held, output);
  return { context: context as Tensor, entropy: entropy as Tensor };
}

function release(
  { image, rawImage, contextTemperature }: Inputs,
  output: Tensor | undefined,
): void {
  for (const tensor of [image, rawImage, contextTemperature, output]) tensor?.dispose();
}

interface Attention {
  /** [length, N] cosines of a chunk of queries, over the temperature. */
  logits: Tensor;
  /** The same with the diagonal at -infinity. */
  shown: Tensor;
  /** softmax(shown) */
  weights: Tensor;
  /** [] tau sqrt(D) */
  temperature: Tensor;
}

function attend({ image, contextTemperature, mask }: Inputs, { start, length }: Chunk): Attention {
  const temperature = contextTemperature.mul(Math.sqrt(image.size(1)));
  const logits = divideInPlace(image.narrow(0, start, length).mm(image.t()), temperature);
  const shown = mask ? logits.clone() : logits;
  if (mask) shown.narrow(1, start, length).diagonal().fill_(-Infinity);
  return { logits, shown, weights: shown.softmax(1), temperature };
}

/** x <- x / by. */
function divideInPlace(x: Tensor, by: Tensor): Tensor {
  return callInPlace(div_, x, by);
}

function forwardInChunks(inputs: Inputs, chunkSize: number): Context {
  const { image, rawImage } = inputs;
  const count = image.size(0);
  return scope(() => {
    const context = rawImage.clone();
    const rows = rawImage.narrow(1, 0, 1).squeeze(1).clone();
    for (const chunk of chunksOf(count, chunkSize)) {
      scope(() => {
        const { logits, shown, weights } = attend(inputs, chunk);
        rows.narrow(0, chunk.start, chunk.length).copy_(entropies(shown, logits, weights));
        context.narrow(0, chunk.start, chunk.length).copy_(weights.mm(rawImage));
      });
    }
    return { context, entropy: rows.mean() };
  });
}

/**
 * With P the weights, G the gradient of C = P V and A = X X^T / T the logits:
 *
 *     dV = P^T G,   dA = P * (G V^T - rowsum(G * C)),   dT = -sum(dA * A) / T,
 *     dX = (dA X + dA^T X) / T, the first term from the queries, the second from the keys.
 */
function backwardInChunks(
  inputs: Inputs,
  { output, upstream }: { output: Tensor; upstream: Tensor },
  chunkSize: number,
): (Tensor | null)[] {
  const { image, rawImage, contextTemperature, stopGradient } = inputs;
  const gradImage = image.clone().zero_();
  const gradValues = stopGradient === "values" ? null : rawImage.clone().zero_();
  const gradTemperature = contextTemperature.clone().zero_();
  for (const chunk of chunksOf(image.size(0), chunkSize)) {
    scope(() => {
      const rowsOf = (x: Tensor): Tensor => x.narrow(0, chunk.start, chunk.length);
      const { logits, shown, weights, temperature } = attend(inputs, chunk);
      // Matrices of [length, N] are the largest there are: each goes as soon as it was used.
      if (shown !== logits) shown.dispose();
      const gradient = rowsOf(upstream);
      if (gradValues) scope(() => void gradValues.add_(weights.t().mm(gradient)));
      const mean = gradient.mul(rowsOf(output)).sum(1, true);
      const gradLogits = gradient.mm(rawImage.t()).add_(mean, -1).mul_(weights);
      weights.dispose();
      gradTemperature.add_(logits.mul_(gradLogits).sum());
      logits.dispose();
      gradLogits.mul_(temperature.pow(-1));
      scope(() => void rowsOf(gradImage).add_(gradLogits.mm(image)));
      if (stopGradient !== "keys") gradImage.add_(gradLogits.t().mm(rowsOf(image)));
    });
  }
  // T = tau sqrt(D), so dL/dtau = sqrt(D) dL/dT = -sum(dA * A) / tau.
  gradTemperature.mul_(contextTemperature.pow(-1)).mul_(-1);
  return [gradImage, gradValues, gradTemperature];
}

const div_ = operator("div_", "Tensor");
