/** Operators that take parameters beside their input: the ones that layers are made of. */
import { hasOperator, operator } from "./operators.ts";
import { call, callMany, type Tensor } from "./tensor.ts";

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

/** Running statistics [C], updated in place where `training`. */
export interface BatchNormOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** null: the batch's own statistics normalise, and nothing is updated. */
  running?: { mean: Tensor; variance: Tensor } | null;
  training: boolean;
  /** Share of the batch's statistics that an update takes. */
  momentum: number;
  epsilon: number;
  /** Negative results become 0. */
  relu?: boolean;
}

/** Normalises each channel over all else.  x [N, C, ...], weight and bias [C]. */
export function batchNorm(x: Tensor, options: BatchNormOptions): Tensor {
  const { weight = null, bias = null, running = null, training, momentum, epsilon } = options;
  const { relu = false } = options;
  const { mean, variance } = running ?? { mean: null, variance: null };
  if (training && fitsOwnBatchNorm(x, weight, bias)) {
    return call(ownBatchNormOp, x, weight, bias, mean, variance, momentum, epsilon, relu);
  }
  const y = call(batchNormOp, x, weight, bias, mean, variance, training, momentum, epsilon, true);
  return relu ? y.relu() : y;
}

/** The addon's operator is for training on pictures on the CPU. */
function fitsOwnBatchNorm(x: Tensor, weight: Tensor | null, bias: Tensor | null): boolean {
  if (x.device !== "cpu" || x.rank !== 4 || x.count <= x.size(1)) return false;
  if (x.dtype !== "float32" && x.dtype !== "bfloat16") return false;
  return weight?.dtype === "float32" && bias?.dtype === "float32";
}

/** Normalises each of `groups` groups of channels by itself.  x [N, C, ...], weight and bias [C]. */
export function groupNorm(
  x: Tensor,
  groups: number,
  affine: { weight: Tensor; bias: Tensor } | null,
  epsilon = 1e-5,
): Tensor {
  return call(groupNormOp, x, groups, affine?.weight ?? null, affine?.bias ?? null, epsilon, true);
}

export interface PoolingOptions {
  /** The kernel's side when absent. */
  stride?: number;
  padding?: number;
}

/** c10::MemoryFormat::ChannelsLast */
const CHANNELS_LAST = 2;

/**
 * The same numbers with the channels of each place side by side in memory, which convolutions on a CPU
 * are faster with; what is computed from it stays laid out so.  x [N, C, H, W] -> the same shape
 */
export function channelsLast(x: Tensor): Tensor {
  return call(contiguousOp, x, CHANNELS_LAST);
}

/** Means of k x k windows.  x [N, C, H, W] */
export function avgPool2d(x: Tensor, kernel: number, options: PoolingOptions = {}): Tensor {
  return call(avgPoolOp, x, ...window(kernel, options));
}

/** Largest values of k x k windows; padding never wins.  x [N, C, H, W] */
export function maxPool2d(x: Tensor, kernel: number, options: PoolingOptions = {}): Tensor {
  return call(maxPoolOp, x, ...window(kernel, options));
}

function window(kernel: number, { stride = kernel, padding = 0 }: PoolingOptions): number[][] {
  return [
    [kernel, kernel],
    [stride, stride],
    [padding, padding],
  ];
}

export interface Margins {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Adds margins of `value` in pixels.  x [..., H, W] -> [..., top + H + bottom, left + W + right] */
export function pad2d(x: Tensor, { left, right, top, bottom }: Margins, value = 0): Tensor {
  return call(padOp, x, [left, right, top, bottom], value);
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
 * q, k, v   [N, heads, T, hd]
 * causal    position t attends to positions up to t
 * mask      bool, broadcast to [N, heads, T, T], true where attention may look; not with causal
 */
export function fusedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { causal = false, mask = null }: { causal?: boolean; mask?: Tensor | null },
): Tensor {
  return call(attentionOp, q, k, v, mask, 0, causal);
}

/** Values in order along `dim`, and the indices they came from. */
export function sort(x: Tensor, dim = -1, descending = false): [Tensor, Tensor] {
  return callMany(sortOp, x, dim, descending) as [Tensor, Tensor];
}

const linearOp = operator("linear");
const layerNormOp = operator("layer_norm");
const conv2dOp = operator("conv2d");
const batchNormOp = operator("batch_norm");
const ownBatchNormOp = operator("limn::batch_norm");
const groupNormOp = operator("group_norm");
const contiguousOp = operator("contiguous");
const avgPoolOp = operator("avg_pool2d");
const maxPoolOp = operator("max_pool2d");
const padOp = operator("constant_pad_nd");
const embeddingOp = operator("embedding");
const dropoutOp = operator("dropout");
const crossEntropyOp = operator("cross_entropy_loss");
const attentionOp = operator("scaled_dot_product_attention");
const sortOp = operator("sort");
