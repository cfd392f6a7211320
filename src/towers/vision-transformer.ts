/**
 * ViT image towers: CLIP's (class token, a norm before the blocks), SigLIP's (no class token, an
 * attention-pooling head) and AugReg's (class token, no norm before the blocks; LiT).
 */
import { LayerNorm, Linear } from "../nn/layers.ts";
import { normal, refillNormal, uniform } from "../nn/initialize.ts";
import type { Activation } from "../nn/activation.ts";
import { Module, type Parameter } from "../nn/module.ts";
import { depthProbabilities, patchDropout } from "../nn/regularize.ts";
import { Block, runAll, runPooled, type RunOptions } from "../nn/transformer.ts";
import { cat, linear, type Tensor } from "../torch/index.ts";
import { AttentionPooling } from "./attention-pooling.ts";
import {
  initializeAttention,
  initializeHead,
  initializeMlp,
  refillLecun,
  refillZeros,
  type Initialization,
} from "./initialize-big-vision.ts";
import { checkChoice, checkTransformer } from "./check-config.ts";
import { checkPixels, checkSizes } from "./pixel-shape.ts";
import type { ImageTower } from "./tower.ts";

export interface VisionTransformerConfig {
  kind: "vit";
  /** Side of the square input in pixels. */
  imageSize: number;
  /** Side of a patch in pixels; divides imageSize unless partial patches are dropped. */
  patchSize: number;
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
  /** A learned token before the patches. True when absent. */
  classToken?: boolean;
  /**
   * The features: the class token's output (CLIP, AugReg), an attention-pooling head over all tokens
   * (SigLIP's MAP), or the patches' mean. `class` when absent; it needs classToken.
   */
  pooling?: "class" | "map" | "mean";
  /** A norm before the blocks (CLIP). True when absent. */
  normBefore?: boolean;
  /**
   * Pixels at the right and the bottom that fill no patch are left out, as by a convolution without
   * padding (SigLIP So400m/14 at 384 pixels). False when absent.
   */
  dropsPartialPatches?: boolean;
  /** A bias of the patch convolution. False when absent. */
  patchBias?: boolean;
  /** A bias of the projection. False when absent. */
  projectionBias?: boolean;
  /** `clip` when absent. */
  initialization?: Initialization;
  /** Share of patches dropped in training (FLIP). */
  patchDropout?: number;
  /** Probability that a sample skips a branch of the last block; it rises to it from 0 in a line. */
  stochasticDepth?: number;
}

class PatchEmbedding extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(width: number, patchSize: number, bias: boolean) {
    super();
    const bound = 1 / Math.sqrt(3 * patchSize * patchSize);
    this.weight = uniform([width, 3, patchSize, patchSize], bound);
    this.bias = bias ? uniform([width], bound) : null;
  }

  /** pixels [N, 3, S, S] -> [N, P, W], patches row by row: the convolution as one matrix product. */
  forward(pixels: Tensor): Tensor {
    const weight = this.weight.tensor;
    const [n, size, p] = [pixels.size(0), pixels.size(2), weight.size(2)];
    const side = Math.floor(size / p);
    const covered = side * p === size ? pixels : cut(pixels, side * p);
    const patches = covered.reshape(n, 3, side, p, side, p).permute(0, 2, 4, 1, 3, 5);
    const rows = patches.reshape(n, side * side, 3 * p * p);
    return linear(rows, weight.view(weight.size(0), -1), this.bias?.tensor ?? null);
  }
}

/** pixels [N, 3, S, S] -> [N, 3, side, side], from the top left. */
function cut(pixels: Tensor, side: number): Tensor {
  return pixels.narrow(2, 0, side).narrow(3, 0, side);
}

export class VisionTransformer extends Module implements ImageTower {
  readonly patchEmbedding: PatchEmbedding;
  readonly classEmbedding: Parameter | null;
  readonly positionEmbedding: Parameter;
  readonly normBefore: LayerNorm | null;
  readonly blocks: Block[];
  readonly normAfter: LayerNorm;
  readonly pooling: AttentionPooling | null;
  readonly projection: Linear | null;
  readonly config: VisionTransformerConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };

  /**
   * Random weights: `clip` as openai/CLIP (width^-0.5 normal embeddings and projection, torch
   * defaults inside), `bigVision` as big_vision's vit.py. The MAP head is always initialised as the
   * latter.
   *
   * embedDim  width of the projection; null for none
   * throws    RangeError for sizes that do not divide, and for the class token's output without one
   */
  constructor(config: VisionTransformerConfig, embedDim: number | null) {
    super();
    checkConfig(config);
    const { imageSize, patchSize, width, depth, normEpsilon, patchBias = false } = config;
    const { classToken = true, pooling = "class", normBefore = true } = config;
    const patchCount = Math.floor(imageSize / patchSize) ** 2;
    const std = width ** -0.5;
    this.config = config;
    this.featureDim = width;
    this.patchEmbedding = new PatchEmbedding(width, patchSize, patchBias);
    this.classEmbedding = classToken ? normal([width], std) : null;
    this.positionEmbedding = normal([patchCount + (classToken ? 1 : 0), width], std);
    this.normBefore = normBefore ? new LayerNorm(width, normEpsilon) : null;
    this.blocks = depthProbabilities(config.stochasticDepth ?? 0, depth).map(
      (probability) => new Block({ ...config, stochasticDepth: probability }),
    );
    this.normAfter = new LayerNorm(width, normEpsilon);
    this.pooling = pooling === "map" ? new AttentionPooling(config) : null;
    this.projection = embedDim === null ? null : head(config, embedDim);
    if (config.initialization === "bigVision") this.#initializeAsBigVision();
  }

  #initializeAsBigVision(): void {
    const { weight, bias } = this.patchEmbedding;
    refillLecun(weight, weight.tensor.count / weight.tensor.size(0));
    refillZeros(bias);
    refillZeros(this.classEmbedding);
    for (const { attention, mlp } of this.blocks) {
      initializeAttention(attention);
      initializeMlp(mlp);
    }
  }

  /**
   * pixels float [N, 3, S, S], normalised -> imageFeatures [N, W], before the projection.
   *
   * throws  ShapeError for pictures of another size
   */
  features(pixels: Tensor): Tensor {
    const { imageSize, pooling = "class", patchDropout: dropped = 0 } = this.config;
    checkPixels(pixels, imageSize);
    const tokens = this.#withClass(this.patchEmbedding.forward(pixels));
    const placed = tokens.add(this.positionEmbedding.tensor);
    const leading = this.classEmbedding ? 1 : 0;
    const kept = patchDropout(placed, dropped, this.training, { leading });
    const x = this.normBefore ? this.normBefore.forward(kept) : kept;
    if (pooling === "class") {
      return this.normAfter.forward(runPooled(this.blocks, x, "first", this.run));
    }
    const hidden = this.normAfter.forward(runAll(this.blocks, x, this.run));
    if (this.pooling) return this.pooling.forward(hidden);
    return hidden.narrow(1, leading, hidden.size(1) - leading).mean([1]);
  }

  /** [N, P, W] -> [N, 1 + P, W] where there is a class token. */
  #withClass(patches: Tensor): Tensor {
    if (this.classEmbedding === null) return patches;
    const [n, width] = [patches.size(0), patches.size(2)];
    return cat([this.classEmbedding.tensor.to(patches.dtype).expand(n, 1, width), patches], 1);
  }

  /** pixels float [N, 3, S, S], normalised -> [N, D], not yet unit rows. */
  forward(pixels: Tensor): Tensor {
    const features = this.features(pixels);
    return this.projection ? this.projection.forward(features) : features;
  }
}

function checkConfig(config: VisionTransformerConfig): void {
  const { imageSize, patchSize, classToken = true, pooling = "class" } = config;
  checkSizes({ imageSize, patchSize });
  checkTransformer(config);
  checkChoice("pooling", pooling, ["class", "map", "mean"]);
  const partial = config.dropsPartialPatches === true && imageSize >= patchSize;
  if (imageSize % patchSize !== 0 && !partial) {
    throw new RangeError(
      `Expected patchSize to divide imageSize ${imageSize} but received ${patchSize}; ` +
        "choose an image size that is a multiple of the patch",
    );
  }
  if (pooling !== "class" || classToken) return;
  throw new RangeError(
    'Expected "map" or "mean" for pooling of an imageTower without class token but received ' +
      '"class"; choose one of them or set classToken',
  );
}

function head(config: VisionTransformerConfig, embedDim: number): Linear {
  const { width, projectionBias = false, initialization = "clip" } = config;
  const projection = new Linear(width, embedDim, { bias: projectionBias });
  if (initialization === "clip") {
    refillNormal(projection.weight, width ** -0.5);
    refillZeros(projection.bias);
  } else {
    initializeHead(projection);
  }
  return projection;
}
