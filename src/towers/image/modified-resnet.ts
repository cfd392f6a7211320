/** CLIP's ResNets: a three-convolution stem, antialiased strides, and attention in place of the mean. */
import { z } from "zod";

import { BatchNorm2d, recomputed } from "../../nn/batch-norm.ts";
import { normal, refillNormal } from "../../nn/initialize.ts";
import { Conv2d, Linear } from "../../nn/layers.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import type { Preparation } from "../../nn/prepare.ts";
import type { RunOptions } from "../../nn/transformer.ts";
import { avgPool2d, cat, channelsLast, scope, type Tensor } from "../../torch/index.ts";
import { checkMultiple, checkPixels, checkSizes } from "../check-config.ts";
import { count, given, imageSize, stageDepths } from "../recipe-fields.ts";
import { imageTowerKind, type ConfigOf } from "../tower-kind.ts";
import { type ImageTower, mapRows } from "../tower.ts";

const schema = z
  .strictObject({
    kind: z.literal("modifiedResNet"),
    imageSize: imageSize.describe("side of the square input in pixels; a multiple of 32"),
    width: count.describe(
      "channels after the stem, even; the four stages give 4, 8, 16 and 32 times as many",
    ),
    depths: stageDepths,
    heads: count.describe("heads of the attention pooling; divides 32 × `width`"),
  })
  .describe("CLIP's ResNet with attention pooling");

export type ModifiedResNetConfig = ConfigOf<typeof schema>;

/** openai/CLIP's sizes by name. Their embedDim: 1024, 512, 640, 768, 1024. */
export const modifiedResNetSizes: Readonly<Record<string, () => ModifiedResNetConfig>> = {
  RN50: () => sized(224, 64, [3, 4, 6, 3]),
  RN101: () => sized(224, 64, [3, 4, 23, 3]),
  RN50x4: () => sized(288, 80, [4, 6, 10, 6]),
  RN50x16: () => sized(384, 96, [6, 8, 18, 8]),
  RN50x64: () => sized(448, 128, [3, 15, 36, 10]),
};

/** Sizes of limn's own, to be trained from scratch on a few cores: one bottleneck a stage. */
export const smallModifiedResNetSizes: Readonly<Record<string, () => ModifiedResNetConfig>> = {
  "ModifiedResNet-16/32px": () => sized(32, 16, [1, 1, 1, 1]),
  "ModifiedResNet-16/64px": () => sized(64, 16, [1, 1, 1, 1]),
  "ModifiedResNet-32/64px": () => sized(64, 32, [1, 1, 1, 1]),
  "ModifiedResNet-32/96px": () => sized(96, 32, [1, 1, 1, 1]),
};

function sized(
  imageSize: number,
  width: number,
  depths: ModifiedResNetConfig["depths"],
): ModifiedResNetConfig {
  return { kind: "modifiedResNet", imageSize, width, depths, heads: (32 * width) / 64 };
}

/** CLIP's ResNet, declared. */
export const modifiedResNet = imageTowerKind({
  schema,
  sizes: { ...modifiedResNetSizes, ...smallModifiedResNetSizes },
  changes: [],
  leadingPositions: () => 1,
  configure: given,
  create: (config: ModifiedResNetConfig, embedDim) => new ModifiedResNet(config, embedDim),
});

/**
 * CLIP's ModifiedResNet: Radford et al., arXiv:2103.00020, section 2.4, as openai/CLIP's model.py.
 *
 * The head of the attention pool (`c_proj` there) is `projection`, with a bias; the features are what
 * it maps. Initialised as openai/CLIP: torch's defaults, the last norm of each bottleneck at 0, the
 * pool's matrices and positions N(0, 1 / featureDim).
 */
export class ModifiedResNet extends Module implements ImageTower {
  readonly stem: Stem;
  readonly stages: Stage[];
  readonly attentionPool: AttentionPool;
  readonly projection: Linear | null;
  readonly config: ModifiedResNetConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };
  readonly aboveBlocks = ["attentionPool", "projection"];

  /** `embedDim` null: no projection. Throws RangeError for sizes that do not fit together. */
  constructor(config: ModifiedResNetConfig, embedDim: number | null) {
    super();
    const { imageSize, width, depths, heads } = config;
    checkSizes({ imageSize, width, heads });
    for (const [i, depth] of depths.entries()) checkSizes({ [`depths[${i}]`]: depth });
    checkMultiple({ imageSize }, 32);
    checkMultiple({ width }, 2);
    this.config = config;
    this.featureDim = 32 * width;
    this.stem = new Stem(width);
    this.stages = depths.map((depth, i) => {
      const inputs = i === 0 ? width : width * 2 ** (i + 1);
      return new Stage(inputs, width * 2 ** i, { depth, stride: i === 0 ? 1 : 2 });
    });
    this.attentionPool = new AttentionPool(this.featureDim, heads, imageSize / 32);
    this.projection = embedDim === null ? null : new Linear(this.featureDim, embedDim);
    if (this.projection) refillNormal(this.projection.weight, this.featureDim ** -0.5);
  }

  /**
   * pixels float [N, 3, S, S], normalised -> imageFeatures [N, 32 width], before the projection.
   *
   * throws  ShapeError for pictures of another size
   */
  features(pixels: Tensor): Tensor {
    return this.pool(this.hidden(pixels));
  }

  /** The last feature map as rows, pixels float [N, 3, S, S] -> [N, (S / 32)^2, 32 width], row by row. */
  hidden(pixels: Tensor): Tensor {
    checkPixels(pixels, this.config.imageSize);
    const { checkpointing } = this.run;
    const input = channelsLast(pixels);
    let x = checkpointing ? recomputed(this.stem, input) : this.stem.forward(input);
    for (const { blocks } of this.stages) {
      for (const block of blocks) x = checkpointing ? recomputed(block, x) : block.forward(x);
    }
    return mapRows(x);
  }

  /** The features of rows that `hidden` gave: [N, P, W] -> [N, W]. */
  pool(hidden: Tensor): Tensor {
    return this.attentionPool.forward(hidden);
  }

  /** pixels float [N, 3, S, S], normalised -> [N, D], not yet unit rows. */
  forward(pixels: Tensor): Tensor {
    const features = this.features(pixels);
    return this.projection?.forward(features) ?? features;
  }
}

class Stem extends Module {
  readonly conv1: Conv2d;
  readonly norm1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly norm2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly norm3: BatchNorm2d;

  constructor(width: number) {
    super();
    const half = width / 2;
    const options = { kernel: 3, padding: 1, bias: false };
    this.conv1 = new Conv2d(3, half, { ...options, stride: 2 });
    this.norm1 = new BatchNorm2d(half);
    this.conv2 = new Conv2d(half, half, options);
    this.norm2 = new BatchNorm2d(half);
    this.conv3 = new Conv2d(half, width, options);
    this.norm3 = new BatchNorm2d(width);
  }

  /** pixels [N, 3, S, S] -> [N, width, S / 4, S / 4] */
  forward(pixels: Tensor): Tensor {
    const activation = "relu";
    const first = this.conv1.forward(pixels, { norm: this.norm1, activation });
    const second = this.conv2.forward(first, { norm: this.norm2, activation });
    return avgPool2d(this.conv3.forward(second, { norm: this.norm3, activation }), 2);
  }

  override prepare(preparation: Preparation): void {
    this.conv1.prepare(preparation, this.norm1);
    this.conv2.prepare(preparation, this.norm2);
    this.conv3.prepare(preparation, this.norm3);
  }
}

class Stage extends Module {
  readonly blocks: Bottleneck[];

  constructor(
    inputs: number,
    planes: number,
    { depth, stride }: { depth: number; stride: number },
  ) {
    super();
    this.blocks = Array.from({ length: depth }, (_, i) =>
      i === 0 ? new Bottleneck(inputs, planes, stride) : new Bottleneck(4 * planes, planes, 1),
    );
  }
}

/** The way around a bottleneck that changes size. */
class Shortcut extends Module {
  readonly conv: Conv2d;
  readonly norm: BatchNorm2d;

  constructor(inputs: number, outputs: number) {
    super();
    this.conv = new Conv2d(inputs, outputs, { kernel: 1, bias: false });
    this.norm = new BatchNorm2d(outputs);
  }

  forward(x: Tensor): Tensor {
    return this.conv.forward(x, { norm: this.norm });
  }

  override prepare(preparation: Preparation): void {
    this.conv.prepare(preparation, this.norm);
  }
}

class Bottleneck extends Module {
  readonly conv1: Conv2d;
  readonly norm1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly norm2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly norm3: BatchNorm2d;
  readonly shortcut: Shortcut | null;
  readonly stride: number;

  constructor(inputs: number, planes: number, stride: number) {
    super();
    const outputs = 4 * planes;
    this.conv1 = new Conv2d(inputs, planes, { kernel: 1, bias: false });
    this.norm1 = new BatchNorm2d(planes);
    this.conv2 = new Conv2d(planes, planes, { kernel: 3, padding: 1, bias: false });
    this.norm2 = new BatchNorm2d(planes);
    this.conv3 = new Conv2d(planes, outputs, { kernel: 1, bias: false });
    this.norm3 = new BatchNorm2d(outputs);
    scope(() => void this.norm3.weight.tensor.detach().zero_());
    this.shortcut = stride > 1 || inputs !== outputs ? new Shortcut(inputs, outputs) : null;
    this.stride = stride;
  }

  /** x [N, C, H, W] -> [N, 4 planes, H / stride, W / stride]; strides are means, not left-out pixels. */
  forward(x: Tensor): Tensor {
    const { stride, norm1, norm2, norm3: norm } = this;
    const activation = "relu";
    const first = this.conv1.forward(x, { norm: norm1, activation });
    const second = this.conv2.forward(first, { norm: norm2, activation });
    const smaller = stride > 1 ? avgPool2d(second, stride) : second;
    const around = stride > 1 ? avgPool2d(x, stride) : x;
    const onto = this.shortcut?.forward(around) ?? around;
    return this.conv3.forward(smaller, { norm, onto, activation });
  }

  override prepare(preparation: Preparation): void {
    this.conv1.prepare(preparation, this.norm1);
    this.conv2.prepare(preparation, this.norm2);
    this.conv3.prepare(preparation, this.norm3);
  }
}

/** Attention of the mean position to itself and all others: the pool of CLIP's ResNets. */
class AttentionPool extends Module {
  /** [1 + P, W], the mean's position first. */
  readonly positionEmbedding: Parameter;
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly heads: number;

  constructor(width: number, heads: number, side: number) {
    super();
    if (width % heads !== 0) {
      throw new RangeError(
        `Expected heads to divide the attention pool's width ${width} but received ${heads}; ` +
          "choose another number",
      );
    }
    const std = width ** -0.5;
    this.positionEmbedding = normal([side * side + 1, width], std);
    [this.query, this.key, this.value] = [0, 1, 2].map(() => {
      const made = new Linear(width, width);
      refillNormal(made.weight, std);
      return made;
    }) as [Linear, Linear, Linear];
    this.heads = heads;
  }

  /** places [N, P, W] -> [N, W] */
  forward(places: Tensor): Tensor {
    const tokens = cat([places.mean(1, true), places], 1).add(this.positionEmbedding.tensor);
    const [count, width] = [tokens.size(1), tokens.size(2)];
    const headWidth = width / this.heads;
    const split = (y: Tensor, rows: number): Tensor =>
      y.reshape(-1, rows, this.heads, headWidth).transpose(1, 2);
    const query = split(this.query.forward(tokens.select(1, 0)), 1).mul(headWidth ** -0.5);
    const key = split(this.key.forward(tokens), count);
    const weights = query.matmul(key.transpose(-2, -1)).softmax(-1);
    return weights.matmul(split(this.value.forward(tokens), count)).reshape(-1, width);
  }
}
