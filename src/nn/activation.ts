/** Activations by the names that model configurations use. */
import type { Tensor } from "../torch/index.ts";

export const activationNames = ["quickGelu", "gelu", "geluTanh"] as const;

export type Activation = (typeof activationNames)[number];
/** Those of configurations, and those that architectures fix. */
export type AnyActivation = Activation | "relu" | "silu" | "sigmoid";

/** The factor inside quickGelu's sigmoid. */
export const QUICK_GELU = 1.702;

/** GELU as x sigmoid(1.702 x) (OpenAI's CLIP), exact, or by the tanh approximation (SigLIP); others. */
export function activate(x: Tensor, activation: AnyActivation): Tensor {
  switch (activation) {
    case "quickGelu":
      // x sigmoid(a x) = silu(a x) / a: one fused kernel instead of two, in both directions.
      return x
        .mul(QUICK_GELU)
        .silu()
        .mul(1 / QUICK_GELU);
    case "gelu":
      return x.gelu("none");
    case "geluTanh":
      return x.gelu("tanh");
    case "relu":
      return x.relu();
    case "silu":
      return x.silu();
    case "sigmoid":
      return x.sigmoid();
  }
}
