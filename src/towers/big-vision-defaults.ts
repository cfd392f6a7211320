/**
 * What big_vision's towers share (google-research/big_vision, models/vit.py): sizes by letter, and
 * initial weights as its flax modules draw them: Xavier-uniform attention and perceptrons, LeCun-normal
 * convolutions and heads, zero biases.
 */
import type { Linear, Mlp } from "../nn/layers.ts";
import { refill, refillNormal, refillXavier, zerosParameter } from "../nn/initialize.ts";
import type { MultiHeadAttention } from "../nn/attention.ts";
import type { Parameter } from "../nn/module.ts";
import { call, operator } from "../torch/index.ts";

/** CLIP's own initial weights (openai/CLIP), or those of SigLIP and LiT. */
export const initializations = ["clip", "bigVision"] as const;

/** Width, depth, width of the perceptron, heads: big_vision's `decode_variant`. */
const letters = {
  Ti: [192, 12, 768, 3],
  S: [384, 12, 1536, 6],
  B: [768, 12, 3072, 12],
  L: [1024, 24, 4096, 16],
  So400m: [1152, 27, 4304, 16],
  H: [1280, 32, 5120, 16],
  g: [1408, 40, 6144, 16],
  "g-opt": [1536, 40, 6144, 16],
} as const;

export type Letter = keyof typeof letters;

interface Layers {
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
}

/** The layers of a size. */
export function layersOf(letter: Letter): Layers {
  const [width, depth, mlpWidth, heads] = letters[letter];
  return { width, depth, heads, mlpWidth };
}

/** What every transformer that big_vision trained has. */
export const bigVisionLayers = { activation: "geluTanh", normEpsilon: 1e-6 } as const;

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
