/**
 * A matrix product with weights that were laid out once, and what follows it in the same operator:
 * oneDNN's, where libtorch offers them; composed of plain ones elsewhere.
 */
import { hasOperator, invoke, operator } from "../torch/operators.ts";
import { call, cat, linear, scope, type DType, type Tensor } from "../torch/index.ts";
import { adopt } from "../torch/tensor.ts";
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
const quantize = operator("limn::quantize");
const rounded = operator("round");

/** Whether libtorch offers oneDNN's products of 8-bit integers. */
export function hasQuantizedProducts(): boolean {
  return [packQuantized, quantizedPointwise, quantize].every(hasOperator);
}

/** libtorch's number for float32, in which the sums come. */
const FLOAT32 = 6;

/**
 * Products of 8-bit integers:
 *
 *     y_o = s t_o sum_i (q_i - z) w_oi + b_o
 *
 * with weights w in [-127, 127] and a scale t_o for each output, and inputs q in [0, 255] with one
 * scale s and zero point z for all of a sample, from its own least and greatest value. A sample's
 * outputs therefore do not depend on what else is in its batch.
 *
 * weight   float32 [out, in], bias float32 [out]
 */
export function quantizedProduct(
  weight: Tensor,
  bias: Tensor | null,
  hold: (tensor: Tensor) => Tensor,
): PreparedProduct {
  const scales = scope(() =>
    weight
      .abs()
      .amax(1)
      .mul(1 / 127)
      .clamp(1e-12),
  );
  const levels = scope(() => call(rounded, weight.div(scales.unsqueeze(1))).to("int8"));
  const packed = hold(call(packQuantized, levels, [ROWS, weight.size(1)]));
  levels.dispose();
  const zeroPoints = hold(scope(() => scales.mul(0).to("int8")));
  const held = { packed, scales: hold(scales), zeroPoints, bias: bias && hold(bias) };
  return (x, after = {}) => {
    if (x.rank < 2 || x.size(0) === 1) return quantizedSample(x, held, after);
    return scope(() => {
      const { onto } = after;
      const rows = Array.from({ length: x.size(0) }, (_, i) =>
        quantizedSample(x.narrow(0, i, 1), held, { ...after, onto: onto?.narrow(0, i, 1) }),
      );
      return cat(rows);
    });
  };
}

interface Quantized {
  packed: Tensor;
  scales: Tensor;
  zeroPoints: Tensor;
  bias: Tensor | null;
}

function quantizedSample(x: Tensor, weights: Quantized, { onto, activation }: After): Tensor {
  const { packed, scales, zeroPoints, bias } = weights;
  const form = onto === undefined ? fusedForm(activation) : undefined;
  const [attribute, algorithm] = form ?? nothing;
  return scope(() => {
    const { levels, scale, zero } = quantized(x.to("float32"));
    const y = call(
      quantizedPointwise,
      ...[levels, scale, zero, packed, scales, zeroPoints, bias],
      ...[1, 0, FLOAT32, attribute, [], algorithm],
    );
    return form ? y : finish(y, { onto, activation });
  });
}

interface Levels {
  /** uint8, of x's shape */
  levels: Tensor;
  scale: number;
  zero: number;
}

/** x float32 as scale (levels - zero), from its least and greatest value; 0 is met exactly. */
function quantized(x: Tensor): Levels {
  const [levels, scale, zero] = invoke(quantize, [x]) as [number, Value, Value];
  return { levels: adopt(levels), scale: scale.value, zero: zero.value };
}

interface Value {
  value: number;
}
