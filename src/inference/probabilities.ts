/** Similarities to logits and probabilities, as the model was trained to mean them. */
import { softmax } from "../arrays/similarities.ts";
import { scope } from "../torch/index.ts";
import type { DualEncoder } from "../pair/dual-encoder.ts";
import type { ProbabilityKind } from "../pair/probability-kind.ts";

/** logits = scale x similarities + bias */
export interface LogitTerms {
  readonly scale: number;
  /** 0 where the model has none. */
  readonly bias: number;
}

/** throws  RangeError for another word */
export function checkProbabilityKind(value: unknown): ProbabilityKind {
  if (value === "softmax" || value === "sigmoid") return value;
  throw new RangeError(
    `Expected "softmax" or "sigmoid" for probabilities but received ${JSON.stringify(value)}`,
  );
}

export function logitTerms(model: DualEncoder): LogitTerms {
  return scope(() => ({
    scale: model.logitScale().item(),
    bias: model.logitBias?.tensor.item() ?? 0,
  }));
}

export function logitsOf(similarities: Float32Array, { scale, bias }: LogitTerms): Float32Array {
  return similarities.map((similarity) => scale * similarity + bias);
}

/** logits [N, M] -> probabilities [N, M], softmax over each row of M or sigmoid of each. */
export function probabilitiesOf(
  logits: Float32Array,
  columns: number,
  kind: ProbabilityKind,
): Float32Array {
  if (kind === "sigmoid") return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  const out = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += columns) {
    out.set(softmax(logits.subarray(start, start + columns)), start);
  }
  return out;
}
