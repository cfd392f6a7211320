/** Initial values of parameters, from the default generator of their device. */
import {
  empty,
  noGrad,
  ones,
  scope,
  type Device,
  type Shape,
  type Tensor,
  zeros,
} from "../torch/index.ts";
import { Buffer, Parameter } from "./module.ts";

let device: Device = "cpu";

/**
 * Runs `body`, which makes modules, so that their parameters are made on `device`. On "meta" they
 * have shapes but neither memory nor values, which is enough to count them.
 */
export function initializeOn<T>(on: Device, body: () => T): T {
  const before = device;
  device = on;
  try {
    return body();
  } finally {
    device = before;
  }
}

/** N(0, std^2). */
export function normal(shape: Shape, std: number): Parameter {
  return new Parameter(drawn(() => empty(shape, { device }).normal_(0, std)));
}

/** U(-bound, bound). */
export function uniform(shape: Shape, bound: number): Parameter {
  return new Parameter(drawn(() => empty(shape, { device }).uniform_(-bound, bound)));
}

export function zerosParameter(shape: Shape): Parameter {
  return new Parameter(zeros(shape, { device }));
}

export function onesParameter(shape: Shape): Parameter {
  return new Parameter(ones(shape, { device }));
}

export function stateZeros(shape: Shape): Buffer {
  return new Buffer(zeros(shape, { device }));
}

export function stateOnes(shape: Shape): Buffer {
  return new Buffer(ones(shape, { device }));
}

/** libtorch's default for linear and convolution weights: U(-1/sqrt(fanIn), 1/sqrt(fanIn)). */
export function fanInUniform(shape: Shape, fanIn: number): Parameter {
  return uniform(shape, 1 / Math.sqrt(fanIn));
}

/** N(0, 2 / fanOut), for what a ReLU follows: He et al., arXiv:1502.01852, eq. 14. */
export function fanOutNormal(shape: Shape, fanOut: number): Parameter {
  return normal(shape, Math.sqrt(2 / fanOut));
}

/** Xavier: U(-a, a) with a = sqrt(6 / (fanIn + fanOut)), of a matrix [fanOut, fanIn]. */
export function xavierUniform([fanOut, fanIn]: readonly [number, number]): Parameter {
  return uniform([fanOut, fanIn], Math.sqrt(6 / (fanIn + fanOut)));
}

/** Refills a parameter with N(0, std^2). */
export function refillNormal(parameter: Parameter, std: number): void {
  scope(() => void drawn(() => parameter.tensor.normal_(0, std)));
}

/** Refills a matrix [fanOut, fanIn] with U(-a, a), a = sqrt(6 / (fanIn + fanOut)). */
export function refillXavier({ tensor }: Parameter): void {
  const bound = Math.sqrt(6 / (tensor.size(0) + tensor.size(1)));
  scope(() => void drawn(() => tensor.uniform_(-bound, bound)));
}

/** One handle on the result: another one would keep the memory of a disposed parameter. */
function drawn(make: () => Tensor): Tensor {
  return scope(() => noGrad(make));
}
