/**
 * One optimizer step's gradient: forward, objective, backward, in one pass or in micro-batches whose
 * gradient is exactly that of the whole batch. Knows no schedule, files or logs.
 */
import { contrastiveAccuracy, softmaxContrastive } from "../objectives/softmax-contrastive.ts";
import type { Clip } from "../models/clip.ts";
import {
  autocast,
  backward,
  cat,
  noGrad,
  randomState,
  scope,
  setRandomState,
  type Tensor,
} from "../torch/index.ts";
import type { ResolvedRecipe } from "./recipe.ts";

export interface StepInput {
  /** float32 [N, 3, S, S], normalised */
  pixels: Tensor;
  /** int [N, T] */
  tokens: Tensor;
}

export interface StepResult {
  /** Nats. */
  loss: number;
  contrastiveAccuracy: number;
}

export interface StepOptions {
  objective: ResolvedRecipe["objective"];
  precision: ResolvedRecipe["train"]["precision"];
  microBatchSize?: number | undefined;
}

interface Pair {
  image: Tensor;
  text: Tensor;
}

/** Accumulates the gradient of the batch's loss into the model's parameters. */
export function accumulateGradient(
  model: Clip,
  input: StepInput,
  options: StepOptions,
): StepResult {
  const size = input.pixels.size(0);
  const micro = options.microBatchSize ?? size;
  return scope(() =>
    micro >= size ? onePass(model, input, options) : microBatches(model, input, options, micro),
  );
}

function onePass(model: Clip, input: StepInput, options: StepOptions): StepResult {
  const pair = embed(model, input, options);
  const loss = objective(model, pair, options);
  const accuracy = contrastiveAccuracy(pair.image, pair.text);
  const value = loss.item();
  if (Number.isFinite(value)) backward(loss);
  return { loss: value, contrastiveAccuracy: accuracy };
}

/**
 * Embeddings first without a graph, the loss on all of them, then each micro-batch again with one,
 * seeded with its share of the embeddings' gradient (GradCache, arXiv:2101.06983). The logit scale
 * gets its gradient once, from the loss itself. Random layers repeat their numbers in the second pass.
 */
function microBatches(
  model: Clip,
  input: StepInput,
  options: StepOptions,
  size: number,
): StepResult {
  const parts = split(input, size);
  const device = input.pixels.device;
  const states: Tensor[] = [];
  const cached = parts.map((part) => {
    states.push(randomState(device));
    return noGrad(() => scope(() => embed(model, part, options)));
  });
  const after = randomState(device);
  const whole: Pair = {
    image: cat(cached.map(({ image }) => image)).setRequiresGrad(true),
    text: cat(cached.map(({ text }) => text)).setRequiresGrad(true),
  };
  const loss = objective(model, whole, options);
  const value = loss.item();
  const accuracy = contrastiveAccuracy(whole.image.detach(), whole.text.detach());
  if (!Number.isFinite(value)) return { loss: value, contrastiveAccuracy: accuracy };
  backward(loss);
  const gradients = [whole.image.grad, whole.text.grad] as [Tensor, Tensor];
  for (const [i, part] of parts.entries()) {
    scope(() => {
      setRandomState(states[i] as Tensor, device);
      const { image, text } = embed(model, part, options);
      const rows = image.size(0);
      backward(
        [image, text],
        gradients.map((gradient) => gradient.narrow(0, i * size, rows)),
      );
    });
  }
  setRandomState(after, device);
  return { loss: value, contrastiveAccuracy: accuracy };
}

function embed(model: Clip, { pixels, tokens }: StepInput, { precision }: StepOptions): Pair {
  return autocast(precision === "bfloat16" ? pixels.device : undefined, () => ({
    image: model.encodeImages(pixels),
    text: model.encodeTexts(tokens),
  }));
}

function objective(model: Clip, { image, text }: Pair, options: StepOptions): Tensor {
  const { chunkSize } = options.objective;
  const logitScale = model.logitScale();
  return softmaxContrastive(image, text, chunkSize ? { logitScale, chunkSize } : { logitScale });
}

function split({ pixels, tokens }: StepInput, size: number): StepInput[] {
  const texts = tokens.split(size);
  return pixels.split(size).map((part, i) => ({ pixels: part, tokens: texts[i] as Tensor }));
}
