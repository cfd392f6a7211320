/** The layers with parameters that towers are made of. Inputs are borrowed; results are new. */
import { conv2d, embedding, groupNorm, layerNorm, linear, type Tensor } from "../torch/index.ts";
import { activate, type Activation } from "./activation.ts";
import { fanInUniform, normal, onesParameter, zerosParameter } from "./initialize.ts";
import type { LowRank } from "./low-rank.ts";
import { Module, type Parameter } from "./module.ts";

/** y = x weight^T + bias.  weight [out, in], bias [out]; initialised as torch.nn.Linear. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  /** A low-rank change of the weight. */
  change: LowRank | null = null;

  constructor(inputs: number, outputs: number, { bias = true }: { bias?: boolean } = {}) {
    super();
    this.weight = fanInUniform([outputs, inputs], inputs);
    this.bias = bias ? fanInUniform([outputs], inputs) : null;
  }

  /** x [..., in] -> [..., out] */
  forward(x: Tensor): Tensor {
    const y = linear(x, this.weight.tensor, this.bias?.tensor ?? null);
    return this.change ? y.add(this.change.forward(x)) : y;
  }
}

/** Normalises the last dimension to mean 0 and variance 1, then scales and shifts it. */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly epsilon: number;

  constructor(width: number, epsilon = 1e-5) {
    super();
    this.weight = onesParameter([width]);
    this.bias = zerosParameter([width]);
    this.epsilon = epsilon;
  }

  /** x [..., W] -> [..., W], of the parameters' type: under autocast float32, on every device */
  forward(x: Tensor): Tensor {
    const { tensor } = this.weight;
    const input = x.dtype === tensor.dtype ? x : x.to(tensor.dtype);
    return layerNorm(input, tensor, this.bias.tensor, this.epsilon);
  }
}

/**
 * Normalises groups of channels over positions, then scales and shifts: Wu & He, arXiv:1803.08494. Its
 * statistics are of each sample by itself, so that batch and mode make no difference.
 */
export class GroupNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly groups: number;
  readonly epsilon: number;

  /** Throws RangeError unless `groups` divides `channels`. */
  constructor(channels: number, groups: number, epsilon = 1e-5) {
    super();
    if (!(groups >= 1) || channels % groups !== 0) {
      throw new RangeError(
        `Expected groups to divide ${channels} channels but received ${groups}; ` +
          "choose another number",
      );
    }
    this.weight = onesParameter([channels]);
    this.bias = zerosParameter([channels]);
    this.groups = groups;
    this.epsilon = epsilon;
  }

  /** x [N, C, H, W] -> the same shape, in the parameters' type: not every libtorch mixes two. */
  forward(x: Tensor): Tensor {
    const affine = { weight: this.weight.tensor, bias: this.bias.tensor };
    return groupNorm(x.to(affine.weight.dtype), this.groups, affine, this.epsilon);
  }
}

/** A table of vectors.  weight [V, W], N(0, std^2). */
export class Embedding extends Module {
  readonly weight: Parameter;

  constructor(count: number, width: number, std = 1) {
    super();
    this.weight = normal([count, width], std);
  }

  /** ids int [...] -> [..., W] */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight.tensor, ids);
  }
}

export interface Conv2dOptions {
  kernel: number;
  stride?: number;
  padding?: number;
  groups?: number;
  bias?: boolean;
}

/** A 2-d convolution.  weight [out, in / groups, k, k], bias [out]; initialised as torch.nn.Conv2d. */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;

  constructor(inputs: number, outputs: number, options: Conv2dOptions) {
    super();
    const { kernel, stride = 1, padding = 0, groups = 1, bias = true } = options;
    const fanIn = (inputs / groups) * kernel * kernel;
    this.weight = fanInUniform([outputs, inputs / groups, kernel, kernel], fanIn);
    this.bias = bias ? fanInUniform([outputs], fanIn) : null;
    this.stride = stride;
    this.padding = padding;
    this.groups = groups;
  }

  /** x [N, C, H, W] -> [N, O, H', W'] */
  forward(x: Tensor): Tensor {
    const { stride, padding, groups } = this;
    return conv2d(x, this.weight.tensor, this.bias?.tensor ?? null, { stride, padding, groups });
  }
}

/** The two-layer perceptron of a transformer block. */
export class Mlp extends Module {
  readonly up: Linear;
  readonly down: Linear;
  readonly activation: Activation;

  constructor(width: number, hidden: number, activation: Activation) {
    super();
    this.up = new Linear(width, hidden);
    this.down = new Linear(hidden, width);
    this.activation = activation;
  }

  /** x [..., W] -> [..., W] */
  forward(x: Tensor): Tensor {
    return this.down.forward(activate(this.up.forward(x), this.activation));
  }
}
