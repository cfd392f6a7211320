/**
 * LIxP: a contrastive objective beside the same one on images seen through the others of their batch.
 * Knows no model, rank or recipe.
 */
import { noGrad, scope, type Tensor } from "../../torch/index.ts";
import { softmaxContrastive } from "../clip.ts";
import type { ChunkOptions } from "../shared/chunks.ts";
import { checkPairs } from "../shared/pairs.ts";
import { sigmoidContrastive } from "../siglip.ts";
import { contextAttention, type ContextAttentionOptions } from "./context-attention.ts";

export interface LixpBaseOptions extends ChunkOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm. */
  logitScale: Tensor;
  /** [] added to the logits; null where there is none. */
  logitBias: Tensor | null;
}

/** A contrastive loss of [N, D] images and texts with unit rows: [] nats. */
export type LixpBase = (image: Tensor, text: Tensor, options: LixpBaseOptions) => Tensor;

export interface LixpOptions extends ContextAttentionOptions {
  /** `softmax` makes CLIxP, `sigmoid` SigLIxP; or any loss of the same form. */
  base: "softmax" | "sigmoid" | LixpBase;
  /** The weight of the plain loss, in (0, 1]; 0.9 when absent. 1 leaves the context out. */
  alpha?: number;
  /** [] tau_1, of the plain images. */
  logitScale: Tensor;
  /** [] of the plain images; null where the base has none. */
  logitBias?: Tensor | null;
  /** [] tau_2, of the images in context; may be `logitScale` itself. */
  contextLogitScale: Tensor;
  /** [] of the images in context; `logitBias` when absent. */
  contextLogitBias?: Tensor | null;
  /** Whether the context is brought to length 1; true when absent. */
  renormalize?: boolean;
}

export interface LixpLoss {
  /** [] in the graph of the inputs. */
  loss: Tensor;
  /** [] its parts, without a graph; the context's are null for alpha = 1. */
  baseLoss: Tensor;
  contextLoss: Tensor | null;
  /** [] see `Context` */
  attentionEntropy: Tensor | null;
}

/**
 * Context-aware language-image pretraining.
 *
 *     L = alpha base(X, T, tau_1) + (1 - alpha) base(X_ctx, T, tau_2)
 *     x_ctx_i = unit( sum_{k != i} softmax_k( x_i . x_k / (tau_ctx sqrt(D)) ) v_k )
 *                                                      LIxP, arXiv:2411.15099 (CVPR 2025)
 *
 * Gradient flows through queries, keys and values. The three temperatures are positive; tau_1 and
 * tau_2 multiply similarities, tau_ctx divides them.
 *
 * image, text   [N, D] float, unit rows
 * rawImage      [N, D] float: v, the image embeddings before they are brought to length 1
 * memory        linear in the batch with chunkSize; then usable once: a second backward throws
 * ownership     borrows all inputs; the results belong to the caller's scope
 * throws        ShapeError if shapes differ; RangeError for alpha outside (0, 1], fewer than two
 *               pairs with mask, chunkSize < 1
 */
export function lixp(
  image: Tensor,
  rawImage: Tensor,
  text: Tensor,
  options: LixpOptions,
): LixpLoss {
  checkPairs(image, text);
  const { alpha = 0.9, logitScale, logitBias = null, contextLogitScale } = options;
  if (!(alpha > 0 && alpha <= 1)) {
    throw new RangeError(
      `Expected a number above 0 and up to 1 for alpha but received ${alpha}; 1 is the plain objective`,
    );
  }
  const base = baseOf(options.base);
  const { chunkSize } = options;
  const plain = base(image, text, { logitScale, logitBias, chunkSize });
  if (alpha === 1) {
    return { loss: plain, baseLoss: plain.detach(), contextLoss: null, attentionEntropy: null };
  }
  return scope(() => {
    const { context, entropy } = contextAttention(image, rawImage, options);
    const rows = options.renormalize === false ? context : unit(context);
    const inContext = base(rows, text, {
      logitScale: contextLogitScale,
      logitBias: options.contextLogitBias === undefined ? logitBias : options.contextLogitBias,
      chunkSize,
    });
    return {
      loss: plain.mul(alpha).add(inContext.mul(1 - alpha)),
      baseLoss: noGrad(() => plain.detach()),
      contextLoss: noGrad(() => inContext.detach()),
      attentionEntropy: entropy,
    };
  });
}

function baseOf(base: LixpOptions["base"]): LixpBase {
  if (typeof base === "function") return base;
  return base === "softmax" ? softmaxBase : sigmoidContrastive;
}

/** A bias changes nothing in a softmax, and is left out. */
function softmaxBase(
  image: Tensor,
  text: Tensor,
  { logitBias: _, ...options }: LixpBaseOptions,
): Tensor {
  return softmaxContrastive(image, text, options);
}

/** Rows of length 1; a row of zeros stays one. */
function unit(rows: Tensor): Tensor {
  return rows.div(rows.norm([1], true).clamp(1e-12));
}
