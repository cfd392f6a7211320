/**
 * A matrix product with weights that were laid out once, and what follows it in the same operator:
 * oneDNN's, where libtorch offers them; composed of plain ones elsewhere.
 */
import { hasOperator, operator } from "../torch/operators.ts";
import { call, linear, scope, type DType, type Tensor } from "../torch/index.ts";
import { callInPlace, callMany } from "../torch/tensor.ts";
import { activate, type AnyActivation } from "./activation.ts";

/** What follows a product or a convolution: activation(y + onto). */
export interface After {
  /** Of the result's shape. */
  onto?: Tensor | undefined;
  activation?: AnyActivation | undefined;
}

/** x [..., in] -> [..., out] */
export type PreparedProduct = (x: Tensor, after?: After) => Tensor;

/** activation(y + onto), by operators of their own. */
export function finish(y: Tensor, { onto, activation }: After): Tensor {
  const sum = onto ? onto.add(y) : y;
  return activation ? activate(sum, activation) : sum;
}

const pack = operator("mkldnn::_reorder_linear_weight");
const pointwise = operator("mkldnn::_linear_pointwise");
const pointwiseSum = operator("mkldnn::_linear_pointwise", "binary");

/** Whether libtorch offers oneDNN's own layout of weights. */
export function hasPackedProducts(): boolean {
  return [pack, pointwise, pointwiseSum].every(hasOperator);
}

/**
 * Rows that the layout is chosen for. That of many rows is the better one for few rows too: of 1 to
 * 1600 rows, no other was faster by more than the noise.
 */
const ROWS = 512;

/** oneDNN's names of what it computes in the product's own operator. */
const fused: Partial<Record<AnyActivation, readonly [attribute: string, algorithm: string]>> = {
  relu: ["relu", ""],
  silu: ["swish", ""],
  sigmoid: ["sigmoid", ""],
  gelu: ["gelu", "none"],
  geluTanh: ["gelu", "tanh"],
};

const nothing = ["none", ""] as const;

/** oneDNN's attribute and algorithm for an activation, or undefined for one that it does not have. */
export function fusedForm(
  activation: AnyActivation | undefined,
): readonly [attribute: string, algorithm: string] | undefined {
  return activation === undefined ? nothing : fused[activation];
}

/**
 * weight   [out, in] and bias [out], of `dtype`
 * hold     keeps a tensor for as long as the product is used
 */
export function floatProduct(
  weight: Tensor,
  bias: Tensor | null,
  hold: (tensor: Tensor) => Tensor,
): PreparedProduct {
  const { dtype } = weight;
  const heldBias = bias && hold(bias);
  if (weight.device !== "cpu" || !hasPackedProducts()) {
    const held = hold(weight);
    return (x, after = {}) => finish(linear(x.to(dtype), held, heldBias), after);
  }
  const packed = hold(call(pack, weight, ROWS));
  return (x, after = {}) => packedProduct(x.to(dtype), { packed, bias: heldBias, dtype }, after);
}

interface Packed {
  packed: Tensor;
  bias: Tensor | null;
  dtype: DType;
}

function packedProduct(x: Tensor, { packed, bias, dtype }: Packed, after: After): Tensor {
  const { onto, activation } = after;
  const form = fusedForm(activation);
  if (onto === undefined) {
    const [attribute, algorithm] = form ?? nothing;
    const y = call(pointwise, x, packed, bias, attribute, [], algorithm);
    return form ? y : finish(y, { activation });
  }
  if (onto.dtype !== dtype) {
    return finish(call(pointwise, x, packed, bias, "none", [], ""), after);
  }
  const sum = call(pointwiseSum, x, onto.contiguous(), packed, bias, "add");
  return finish(sum, { activation });
}

const packQuantized = operator("onednn::qlinear_prepack");
const quantizedPointwise = operator("onednn::qlinear_pointwise");
const quantizeRows = operator("limn::quantize_rows");
const rescaleRows = operator("limn::rescale_rows_");
const rounded = operator("round");

/** Whether libtorch offers oneDNN's products of 8-bit integers. */
export function hasQuantizedProducts(): boolean {
  return [packQuantized, quantizedPointwise, quantizeRows, rescaleRows].every(hasOperator);
}

/** libtorch's number for float32, in which the sums come. */
const FLOAT32 = 6;

/**
 * Products of 8-bit integers:
 *
 *     y_ro = s_r (sum_i q_ri w_oi t_o - z_r sum_i w_oi t_o) + b_o
 *
 * with weights w in [-127, 127] and a scale t_o for each output, and inputs q in [0, 255] with a scale
 * s_r and a zero point z_r for each row, from its own least and greatest value. A row's outputs
 * therefore do not depend on what else is in its batch.
 *
 * weight   float32 [out, in], bias float32 [out]
 */
export function quantizedProduct(
  weight: Tensor,
  bias: Tensor | null,
  hold: (tensor: Tensor) => Tensor,
): PreparedProduct {
  return scope(() => {
    const scales = weight
      .abs()
      .amax(1)
      .mul(1 / 127)
      .clamp(1e-12);
    const levels = call(rounded, weight.div(scales.unsqueeze(1)));
    const held: Quantized = {
      packed: hold(call(packQuantized, levels.to("int8"), [ROWS, weight.size(1)])),
      scales: hold(scales),
      zeroPoints: hold(scales.mul(0).to("int8")),
      sums: hold(levels.sum(1).mul(scales)),
      bias: bias && hold(bias),
    };
    return (x, after = {}) => multiplied(x, held, after);
  });
}

interface Quantized {
  packed: Tensor;
  scales: Tensor;
  zeroPoints: Tensor;
  /** The weights of each output, added. */
  sums: Tensor;
  bias: Tensor | null;
}

function multiplied(x: Tensor, weights: Quantized, { onto, activation }: After): Tensor {
  const { packed, scales, zeroPoints, sums, bias } = weights;
  return scope(() => {
    const [levels, rowScales, zeros] = callMany(quantizeRows, x.to("float32"));
    const y = call(
      quantizedPointwise,
      ...[levels, 1, 0, packed, scales, zeroPoints, null],
      ...[1, 0, FLOAT32, "none", [], ""],
    );
    const float = onto && onto.to("float32");
    callInPlace(rescaleRows, y, rowScales, zeros, sums, bias, float ?? null);
    return activation ? activate(y, activation) : y;
  });
}
