/**
 * A convolution with weights that were laid out once and the batch norm behind it in them, and what
 * follows it in the same operator: oneDNN's, where libtorch offers them; plain ones elsewhere.
 */
import { hasOperator, operator } from "../torch/operators.ts";
import { call, channelsLast, conv2d, scope, type Tensor } from "../torch/index.ts";
import type { BatchNorm2d } from "./batch-norm.ts";
import { finish, fusedForm, type After } from "./prepared-product.ts";

/** x [N, C, H, W] -> [N, O, H', W'] */
export type PreparedConvolution = (x: Tensor, after?: After) => Tensor;

export interface ConvolutionShape {
  stride: number;
  padding: number;
  groups: number;
}

const pack = operator("mkldnn::_reorder_convolution_weight");
const pointwise = operator("mkldnn::_convolution_pointwise");
const pointwiseSum = operator("mkldnn::_convolution_pointwise", "binary");

function hasPackedConvolutions(): boolean {
  return [pack, pointwise, pointwiseSum].every(hasOperator);
}

/**
 * norm(convolution(x)) as one convolution, in evaluation mode:
 *
 *     w' = w g,  b' = shift - mean g,  g = scale / sqrt(variance + epsilon), of each output
 *
 * weight   [O, C / groups, k, k]
 */
export function foldNorm(weight: Tensor, norm: BatchNorm2d): { weight: Tensor; bias: Tensor } {
  return scope(() => {
    const mean = norm.runningMean.tensor;
    const deviation = norm.runningVariance.tensor.add(norm.epsilon).sqrt();
    const gain = norm.weight.tensor.detach().div(deviation);
    return {
      weight: weight.mul(gain.view(-1, 1, 1, 1)),
      bias: norm.bias.tensor.detach().sub(mean.mul(gain)),
    };
  });
}

/**
 * weight   [O, C / groups, k, k] and bias [O] of one type
 * hold     keeps a tensor for as long as the convolution is used
 */
export function floatConvolution(
  weight: Tensor,
  bias: Tensor | null,
  { stride, padding, groups }: ConvolutionShape,
  hold: (tensor: Tensor) => Tensor,
): PreparedConvolution {
  const { dtype } = weight;
  const heldBias = bias && hold(bias);
  if (weight.device !== "cpu" || !hasPackedConvolutions()) {
    const held = hold(weight);
    const shape = { stride, padding, groups };
    return (x, after = {}) => finish(conv2d(x.to(dtype), held, heldBias, shape), after);
  }
  const sides = [[padding, padding], [stride, stride], [1, 1], groups] as const;
  const packed = hold(call(pack, weight, ...sides, null));
  return (x, { onto, activation } = {}) => {
    const input = channelsLast(x.to(dtype));
    const operands = [packed, heldBias, ...sides] as const;
    const form = fusedForm(activation);
    const [attribute, algorithm] = form ?? ["none", ""];
    if (onto === undefined) {
      const y = call(pointwise, input, ...operands, attribute, [], algorithm);
      return form ? y : finish(y, { activation });
    }
    if (onto.dtype !== dtype || form === undefined) {
      return finish(call(pointwise, input, ...operands, "none", [], ""), { onto, activation });
    }
    const other = channelsLast(onto);
    const then = attribute === "none" ? null : attribute;
    return call(pointwiseSum, input, other, ...operands, "add", 1, then, [], then && algorithm);
  };
}
