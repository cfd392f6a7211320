/** Operators that take parameters beside their input: the ones that layers are made of. */
import { call, callMany, hasOperator, operator } from "./operators.ts";
import type { Tensor } from "./tensor.ts";

/** y = x weight^T + bias.  x [..., in], weight [out, in], bias [out]. */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return call(linearOp, x, weight, bias);
}

/** Normalises over the last dimension.  x [..., W], weight and bias [W]. */
export function layerNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  epsilon = 1e-5,
): Tensor {
  return call(layerNormOp, x, [x.size(-1)], weight, bias, epsilon);
}

export interface ConvolutionOptions {
  stride?: number;
  padding?: number;
  groups?: number;
}

/** x [N, C, H, W], weight [O, C / groups, kH, kW], bias [O]; returns [N, O, H', W']. */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  { stride = 1, padding = 0, groups = 1 }: ConvolutionOptions = {},
): Tensor {
  return call(conv2dOp, x, weight, bias, [stride, stride], [padding, padding], [1, 1], groups);
}

/** Rows of weight [V, W] at ids [...]; returns [..., W]. */
export function embedding(weight: Tensor, ids: Tensor): Tensor {
  return call(embeddingOp, weight, ids);
}

/** Zeroes each element with `probability` and scales the others by 1 / (1 - probability). */
export function dropout(x: Tensor, probability: number, training: boolean): Tensor {
  return call(dropoutOp, x, probability, training);
}

/** The mean over rows of -log softmax(logits)[target].  logits [N, M], targets int64 [N]. */
export function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  return call(crossEntropyOp, logits, targets);
}

/** True where this libtorch has the fused attention operator. */
export function hasFusedAttention(): boolean {
  return hasOperator(attentionOp);
}

/**
 * The fused softmax(q k^T / sqrt(hd)) v.
 *
 * q, k, v   [N, heads, T, hd]        causal   position t attends to positions up to t
 */
export function fusedAttention(q: Tensor, k: Tensor, v: Tensor, causal: boolean): Tensor {
  return call(attentionOp, q, k, v, null, 0, causal);
}

/** Values in order along `dim`, and the indices they came from. */
export function sort(x: Tensor, dim = -1, descending = false): [Tensor, Tensor] {
  return callMany(sortOp, x, dim, descending) as [Tensor, Tensor];
}

const linearOp = operator("linear");
const layerNormOp = operator("layer_norm");
const conv2dOp = operator("conv2d");
const embeddingOp = operator("embedding");
const dropoutOp = operator("dropout");
const crossEntropyOp = operator("cross_entropy_loss");
const attentionOp = operator("scaled_dot_product_attention");
const sortOp = operator("sort");
