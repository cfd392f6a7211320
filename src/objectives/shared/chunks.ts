/**
 * What the chunked objectives share: value and gradient in closed form, over chunks of rows of the
 * logits, with memory linear in the batch. Knows no loss.
 */
import {
  callInPlace,
  customGradient,
  gradEnabled,
  operator,
  scope,
  type Tensor,
} from "../../torch/index.ts";

/** The option of every loss that has a form with memory linear in the batch. */
export interface ChunkOptions {
  /** Rows of the logits held at a time; whole N x N matrices when absent. */
  chunkSize?: number | undefined;
}

/** Rows `start` to `start + length` of the logits. */
export interface Chunk {
  start: number;
  length: number;
}

export function chunksOf(count: number, chunkSize: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let start = 0; start < count; start += chunkSize) {
    chunks.push({ start, length: Math.min(chunkSize, count - start) });
  }
  return chunks;
}

interface ValueAndGradients {
  /** [] */
  loss: Tensor;
  /** One for each input; null where it is not needed. */
  gradients: (Tensor | null)[];
}

/**
 * A loss whose gradients are computed with its value and held until the backward pass. Usable once:
 * a second backward throws. Nothing is held where no gradient is recorded.
 *
 * compute   runs without a graph; `needs[i]` says whether the gradient of input i is wanted
 */
export function closedForm(
  inputs: readonly Tensor[],
  compute: (needs: boolean[]) => ValueAndGradients,
): Tensor {
  const recording = gradEnabled();
  const needs = inputs.map((input) => recording && input.requiresGrad);
  let gradients: (Tensor | null)[] = [];
  const [loss] = customGradient(
    inputs,
    () =>
      scope(() => {
        const found = compute(needs);
        gradients = found.gradients.map((gradient) => gradient?.keep() ?? null);
        return [found.loss];
      }),
    ([upstream]) => gradients.map((gradient) => passOn(gradient, upstream ?? null)),
  );
  return loss as Tensor;
}

/** In place, as a second [N, D] would be the largest thing alive; the handle ends with the scope. */
function passOn(gradient: Tensor | null, upstream: Tensor | null): Tensor | null {
  if (gradient === null) return null;
  const passed = upstream === null ? null : gradient.mul_(upstream).detach();
  gradient.dispose();
  return passed;
}

/** logits = logitScale * image @ text^T + logitBias. */
export interface LogitInputs {
  /** [N, D] unit rows */
  image: Tensor;
  text: Tensor;
  /** [] */
  logitScale: Tensor;
  logitBias?: Tensor | null;
}

/** [length, N]: a chunk of the logits' rows, in memory of its own. */
export function logitsOf(inputs: LogitInputs, { start, length }: Chunk): Tensor {
  const { image, text, logitScale, logitBias } = inputs;
  const logits = image.narrow(0, start, length).mul(logitScale).mm(text.t());
  return logitBias ? logits.add_(logitBias) : logits;
}

/** Which gradients to compute. */
interface LogitNeeds {
  image: boolean;
  text: boolean;
  logitScale: boolean;
  logitBias?: boolean;
}

/**
 * The gradients of image, text, logitScale and logitBias from those of the logits, G: dI = s G T,
 * dT = s G^T I, ds = sum(G * I T^T) = sum(G T * I), db = sum(G); chunk by chunk.
 *
 * gradientOf   [length, N] G of a chunk times `factor`^-1; may overwrite the logits that it is given
 */
export function pullBack(
  inputs: LogitInputs,
  needs: LogitNeeds,
  { chunkSize, factor }: { chunkSize: number; factor: number },
  gradientOf: (logits: Tensor, chunk: Chunk) => Tensor,
): (Tensor | null)[] {
  const { image, text, logitScale } = inputs;
  const zeros = (like: Tensor, on: boolean): Tensor | null =>
    on ? like.detach().clone().zero_() : null;
  const gradImage = zeros(image, needs.image);
  const gradText = zeros(text, needs.text);
  const gradScale = zeros(logitScale, needs.logitScale);
  const gradBias = inputs.logitBias ? zeros(inputs.logitBias, needs.logitBias ?? false) : null;
  for (const chunk of chunksOf(image.size(0), chunkSize)) {
    scope(() => {
      const part = image.narrow(0, chunk.start, chunk.length);
      const gradient = gradientOf(logitsOf(inputs, chunk), chunk);
      if (gradImage || gradScale) {
        const rows = gradient.mm(text);
        gradScale?.add_(rows.mul(part).sum());
        gradImage?.narrow(0, chunk.start, chunk.length).copy_(rows);
      }
      if (gradText) callInPlace(addmm_, gradText, gradient.t(), part);
      gradBias?.add_(gradient.sum());
    });
  }
  const scale = logitScale.mul(factor);
  gradImage?.mul_(scale);
  gradText?.mul_(scale);
  gradScale?.mul_(factor);
  gradBias?.mul_(factor);
  return [gradImage, gradText, gradScale, gradBias];
}

/** x <- e^x. */
export function expInPlace(x: Tensor): Tensor {
  return callInPlace(exp_, x);
}

/** x <- x + a * b. */
export function addProductInPlace(x: Tensor, a: Tensor, b: Tensor): Tensor {
  return callInPlace(addcmul_, x, a, b);
}

/** x <- 1 / (1 + e^-x). */
export function sigmoidInPlace(x: Tensor): Tensor {
  return callInPlace(sigmoid_, x);
}

/** The entries of the pairs themselves, [length]: a view into a chunk of logits. */
export function ownPairs(logits: Tensor, { start, length }: Chunk): Tensor {
  return logits.narrow(1, start, length).diagonal();
}

const addmm_ = operator("addmm_");
const exp_ = operator("exp_");
const addcmul_ = operator("addcmul_");
const sigmoid_ = operator("sigmoid_");
