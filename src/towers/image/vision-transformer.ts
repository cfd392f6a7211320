/**
 * ViT image towers: CLIP's (class token, a norm before the blocks), SigLIP's (no class token, an
 * attention-pooling head) and AugReg's (class token, no norm before the blocks; LiT).
 */
import { z } from "zod";

import { LayerNorm, Linear } from "../../nn/layers.ts";
import { normal, refillNormal, uniform } from "../../nn/initialize.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import type { Preparation } from "../../nn/prepare.ts";
import type { PreparedProduct } from "../../nn/prepared-product.ts";
import { depthProbabilities, patchDropout as dropPatches } from "../../nn/regularize.ts";
import { Block, runAll, runPooled, type RunOptions } from "../../nn/transformer.ts";
import { cat, linear, type Tensor } from "../../torch/index.ts";
import {
  bigVisionLayers,
  initializeAttention,
  initializeHead,
  initializeMlp,
  layersOf,
  refillLecun,
  refillZeros,
  type Letter,
} from "../big-vision-defaults.ts";
import { checkChoice, checkPixels, checkSizes, checkTransformer } from "../check-config.ts";
import {
  activation,
  completed,
  imageSize,
  initialization,
  normEpsilon,
  patchDropout,
  patchSize,
  projectionBias,
  stochasticDepth,
  transformerSizes,
} from "../recipe-fields.ts";
import { imageTowerKind, type ConfigOf } from "../tower-kind.ts";
import type { ImageTower } from "../tower.ts";
import { AttentionPooling } from "./attention-pooling.ts";

const schema = z
  .strictObject({
    kind: z.literal("vit"),
    ...transformerSizes,
    imageSize,
    patchSize,
    activation: activation.optional(),
    normEpsilon: normEpsilon.optional(),
    classToken: z
      .boolean()
      .optional()
      .describe("a learned token before the patches; true when absent"),
    pooling: z
      .enum(["class", "map", "mean"])
      .optional()
      .describe(
        "features: output of the class token (CLIP), attention pooling (SigLIP) or mean of the patches; " +
          "`class` when absent",
      ),
    normBefore: z
      .boolean()
      .optional()
      .describe("a norm before the blocks (CLIP); true when absent"),
    patchBias: z
      .boolean()
      .optional()
      .describe("whether the patch convolution has a bias; false when absent"),
    projectionBias,
    initialization,
    patchDropout,
    stochasticDepth,
  })
  .describe("a vision transformer: CLIP's, SigLIP's, AugReg's");

export interface VisionTransformerConfig extends ConfigOf<
  typeof schema,
  "mlpWidth" | "activation" | "normEpsilon"
> {
  /**
   * Pixels at the right and the bottom that fill no patch are left out, as by a convolution without
   * padding (SigLIP So400m/14 at 384 pixels). False when absent: patchSize then divides imageSize.
   */
  dropsPartialPatches?: boolean;
}

/**
 * The part of a configuration for pictures that whole patches do not fill. As with a convolution without
 * padding, the rest at the right and the bottom is not looked at: 384 pixels hold 27 patches of 14.
 */
export function partialPatches(
  imageSize: number,
  patchSize: number,
): { dropsPartialPatches?: true } {
  return imageSize % patchSize === 0 ? {} : { dropsPartialPatches: true };
}

function sized(letter: Letter, patchSize: number, imageSize = 224): VisionTransformerConfig {
  const common = { normBefore: false, patchBias: true, projectionBias: true };
  return {
    kind: "vit",
    imageSize,
    patchSize,
    ...layersOf(letter),
    ...bigVisionLayers,
    initialization: "bigVision",
    ...common,
  };
}

/** Class token in the table of positions, its output as features (Steiner et al., arXiv:2106.10270). */
const augreg = (letter: Letter, patchSize: number) => (): VisionTransformerConfig => ({
  ...sized(letter, patchSize),
  classToken: true,
  pooling: "class",
});

/** No class token, attention pooling; used without projection (arXiv:2303.15343). */
const siglip =
  (letter: Letter, patch: number, imageSize?: number) => (): VisionTransformerConfig => ({
    ...sized(letter, patch, imageSize),
    classToken: false,
    pooling: "map",
  });

/** The sizes of AugReg and SigLIP; CLIP's own are published with their text towers. */
export const vitSizes: Readonly<Record<string, () => VisionTransformerConfig>> = {
  "augreg-Ti/16": augreg("Ti", 16),
  "augreg-S/32": augreg("S", 32),
  "augreg-S/16": augreg("S", 16),
  "augreg-B/32": augreg("B", 32),
  "augreg-B/16": augreg("B", 16),
  "augreg-B/8": augreg("B", 8),
  "augreg-L/16": augreg("L", 16),
  "augreg-g/14": augreg("g", 14),
  "siglip-Ti/16": siglip("Ti", 16),
  "siglip-S/32": siglip("S", 32),
  "siglip-S/16": siglip("S", 16),
  "siglip-B/32": siglip("B", 32),
  "siglip-B/16": siglip("B", 16),
  "siglip-L/16": siglip("L", 16, 256),
  "siglip-So400m/14": siglip("So400m", 14),
  "siglip-So400m/16": siglip("So400m", 16, 256),
  "siglip-g-opt/16": siglip("g-opt", 16, 256),
};

/** CLIP's layers, but GELU, at the widths and depths of their letters. */
const small =
  (letter: Letter, patchSize: number, imageSize: number) => (): VisionTransformerConfig => ({
    kind: "vit",
    imageSize,
    patchSize,
    ...layersOf(letter),
    activation: "gelu",
    normEpsilon: 1e-5,
  });

/** Sizes of limn's own, to be trained from scratch on a few cores. */
export const smallVitSizes: Readonly<Record<string, () => VisionTransformerConfig>> = {
  "ViT-Ti/4-32px": small("Ti", 4, 32),
  "ViT-Ti/8-64px": small("Ti", 8, 64),
};

/** ViT, declared. */
export const vit = imageTowerKind({
  schema,
  sizes: { ...vitSizes, ...smallVitSizes },
  changes: ["patchDropout", "stochasticDepth"],
  leadingPositions: ({ classToken = true }: VisionTransformerConfig) => (classToken ? 1 : 0),
  configure: (written, defaults) => completed(written, defaults) as VisionTransformerConfig,
  computed: (config) => ({
    classToken: true,
    pooling: "class",
    normBefore: true,
    patchBias: false,
    ...config,
  }),
  create: (config, embedDim) => new VisionTransformer(config, embedDim),
});

class PatchEmbedding extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly #patchSize: number;
  #prepared: PreparedProduct | null = null;

  constructor(width: number, patchSize: number, bias: boolean) {
    super();
    const bound = 1 / Math.sqrt(3 * patchSize * patchSize);
    this.weight = uniform([width, 3, patchSize, patchSize], bound);
    this.bias = bias ? uniform([width], bound) : null;
    this.#patchSize = patchSize;
  }

  /** pixels [N, 3, S, S] -> [N, P, W], patches row by row: the convolution as one matrix product. */
  forward(pixels: Tensor): Tensor {
    const [size, p] = [pixels.size(2), this.#patchSize];
    const side = Math.floor(size / p);
    const covered = side * p === size ? pixels : cut(pixels, side * p);
    const patches = covered.reshape(-1, 3, side, p, side, p).permute(0, 2, 4, 1, 3, 5);
    const rows = patches.reshape(-1, side * side, 3 * p * p);
    if (this.#prepared) return this.#prepared(rows);
    const weight = this.weight.tensor;
    return linear(rows, weight.view(weight.size(0), -1), this.bias?.tensor ?? null);
  }

  override prepare(preparation: Preparation): void {
    const weight = this.weight.take();
    const matrix = weight.view(weight.size(0), -1);
    weight.dispose();
    const bias = this.bias?.take() ?? null;
    this.#prepared = preparation.product({ weight: matrix, bias }, { many: true });
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
  readonly aboveBlocks = ["pooling", "projection"];

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
    // Of the last block only the class token's output is read, so nothing else of it is computed.
    if (this.#readsClass) {
      const pooled = runPooled(this.blocks, this.#embed(pixels), "first", this.run);
      return this.normAfter.forward(pooled);
    }
    return this.pool(this.hidden(pixels));
  }

  /**
   * The rows before pooling, pixels float [N, 3, S, S] -> [N, P, W], patches row by row; with a class
   * token, which comes first, [N, 1 + P, W]. In training patch dropout leaves out some.
   *
   * throws  ShapeError for pictures of another size
   */
  hidden(pixels: Tensor): Tensor {
    return this.normAfter.forward(runAll(this.blocks, this.#embed(pixels), this.run));
  }

  /** The features of rows that `hidden` gave: [N, P, W] or [N, 1 + P, W] -> [N, W]. */
  pool(hidden: Tensor): Tensor {
    if (this.#readsClass) return hidden.select(1, 0);
    if (this.pooling) return this.pooling.forward(hidden);
    const leading = this.classEmbedding ? 1 : 0;
    return hidden.narrow(1, leading, hidden.size(1) - leading).mean([1]);
  }

  get #readsClass(): boolean {
    return (this.config.pooling ?? "class") === "class";
  }

  /** Tokens with their positions, [N, 3, S, S] -> [N, P, W] or [N, 1 + P, W]. */
  #embed(pixels: Tensor): Tensor {
    const { imageSize: side, patchDropout: dropped = 0 } = this.config;
    checkPixels(pixels, side);
    const tokens = this.#withClass(this.patchEmbedding.forward(pixels));
    const placed = tokens.add(this.positionEmbedding.tensor);
    const leading = this.classEmbedding ? 1 : 0;
    const kept = dropPatches(placed, dropped, this.training, { leading });
    return this.normBefore ? this.normBefore.forward(kept) : kept;
  }

  /** [N, P, W] -> [N, 1 + P, W] where there is a class token. */
  #withClass(patches: Tensor): Tensor {
    if (this.classEmbedding === null) return patches;
    const token = this.classEmbedding.tensor.to(patches.dtype);
    return cat([token.expandAs(patches.narrow(1, 0, 1)), patches], 1);
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
