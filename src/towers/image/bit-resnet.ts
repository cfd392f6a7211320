/** BiT's ResNets: pre-activation, group norm, and convolutions whose weights are standardised. */
import { z } from "zod";

import { recomputed } from "../../nn/batch-norm.ts";
import { fanOutNormal, refillNormal } from "../../nn/initialize.ts";
import { GroupNorm, Linear } from "../../nn/layers.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import type { Preparation } from "../../nn/prepare.ts";
import type { PreparedConvolution } from "../../nn/prepared-convolution.ts";
import { finish, type After } from "../../nn/prepared-product.ts";
import { depthProbabilities, stochasticDepth as skipSamples } from "../../nn/regularize.ts";
import type { RunOptions } from "../../nn/transformer.ts";
import { batchNorm, conv2d, maxPool2d, pad2d, type Tensor } from "../../torch/index.ts";
import { checkPixels, checkProbability, checkSizes } from "../check-config.ts";
import { count, given, imageSize, stageDepths, stochasticDepth } from "../recipe-fields.ts";
import { imageTowerKind, type ConfigOf } from "../tower-kind.ts";
import { type ImageTower, mapRows } from "../tower.ts";

const schema = z
  .strictObject({
    kind: z.literal("bitResNet"),
    imageSize,
    width: count.describe(
      "channels after the stem; the four stages give 4, 8, 16 and 32 times as many",
    ),
    depths: stageDepths,
    groups: count.describe("groups of the group norms; divides `width`"),
    stochasticDepth: stochasticDepth.describe(
      "probability that a sample skips the last bottleneck; it rises linearly from 0",
    ),
  })
  .describe("BiT's ResNet v2: group norm, standardised convolutions");

export type BitResNetConfig = ConfigOf<typeof schema>;

/** BiT's sizes by name: 224 pixels, as they were pretrained on ImageNet-21k. */
export const bitResNetSizes: Readonly<Record<string, () => BitResNetConfig>> = {
  "BiT-R50x1": () => sized([3, 4, 6, 3]),
  "BiT-R101x1": () => sized([3, 4, 23, 3]),
};

function sized(depths: BitResNetConfig["depths"]): BitResNetConfig {
  return { kind: "bitResNet", imageSize: 224, width: 64, depths, groups: 32 };
}

/** BiT's ResNet, declared. */
export const bitResNet = imageTowerKind({
  schema,
  sizes: bitResNetSizes,
  changes: ["stochasticDepth"],
  leadingPositions: () => 0,
  configure: (written) => given(written) as BitResNetConfig,
  create: (config: BitResNetConfig, embedDim) => new BitResNet(config, embedDim),
});

/**
 * BiT's ResNet v2: Kolesnikov et al., arXiv:1912.11370, as timm's `resnetv2_50x1_bit`; the features
 * are the mean over positions after the last norm and ReLU.
 *
 * Initialised as timm's: convolutions N(0, 2 / fanOut), norms 1 and 0; the projection
 * N(0, 1 / featureDim).
 */
export class BitResNet extends Module implements ImageTower {
  readonly stem: StandardizedConv2d;
  readonly stages: Stage[];
  readonly normAfter: GroupNorm;
  readonly projection: Linear | null;
  readonly config: BitResNetConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };
  readonly aboveBlocks = ["projection"];

  /** `embedDim` null: no projection. Throws RangeError for sizes that do not fit together. */
  constructor(config: BitResNetConfig, embedDim: number | null) {
    super();
    const { imageSize, width, depths, groups } = config;
    checkSizes({ imageSize, width, groups });
    for (const [i, depth] of depths.entries()) checkSizes({ [`depths[${i}]`]: depth });
    checkProbability("stochasticDepth", config.stochasticDepth ?? 0);
    this.config = config;
    this.featureDim = 32 * width;
    this.stem = new StandardizedConv2d(3, width, { kernel: 7, stride: 2 });
    const blockCount = depths.reduce((sum, depth) => sum + depth, 0);
    const skips = depthProbabilities(config.stochasticDepth ?? 0, blockCount);
    this.stages = depths.map((depth, i) => {
      const inputs = i === 0 ? width : width * 2 ** (i + 1);
      const stride = i === 0 ? 1 : 2;
      return new Stage(inputs, width * 2 ** i, { stride, groups, skips: skips.splice(0, depth) });
    });
    this.normAfter = new GroupNorm(this.featureDim, groups);
    this.projection =
      embedDim === null ? null : new Linear(this.featureDim, embedDim, { bias: false });
    if (this.projection) refillNormal(this.projection.weight, this.featureDim ** -0.5);
  }

  /**
   * pixels float [N, 3, S, S], normalised -> imageFeatures [N, 32 width], before the projection.
   *
   * throws  ShapeError for pictures of another size
   */
  features(pixels: Tensor): Tensor {
    // As a mean over the map: over its rows the gradient would be summed in another order.
    return this.#map(pixels).mean([2, 3]);
  }

  /** The last feature map as rows, pixels float [N, 3, S, S] -> [N, P, 32 width], row by row. */
  hidden(pixels: Tensor): Tensor {
    return mapRows(this.#map(pixels));
  }

  /** The features of rows that `hidden` gave: [N, P, W] -> [N, W]. */
  pool(hidden: Tensor): Tensor {
    return hidden.mean(1);
  }

  /** pixels [N, 3, S, S] -> [N, C, H, W], the last feature map */
  #map(pixels: Tensor): Tensor {
    checkPixels(pixels, this.config.imageSize);
    // Zeros, not maxPool2d's own padding, which never wins: BiT was trained with them.
    const margins = { left: 1, right: 1, top: 1, bottom: 1 };
    let x = maxPool2d(pad2d(this.stem.forward(pixels), margins), 3, { stride: 2 });
    for (const { blocks } of this.stages) {
      for (const block of blocks) {
        x = this.run.checkpointing ? recomputed(block, x) : block.forward(x);
      }
    }
    return this.normAfter.forward(x).relu();
  }

  /** pixels float [N, 3, S, S], normalised -> [N, D], not yet unit rows. */
  forward(pixels: Tensor): Tensor {
    const features = this.features(pixels);
    return this.projection?.forward(features) ?? features;
  }
}

/**
 * A convolution by (w - mean(w)) / sqrt(variance(w) + 1e-8), over each output channel's weights:
 * Qiao et al., arXiv:1903.10520. No bias; padding keeps the size at stride 1.
 */
class StandardizedConv2d extends Module {
  readonly weight: Parameter;
  readonly stride: number;
  readonly #padding: number;
  #prepared: PreparedConvolution | null = null;

  constructor(
    inputs: number,
    outputs: number,
    { kernel, stride = 1 }: { kernel: number; stride?: number },
  ) {
    super();
    this.weight = fanOutNormal([outputs, inputs, kernel, kernel], outputs * kernel * kernel);
    this.stride = stride;
    this.#padding = (kernel - 1) / 2;
  }

  forward(x: Tensor, after: After = {}): Tensor {
    if (this.#prepared) return this.#prepared(x, after);
    const options = { stride: this.stride, padding: this.#padding };
    return finish(conv2d(x, standardized(this.weight.tensor), null, options), after);
  }

  override prepare(preparation: Preparation): void {
    const weight = this.weight.take();
    const shape = { stride: this.stride, padding: this.#padding, groups: 1 };
    const affine = { weight: standardized(weight), bias: null };
    weight.dispose();
    this.#prepared = preparation.convolution(affine, shape);
  }
}

function standardized(weight: Tensor): Tensor {
  const rows = weight.reshape(1, weight.size(0), -1);
  const options = { training: true, momentum: 0, epsilon: 1e-8 };
  return batchNorm(rows, options).reshape(...weight.shape);
}

interface StageOptions {
  stride: number;
  groups: number;
  /** Probability of skipping each bottleneck; as many as there are. */
  skips: readonly number[];
}

class Stage extends Module {
  readonly blocks: PreActivationBottleneck[];

  constructor(inputs: number, planes: number, { stride, groups, skips }: StageOptions) {
    super();
    this.blocks = skips.map((skip, i) => {
      const first = i === 0;
      return new PreActivationBottleneck(first ? inputs : 4 * planes, planes, {
        stride: first ? stride : 1,
        shortcut: first,
        groups,
        skip,
      });
    });
  }
}

interface BottleneckOptions {
  stride: number;
  shortcut: boolean;
  groups: number;
  skip: number;
}

class PreActivationBottleneck extends Module {
  readonly norm1: GroupNorm;
  readonly conv1: StandardizedConv2d;
  readonly norm2: GroupNorm;
  readonly conv2: StandardizedConv2d;
  readonly norm3: GroupNorm;
  readonly conv3: StandardizedConv2d;
  readonly shortcut: StandardizedConv2d | null;
  readonly #skip: number;

  constructor(inputs: number, planes: number, options: BottleneckOptions) {
    super();
    const { stride, shortcut, groups, skip } = options;
    this.norm1 = new GroupNorm(inputs, groups);
    this.conv1 = new StandardizedConv2d(inputs, planes, { kernel: 1 });
    this.norm2 = new GroupNorm(planes, groups);
    this.conv2 = new StandardizedConv2d(planes, planes, { kernel: 3, stride });
    this.norm3 = new GroupNorm(planes, groups);
    this.conv3 = new StandardizedConv2d(planes, 4 * planes, { kernel: 1 });
    this.shortcut = shortcut
      ? new StandardizedConv2d(inputs, 4 * planes, { kernel: 1, stride })
      : null;
    this.#skip = skip;
  }

  /** x [N, C, H, W] -> [N, 4 planes, ceil(H / stride), ceil(W / stride)] */
  forward(x: Tensor): Tensor {
    const before = this.norm1.forward(x).relu();
    const first = this.norm2.forward(this.conv1.forward(before)).relu();
    const second = this.norm3.forward(this.conv2.forward(first)).relu();
    const around = this.shortcut?.forward(before) ?? x;
    if (!this.training) return this.conv3.forward(second, { onto: around });
    return skipSamples(this.conv3.forward(second), this.#skip, this.training).add(around);
  }
}
