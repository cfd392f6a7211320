/**
 * Initial weights as big_vision's flax modules draw them (google-research/big_vision, models/vit.py):
 * Xavier-uniform attention and perceptrons, LeCun-normal convolutions and heads, zero biases.
 */
import type { Linear } from "../nn/layers.ts";
import { refill, refillNormal, refillXavier, zerosParameter } from "../nn/initialize.ts";
import type { Mlp } from "../nn/mlp.ts";
import type { MultiHeadAttention } from "../nn/attention.ts";
import type { Parameter } from "../nn/module.ts";
import { call, operator } from "../torch/index.ts";

/** CLIP's own initial weights (openai/CLIP), or those of SigLIP and LiT. */
export type Initialization = "clip" | "bigVision";

/** A normal cut at two deviations, rescaled to variance 1 / fanIn. */
export function refillLecun(parameter: Parameter, fanIn: number): void {
  refillTruncatedNormal(parameter, fanIn ** -0.5 / deviationCutAtTwo);
}

/** N(0, std^2) before it is cut at two deviations. */
export function refillTruncatedNormal(parameter: Parameter, std: number): void {
  refill(parameter, (tensor) => {
    // The inverse of the distribution at uniform numbers between the two ends.
    tensor.uniform_(-errorAtTwo, errorAtTwo);
    return tensor.copy_(call(erfinv, tensor).mul(Math.SQRT2 * std));
  });
}

export function refillZeros(parameter: Parameter | null): void {
  if (parameter) refill(parameter, (tensor) => tensor.zero_());
}

/** A head: LeCun-normal weights, no bias at first. */
export function initializeHead({ weight, bias }: Linear): void {
  refillLecun(weight, weight.tensor.size(1));
  refillZeros(bias);
}

/** flax draws q, k, v and the output as four matrices [W, W]. */
export function initializeAttention({ input, output }: MultiHeadAttention): void {
  const width = output.weight.tensor.size(0);
  refillUniform(input.weight, Math.sqrt(3 / width));
  refillXavier(output.weight);
  refillZeros(input.bias);
  refillZeros(output.bias);
}

export function initializeMlp({ up, down }: Mlp): void {
  for (const { weight, bias } of [up, down]) {
    refillXavier(weight);
    if (bias) refillNormal(bias, 1e-6);
  }
}

/** The learned query of SigLIP's attention pooling, [1, 1, W], Xavier-uniform as a matrix [1, W]. */
export function probe(width: number): Parameter {
  const parameter = zerosParameter([1, 1, width]);
  refillUniform(parameter, Math.sqrt(6 / (1 + width)));
  return parameter;
}

function refillUniform(parameter: Parameter, bound: number): void {
  refill(parameter, (tensor) => tensor.uniform_(-bound, bound));
}

const erfinv = operator("erfinv");
/** erf(sqrt(2)): the share of a normal distribution within two deviations. */
const errorAtTwo = 0.9544997361036416;
/** The deviation of a standard normal cut at two deviations. */
const deviationCutAtTwo = 0.8796256610342398;
