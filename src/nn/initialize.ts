/** Initial values of parameters, from the default generator of their device. */
import { empty, noGrad, ones, scope, type Shape, type Tensor, zeros } from "../torch/index.ts";
import { Parameter } from "./module.ts";

/** N(0, std^2). */
export function normal(shape: Shape, std: number): Parameter {
  return new Parameter(drawn(() => empty(shape).normal_(0, std)));
}

/** U(-bound, bound). */
export function uniform(shape: Shape, bound: number): Parameter {
  return new Parameter(drawn(() => empty(shape).uniform_(-bound, bound)));
}

export function zerosParameter(shape: Shape): Parameter {
  return new Parameter(zeros(shape));
}

export function onesParameter(shape: Shape): Parameter {
  return new Parameter(ones(shape));
}

/** libtorch's default for linear and convolution weights: U(-1/sqrt(fanIn), 1/sqrt(fanIn)). */
export function fanInUniform(shape: Shape, fanIn: number): Parameter {
  return uniform(shape, 1 / Math.sqrt(fanIn));
}

/** Xavier: U(-a, a) with a = sqrt(6 / (fanIn + fanOut)), of a matrix [fanOut, fanIn]. */
export function xavierUniform([fanOut, fanIn]: readonly [number, number]): Parameter {
  return uniform([fanOut, fanIn], Math.sqrt(6 / (fanIn + fanOut)));
}

/** Refills a parameter with N(0, std^2). */
export function refillNormal(parameter: Parameter, std: number): void {
  scope(() => void drawn(() => parameter.tensor.normal_(0, std)));
}

/** One handle on the result: another one would keep the memory of a disposed parameter. */
function drawn(make: () => Tensor): Tensor {
  return scope(() => noGrad(make));
}
