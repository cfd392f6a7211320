/** Group norm: statistics of each sample by itself, so that batch and mode make no difference. */
import { groupNorm, type Tensor } from "../torch/index.ts";
import { onesParameter, zerosParameter } from "./initialize.ts";
import { Module, type Parameter } from "./module.ts";

/** Normalises groups of channels over positions, then scales and shifts: Wu & He, arXiv:1803.08494. */
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
