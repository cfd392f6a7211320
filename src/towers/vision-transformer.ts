/** CLIP's image tower: a ViT with a class token, norms before and after its blocks, and a projection. */
import { ShapeError } from "../errors.ts";
import { LayerNorm, Linear } from "../nn/layers.ts";
import { normal, refillNormal, uniform } from "../nn/initialize.ts";
import type { Activation } from "../nn/activation.ts";
import { Module, type Parameter } from "../nn/module.ts";
import { depthProbabilities, patchDropout } from "../nn/regularize.ts";
import { Block, runPooled, type RunOptions } from "../nn/transformer.ts";
import { cat, linear, type Tensor } from "../torch/index.ts";

export interface VisionTransformerConfig {
  /** Side of the square input in pixels. */
  imageSize: number;
  /** Side of a patch in pixels; divides imageSize. */
  patchSize: number;
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
  /** Share of patches dropped in training (FLIP). */
  patchDropout?: number;
  /** Probability that a sample skips a branch of the last block; it rises to it from 0 in a line. */
  stochasticDepth?: number;
}

class PatchEmbedding extends Module {
  readonly weight: Parameter;

  constructor(width: number, patchSize: number) {
    super();
    const bound = 1 / Math.sqrt(3 * patchSize * patchSize);
    this.weight = uniform([width, 3, patchSize, patchSize], bound);
  }

  /** pixels [N, 3, S, S] -> [N, P, W], patches row by row: the convolution as one matrix product. */
  forward(pixels: Tensor): Tensor {
    const weight = this.weight.tensor;
    const [n, size, p] = [pixels.size(0), pixels.size(2), weight.size(2)];
    const side = size / p;
    const patches = pixels.reshape(n, 3, side, p, side, p).permute(0, 2, 4, 1, 3, 5);
    return linear(patches.reshape(n, side * side, 3 * p * p), weight.view(weight.size(0), -1));
  }
}

export class VisionTransformer extends Module {
  readonly patchEmbedding: PatchEmbedding;
  readonly classEmbedding: Parameter;
  readonly positionEmbedding: Parameter;
  readonly normBefore: LayerNorm;
  readonly blocks: Block[];
  readonly normAfter: LayerNorm;
  readonly projection: Linear;
  readonly config: VisionTransformerConfig;
  readonly run: RunOptions = { checkpointing: false };

  /** Initialised as openai/CLIP does: width^-0.5 normal embeddings and projection, torch defaults inside. */
  constructor(config: VisionTransformerConfig, embedDim: number) {
    super();
    const { imageSize, patchSize, width, depth, normEpsilon } = config;
    if (imageSize % patchSize !== 0) {
      throw new RangeError(
        `Expected patchSize to divide imageSize ${imageSize} but received ${patchSize}; ` +
          "choose an image size that is a multiple of the patch",
      );
    }
    const patchCount = (imageSize / patchSize) ** 2;
    const std = width ** -0.5;
    this.config = config;
    this.patchEmbedding = new PatchEmbedding(width, patchSize);
    this.classEmbedding = normal([width], std);
    this.positionEmbedding = normal([patchCount + 1, width], std);
    this.normBefore = new LayerNorm(width, normEpsilon);
    this.blocks = depthProbabilities(config.stochasticDepth ?? 0, depth).map(
      (probability) => new Block({ ...config, stochasticDepth: probability }),
    );
    this.normAfter = new LayerNorm(width, normEpsilon);
    this.projection = new Linear(width, embedDim, { bias: false });
    refillNormal(this.projection.weight, std);
  }

  /**
   * pixels float [N, 3, S, S], normalised -> imageFeatures [N, W], before the projection.
   *
   * throws  ShapeError for pictures of another size
   */
  features(pixels: Tensor): Tensor {
    const { imageSize: side } = this.config;
    if (pixels.shape.length !== 4 || pixels.shape.slice(1).join() !== `3,${side},${side}`) {
      throw new ShapeError(
        `Expected pixels [N, 3, ${side}, ${side}] for imageTower but received ` +
          `[${pixels.shape.join(", ")}]; resize the pictures to ${side} x ${side}`,
      );
    }
    const patches = this.patchEmbedding.forward(pixels);
    const [n, width] = [patches.size(0), patches.size(2)];
    const classToken = this.classEmbedding.tensor.to(patches.dtype).expand(n, 1, width);
    const tokens = cat([classToken, patches], 1).add(this.positionEmbedding.tensor);
    const kept = patchDropout(tokens, this.config.patchDropout ?? 0, this.training);
    return this.normAfter.forward(
      runPooled(this.blocks, this.normBefore.forward(kept), null, this.run),
    );
  }

  /** pixels float [N, 3, S, S], normalised -> [N, D], not yet unit rows. */
  forward(pixels: Tensor): Tensor {
    return this.projection.forward(this.features(pixels));
  }
}
