/** Activations by the names that model configurations use. */
import type { Tensor } from "../torch/index.ts";

export const activationNames = ["quickGelu", "gelu", "geluTanh"] as const;

export type Activation = (typeof activationNames)[number];

/** GELU as x sigmoid(1.702 x) (OpenAI's CLIP), exact, or by the tanh approximation (SigLIP). */
export function activate(x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case "quickGelu":
      // x sigmoid(a x) = silu(a x) / a: one fused kernel instead of two, in both directions.
      return x
        .mul(1.702)
        .silu()
        .mul(1 / 1.702);
    case "gelu":
      return x.gelu("none");
    case "geluTanh":
      return x.gelu("tanh");
  }
}
