/** MLP-Mixer: patches that mix by one perceptron across positions and one across channels. */
import { z } from "zod";

import { activationNames, type Activation } from "../../nn/activation.ts";
import { recomputed } from "../../nn/batch-norm.ts";
import { refillNormal, refillXavier } from "../../nn/initialize.ts";
import { Conv2d, LayerNorm, Linear, Mlp } from "../../nn/layers.ts";
import { Module } from "../../nn/module.ts";
import { depthProbabilities, stochasticDepth as skipSamples } from "../../nn/regularize.ts";
import type { RunOptions } from "../../nn/transformer.ts";
import { scope, type Tensor } from "../../torch/index.ts";
import { checkPixels, checkProbability, checkSizes } from "../check-config.ts";
import {
  activation,
  count,
  given,
  imageSize,
  normEpsilon,
  patchSize,
  stochasticDepth,
} from "../recipe-fields.ts";
import { imageTowerKind, type ConfigOf } from "../tower-kind.ts";
import type { ImageTower } from "../tower.ts";

const schema = z
  .strictObject({
    kind: z.literal("mixer"),
    imageSize,
    patchSize,
    width: count.describe("numbers per patch"),
    depth: count.describe("number of blocks"),
    tokenMlpWidth: count.describe("hidden width of the perceptron across positions"),
    channelMlpWidth: count.describe("hidden width of the perceptron across channels"),
    activation: activation.default("geluTanh"),
    normEpsilon: normEpsilon.default(1e-6),
    stochasticDepth,
  })
  .describe("MLP-Mixer");

export type MixerConfig = ConfigOf<typeof schema>;

/**
 * The paper's sizes by name (Table 1), 224 pixels. The original code's GELU is the tanh approximation;
 * timm's port computes the exact one.
 */
export const mixerSizes: Readonly<Record<string, () => MixerConfig>> = {
  "Mixer-S/32": () => sized(32, 512, 8),
  "Mixer-S/16": () => sized(16, 512, 8),
  "Mixer-B/32": () => sized(32, 768, 12),
  "Mixer-B/16": () => sized(16, 768, 12),
  "Mixer-L/16": () => sized(16, 1024, 24),
};

function sized(patchSize: number, width: number, depth: number): MixerConfig {
  return {
    kind: "mixer",
    imageSize: 224,
    patchSize,
    width,
    depth,
    tokenMlpWidth: width / 2,
    channelMlpWidth: 4 * width,
    activation: "geluTanh",
    normEpsilon: 1e-6,
  };
}

/** MLP-Mixer, declared. */
export const mixer = imageTowerKind({
  schema,
  sizes: mixerSizes,
  changes: ["stochasticDepth"],
  leadingPositions: () => 0,
  configure: (written) => given(written) as MixerConfig,
  create: (config: MixerConfig, embedDim) => new Mixer(config, embedDim),
});

/**
 * MLP-Mixer: Tolstikhin et al., arXiv:2105.01601; the features are the mean over positions after the
 * last norm.
 *
 * Initialised as timm's (which follows the original's ViT code): Xavier matrices, biases N(0, 1e-12),
 * patches N(0, 1 / fanIn); the projection N(0, 1 / width).
 */
export class Mixer extends Module implements ImageTower {
  readonly patchEmbedding: Conv2d;
  readonly blocks: MixerBlock[];
  readonly normAfter: LayerNorm;
  readonly projection: Linear | null;
  readonly config: MixerConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };
  readonly aboveBlocks = ["projection"];

  /** `embedDim` null: no projection. Throws RangeError for sizes that do not fit together. */
  constructor(config: MixerConfig, embedDim: number | null) {
    super();
    check(config);
    const { imageSize, patchSize, width, depth, normEpsilon } = config;
    this.config = config;
    this.featureDim = width;
    this.patchEmbedding = new Conv2d(3, width, { kernel: patchSize, stride: patchSize });
    refillNormal(this.patchEmbedding.weight, (3 * patchSize * patchSize) ** -0.5);
    scope(() => void this.patchEmbedding.bias?.tensor.detach().zero_());
    const patchCount = (imageSize / patchSize) ** 2;
    this.blocks = depthProbabilities(config.stochasticDepth ?? 0, depth).map(
      (probability) => new MixerBlock(config, patchCount, probability),
    );
    this.normAfter = new LayerNorm(width, normEpsilon);
    this.projection = embedDim === null ? null : new Linear(width, embedDim, { bias: false });
    if (this.projection) refillNormal(this.projection.weight, width ** -0.5);
  }

  /**
   * pixels float [N, 3, S, S], normalised -> imageFeatures [N, W], before the projection.
   *
   * throws  ShapeError for pictures of another size
   */
  features(pixels: Tensor): Tensor {
    return this.pool(this.hidden(pixels));
  }

  /** The last norm's output, pixels float [N, 3, S, S] -> [N, P, W], patches row by row. */
  hidden(pixels: Tensor): Tensor {
    checkPixels(pixels, this.config.imageSize);
    const patches = this.patchEmbedding.forward(pixels).flatten(2).transpose(1, 2);
    // What blocks add to stays in the parameters' type under autocast.
    let x = patches.to(this.normAfter.weight.tensor.dtype);
    for (const block of this.blocks) {
      x = this.run.checkpointing ? recomputed(block, x) : block.forward(x);
    }
    return this.normAfter.forward(x);
  }

  /** The features of rows that `hidden` gave: [N, P, W] -> [N, W]. */
  pool(hidden: Tensor): Tensor {
    return hidden.mean(1);
  }

  /** pixels float [N, 3, S, S], normalised -> [N, D], not yet unit rows. */
  forward(pixels: Tensor): Tensor {
    const features = this.features(pixels);
    return this.projection?.forward(features) ?? features;
  }
}

class MixerBlock extends Module {
  readonly norm1: LayerNorm;
  readonly tokenMlp: Mlp;
  readonly norm2: LayerNorm;
  readonly channelMlp: Mlp;
  readonly #skip: number;

  constructor(config: MixerConfig, patchCount: number, skip: number) {
    super();
    const { width, tokenMlpWidth, channelMlpWidth, activation, normEpsilon } = config;
    this.norm1 = new LayerNorm(width, normEpsilon);
    this.tokenMlp = mlp(patchCount, tokenMlpWidth, activation);
    this.norm2 = new LayerNorm(width, normEpsilon);
    this.channelMlp = mlp(width, channelMlpWidth, activation);
    this.#skip = skip;
  }

  /** x [N, P, W] -> [N, P, W] */
  forward(x: Tensor): Tensor {
    const across = this.tokenMlp.forward(this.norm1.forward(x).transpose(1, 2)).transpose(1, 2);
    const mixed = x.add(this.#branch(across));
    const normed = this.norm2.forward(mixed);
    if (!this.training) return this.channelMlp.forward(normed, { onto: mixed });
    return mixed.add(this.#branch(this.channelMlp.forward(normed)));
  }

  #branch(x: Tensor): Tensor {
    return skipSamples(x, this.#skip, this.training);
  }
}

function mlp(width: number, hidden: number, activation: Activation): Mlp {
  const made = new Mlp(width, hidden, activation);
  for (const { weight, bias } of [made.up, made.down]) {
    refillXavier(weight);
    if (bias) refillNormal(bias, 1e-6);
  }
  return made;
}

function check(config: MixerConfig): void {
  const { imageSize, patchSize, width, depth, tokenMlpWidth, channelMlpWidth } = config;
  checkSizes({ imageSize, patchSize, width, depth, tokenMlpWidth, channelMlpWidth });
  if (imageSize % patchSize !== 0) {
    throw new RangeError(
      `Expected patchSize to divide imageSize ${imageSize} but received ${patchSize}; ` +
        "choose an image size that is a multiple of the patch",
    );
  }
  checkProbability("stochasticDepth", config.stochasticDepth ?? 0);
  if (activationNames.includes(config.activation)) return;
  throw new RangeError(
    `Expected one of ${activationNames.join(", ")} for activation but received ${config.activation}`,
  );
}
