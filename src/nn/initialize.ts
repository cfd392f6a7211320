/** Initial values of parameters, from the default generator of their device. */
import { empty, noGrad, scope, type Device, type Shape, type Tensor } from "../torch/index.ts";
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

let valued = true;

/**
 * Runs `body`, which makes modules whose parameters are written over at once: their memory is
 * reserved, not filled, and no random number is drawn.
 */
export function withoutInitialValues<T>(body: () => T): T {
  const before = valued;
  valued = false;
  try {
    return body();
  } finally {
    valued = before;
  }
}

/** Changes a parameter's initial values in place; leaves them where none are wanted. */
export function refill({ tensor }: Parameter, change: (tensor: Tensor) => Tensor): void {
  if (valued) scope(() => void noGrad(() => change(tensor)));
}

/** N(0, std^2). */
export function normal(shape: Shape, std: number): Parameter {
  return new Parameter(filled(shape, (tensor) => tensor.normal_(0, std)));
}

/** U(-bound, bound). */
export function uniform(shape: Shape, bound: number): Parameter {
  return new Parameter(filled(shape, (tensor) => tensor.uniform_(-bound, bound)));
}

export function zerosParameter(shape: Shape): Parameter {
  return new Parameter(filled(shape, (tensor) => tensor.zero_()));
}

export function onesParameter(shape: Shape): Parameter {
  return new Parameter(filled(shape, (tensor) => tensor.fill_(1)));
}

export function stateZeros(shape: Shape): Buffer {
  return new Buffer(filled(shape, (tensor) => tensor.zero_()));
}

export function stateOnes(shape: Shape): Buffer {
  return new Buffer(filled(shape, (tensor) => tensor.fill_(1)));
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
  refill(parameter, (tensor) => tensor.normal_(0, std));
}

/** Refills a matrix [fanOut, fanIn] with U(-a, a), a = sqrt(6 / (fanIn + fanOut)). */
export function refillXavier(parameter: Parameter): void {
  const { tensor } = parameter;
  const bound = Math.sqrt(6 / (tensor.size(0) + tensor.size(1)));
  refill(parameter, () => tensor.uniform_(-bound, bound));
}

/** One handle on the result: another one would keep the memory of a disposed parameter. */
function filled(shape: Shape, fill: (tensor: Tensor) => Tensor): Tensor {
  return scope(() =>
    noGrad(() => (valued ? fill(empty(shape, { device })) : empty(shape, { device }))),
  );
}
