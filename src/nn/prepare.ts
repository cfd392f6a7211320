/** A model made ready for inference: each weight laid out once for the operators that use it. */
import { noGrad, scope, type Device, type DType, type Tensor } from "../torch/index.ts";
import type { BatchNorm2d } from "./batch-norm.ts";
import { mergeLowRank } from "./low-rank.ts";
import type { Buffer, Module, Parameter } from "./module.ts";
import { availability, checkPrecision, type Precision } from "./precision.ts";
import {
  floatConvolution,
  foldNorm,
  type ConvolutionShape,
  type PreparedConvolution,
} from "./prepared-convolution.ts";
import { floatProduct, quantizedProduct, type PreparedProduct } from "./prepared-product.ts";

/** A weight [out, in] and a bias [out], by what they are multiplied. */
export interface Affine {
  weight: Tensor;
  bias: Tensor | null;
}

/** What layers ask for when their turn comes. Tensors that are given are used up. */
export interface Preparation {
  readonly precision: Precision;
  /** The type of weights and activations. */
  readonly dtype: DType;
  /** The leaf in that type, where it is one of floats. */
  cast(leaf: Parameter | Buffer): void;
  /** `many`: of many rows for each picture, which int8 is for. */
  product(affine: Affine, options?: { many?: boolean }): PreparedProduct;
  /** norm(convolution(x)); the norm's numbers are used up too. */
  convolution(
    affine: Affine,
    shape: ConvolutionShape,
    norm?: BatchNorm2d | null,
  ): PreparedConvolution;
}

/**
 * Prepares a module that will only compute: its low-rank changes are added to their weights, weights
 * are laid out for their operators, norms behind convolutions are folded into them, and what comes
 * after a product is computed with it. The module then gives the same outputs faster, to the rounding
 * of the precision, and cannot be trained, saved or moved to another device. Weights are not held
 * twice.
 *
 * throws  RangeError for a precision that this processor, device or libtorch has not; TypeError for a
 *         module that is prepared already
 */
export function prepareForInference(module: Module, precision: Precision = "float32"): void {
  const { device } = module;
  checkPrecision(precision, device);
  mergeLowRank(module);
  const held: Tensor[] = [];
  const preparation = preparationOf(precision, (tensor) => {
    held.push(tensor.keep());
    return tensor;
  });
  const parts = [...module.modules()];
  module.train(false);
  try {
    for (const part of parts) scope(() => noGrad(() => part.prepare(preparation)));
    for (const leaf of module.parameters()) if (!leaf.taken) leaf.tensor.setRequiresGrad(false);
  } finally {
    module.markPrepared(precision, held);
  }
}

/** What texts are computed in beside pictures of a precision: too few rows at a time for int8. */
export function textPrecision(precision: Precision, device: Device): Precision {
  if (precision !== "int8") return precision;
  return availability("bfloat16", device).has ? "bfloat16" : "float32";
}

function preparationOf(precision: Precision, hold: (tensor: Tensor) => Tensor): Preparation {
  const dtype = precision === "bfloat16" ? "bfloat16" : "float32";
  const used = <T>({ weight, bias }: Affine, make: (affine: Affine) => T): T => {
    const affine = { weight: weight.to(dtype), bias: bias && bias.to(dtype) };
    for (const tensor of [weight, bias]) tensor?.dispose();
    return make(affine);
  };
  return {
    precision,
    dtype,
    cast(leaf) {
      if (!leaf.taken && leaf.tensor.dtype === "float32" && dtype !== "float32") {
        leaf.tensor.setData(leaf.tensor.detach().to(dtype));
      }
    },
    product: (affine, { many = false } = {}) =>
      used(affine, ({ weight, bias }) =>
        precision === "int8" && many
          ? quantizedProduct(weight, bias, hold)
          : floatProduct(weight, bias, hold),
      ),
    convolution: (affine, shape, norm = null) =>
      used(norm === null ? affine : folded(affine, norm), ({ weight, bias }) =>
        floatConvolution(weight, bias, shape, hold),
      ),
  };
}

function folded({ weight, bias }: Affine, norm: BatchNorm2d): Affine {
  if (bias !== null) throw new TypeError("internal: a bias before a batch norm");
  const made = foldNorm(weight, norm);
  weight.dispose();
  for (const leaf of [norm.weight, norm.bias, norm.runningMean, norm.runningVariance]) {
    leaf.take().dispose();
  }
  return made;
}
