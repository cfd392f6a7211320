/** The layers with parameters that towers are made of. Inputs are borrowed; results are new. */
import { conv2d, embedding, groupNorm, layerNorm, linear, type Tensor } from "../torch/index.ts";
import { QUICK_GELU, type Activation } from "./activation.ts";
import type { BatchNorm2d } from "./batch-norm.ts";
import { fanInUniform, normal, onesParameter, zerosParameter } from "./initialize.ts";
import type { LowRank } from "./low-rank.ts";
import { Module, type Parameter } from "./module.ts";
import type { Preparation } from "./prepare.ts";
import type { PreparedConvolution } from "./prepared-convolution.ts";
import { finish, type After, type PreparedProduct } from "./prepared-product.ts";

/** y = x weight^T + bias.  weight [out, in], bias [out]; initialised as torch.nn.Linear. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  /** A low-rank change of the weight. */
  change: LowRank | null = null;
  #prepared: PreparedProduct | null = null;

  constructor(inputs: number, outputs: number, { bias = true }: { bias?: boolean } = {}) {
    super();
    this.weight = fanInUniform([outputs, inputs], inputs);
    this.bias = bias ? fanInUniform([outputs], inputs) : null;
  }

  /** x [..., in] -> [..., out], with what follows it. */
  forward(x: Tensor, after: After = {}): Tensor {
    if (this.#prepared) return this.#prepared(x, after);
    const y = linear(x, this.weight.tensor, this.bias?.tensor ?? null);
    return finish(this.change ? y.add(this.change.forward(x)) : y, after);
  }

  /** As a product whose inputs come, and whose outputs leave, multiplied by a factor. */
  override prepare(preparation: Preparation, options: LinearPreparation = {}): void {
    if (this.#prepared) return;
    const { inputs = 1, outputs = 1, many = false } = options;
    const [weight, bias] = [this.weight.take(), this.bias?.take() ?? null];
    if (inputs !== 1 || outputs !== 1) weight.mul_(outputs / inputs);
    if (outputs !== 1) bias?.mul_(outputs);
    this.#prepared = preparation.product({ weight, bias }, { many });
  }
}

interface LinearPreparation {
  inputs?: number;
  outputs?: number;
  many?: boolean;
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
  #prepared: PreparedConvolution | null = null;

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

  /** x [N, C, H, W] -> [N, O, H', W'], with the norm behind it, if any, and what follows that. */
  forward(x: Tensor, { norm, ...after }: After & { norm?: BatchNorm2d } = {}): Tensor {
    if (this.#prepared) return this.#prepared(x, after);
    const { stride, padding, groups } = this;
    const bias = this.bias?.tensor ?? null;
    const y = conv2d(x, this.weight.tensor, bias, { stride, padding, groups });
    if (norm === undefined) return finish(y, after);
    const { onto, activation } = after;
    if (activation === "relu" && onto === undefined) return norm.rectified(y);
    return finish(norm.forward(y), after);
  }

  /** With the norm that always follows it. */
  override prepare(preparation: Preparation, norm: BatchNorm2d | null = null): void {
    if (this.#prepared) return;
    const affine = { weight: this.weight.take(), bias: this.bias?.take() ?? null };
    this.#prepared = preparation.convolution(affine, this, norm);
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

  /** x [..., W] -> [..., W], with what follows it. */
  forward(x: Tensor, after: After = {}): Tensor {
    const scaled = this.preparedAs !== null && this.activation === "quickGelu";
    const hidden = this.up.forward(x, { activation: scaled ? "silu" : this.activation });
    return this.down.forward(hidden, after);
  }

  /** x sigmoid(a x) = silu(a x) / a: both factors go into the weights. */
  override prepare(preparation: Preparation): void {
    const factor = this.activation === "quickGelu" ? QUICK_GELU : 1;
    this.up.prepare(preparation, { outputs: factor, many: true });
    this.down.prepare(preparation, { inputs: factor, many: true });
  }
}
