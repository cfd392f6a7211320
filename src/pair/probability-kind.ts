/** How a pair's logits become probabilities. Knows the configuration alone. */
import type { DualEncoderConfig } from "./dual-encoder.ts";

/**
 * `softmax`: the labels share a probability of 1; they are taken for all that there can be (CLIP,
 * arXiv:2103.00020, section 3.1.2). `sigmoid`: each label has its own, whatever the others are
 * (SigLIP, arXiv:2303.15343, section 3.2).
 */
export type ProbabilityKind = "softmax" | "sigmoid";

/** What the model's loss made its logits mean: a bias was learned for the sigmoid loss only. */
export function probabilityKind({
  logitBiasInit,
}: Pick<DualEncoderConfig, "logitBiasInit">): ProbabilityKind {
  return logitBiasInit === undefined ? "softmax" : "sigmoid";
}
