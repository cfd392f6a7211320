/** EfficientNet without its last convolution and classifier: ALIGN's image tower. */
import { z } from "zod";

import { BatchNorm2d, recomputed, type BatchNormOptions } from "../../nn/batch-norm.ts";
import { fanOutNormal, refillNormal, zerosParameter } from "../../nn/initialize.ts";
import { Linear } from "../../nn/layers.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import type { Preparation } from "../../nn/prepare.ts";
import type { PreparedConvolution } from "../../nn/prepared-convolution.ts";
import { finish, type After } from "../../nn/prepared-product.ts";
import { stochasticDepth } from "../../nn/regularize.ts";
import type { RunOptions } from "../../nn/transformer.ts";
import { channelsLast, conv2d, pad2d, type Tensor } from "../../torch/index.ts";
import { checkPixels, checkProbability, checkSizes } from "../check-config.ts";
import { count, dropConnect, given, imageSize, normEpsilon } from "../recipe-fields.ts";
import { imageTowerKind, type ConfigOf } from "../tower-kind.ts";
import { type ImageTower, mapRows } from "../tower.ts";

/** Blocks of equal width. */
const stageSchema = z.strictObject({
  kernel: count.describe("side of the depthwise kernel, odd"),
  width: count.describe("channels that its blocks give"),
  stride: z.int().min(1).max(2).describe("stride of its first block"),
  depth: count.describe("number of blocks"),
  expansion: count.describe("inner channels over input channels; 1: no expanding convolution"),
});

export type EfficientNetStage = z.output<typeof stageSchema>;

const schema = z
  .strictObject({
    kind: z.literal("efficientNet"),
    imageSize,
    stemWidth: count.describe("channels after the stem"),
    stages: z.array(stageSchema).min(1).readonly().describe("blocks of equal width, in order"),
    squeezeRatio: z
      .number()
      .positive()
      .default(0.25)
      .describe("channels of squeeze-and-excitation over the input channels of a block"),
    // `even` is what transformers' AlignVisionModel does (`depthwise_padding: []`): it differs from
    // TensorFlow's rule, an output of ceil(side / 2), where sides are odd.
    padding: z
      .enum(["same", "even"])
      .default("same")
      .describe(
        "odd pixel of the padding at stride 2: TensorFlow's rule, or at right and bottom always (ALIGN)",
      ),
    dropConnect: dropConnect.default(0.2),
    normEpsilon: normEpsilon.default(1e-3).describe("added to the variance in a batch norm"),
    normMomentum: z
      .number()
      .positive()
      .max(1)
      .default(0.01)
      .describe("share of a batch in the running statistics: 1 - TensorFlow's momentum"),
  })
  .describe("EfficientNet, cut after its last block: ALIGN's image tower");

export type EfficientNetConfig = ConfigOf<typeof schema>;

/**
 * B0 to B7 at their own image sizes, and `EfficientNet-B7-ALIGN`, the tower of the published ALIGN
 * checkpoint at 289 pixels. The features of B7 have 640 numbers.
 */
export const efficientNetSizes: Readonly<Record<string, () => EfficientNetConfig>> = {
  "EfficientNet-B0": () => sized(224, 1.0, 1.0),
  "EfficientNet-B1": () => sized(240, 1.0, 1.1),
  "EfficientNet-B2": () => sized(260, 1.1, 1.2),
  "EfficientNet-B3": () => sized(300, 1.2, 1.4),
  "EfficientNet-B4": () => sized(380, 1.4, 1.8),
  "EfficientNet-B5": () => sized(456, 1.6, 2.2),
  "EfficientNet-B6": () => sized(528, 1.8, 2.6),
  "EfficientNet-B7": () => sized(600, 2.0, 3.1),
  "EfficientNet-B7-ALIGN": () => ({ ...sized(289, 2.0, 3.1), padding: "even" }),
};

/** Table 1 of the paper: kernel, width, stride, depth, expansion. */
const baseStages = [
  [3, 16, 1, 1, 1],
  [3, 24, 2, 2, 6],
  [5, 40, 2, 2, 6],
  [3, 80, 2, 3, 6],
  [5, 112, 1, 3, 6],
  [5, 192, 2, 4, 6],
  [3, 320, 1, 1, 6],
] as const;

function sized(imageSize: number, widthFactor: number, depthFactor: number): EfficientNetConfig {
  return {
    kind: "efficientNet",
    imageSize,
    stemWidth: toEights(32 * widthFactor),
    stages: baseStages.map(([kernel, width, stride, depth, expansion]) => ({
      kernel,
      width: toEights(width * widthFactor),
      stride,
      depth: Math.ceil(depth * depthFactor),
      expansion,
    })),
    squeezeRatio: 0.25,
    padding: "same",
    dropConnect: 0.2,
    normEpsilon: 1e-3,
    normMomentum: 0.01,
  };
}

/** The nearest multiple of 8 that is not more than a tenth below. */
function toEights(channels: number): number {
  const near = Math.max(8, Math.trunc((channels + 4) / 8) * 8);
  return near < 0.9 * channels ? near + 8 : near;
}

/** EfficientNet, declared. */
export const efficientNet = imageTowerKind({
  schema,
  sizes: efficientNetSizes,
  changes: [],
  leadingPositions: () => 0,
  configure: given,
  create: (config: EfficientNetConfig, embedDim) => new EfficientNet(config, embedDim),
});

/**
 * EfficientNet: Tan & Le, arXiv:1905.11946, cut after its last block as ALIGN has it (arXiv:2102.05918,
 * section 4.2; transformers' AlignVisionModel); the features are the mean over positions.
 *
 * Initialised as the original TensorFlow code: convolutions N(0, 2 / fanOut), norms 1 and 0; the
 * projection, which ALIGN does without, N(0, 1 / featureDim). Blocks are skipped by sample, as there;
 * transformers' port drops single numbers.
 */
export class EfficientNet extends Module implements ImageTower {
  readonly stem: NormedConv2d;
  readonly blocks: InvertedBottleneck[];
  readonly projection: Linear | null;
  readonly config: EfficientNetConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };
  readonly aboveBlocks = ["projection"];

  /** `embedDim` null: no projection. Throws RangeError for sizes that do not fit together. */
  constructor(config: EfficientNetConfig, embedDim: number | null) {
    super();
    check(config);
    const { stemWidth, stages } = config;
    this.config = config;
    this.stem = new NormedConv2d(3, stemWidth, { kernel: 3, stride: 2, config });
    const blockCount = stages.reduce((sum, { depth }) => sum + depth, 0);
    let inputs = stemWidth;
    this.blocks = [];
    for (const stage of stages) {
      for (let i = 0; i < stage.depth; i++) {
        const skip = (config.dropConnect * this.blocks.length) / blockCount;
        this.blocks.push(new InvertedBottleneck(inputs, stage, { first: i === 0, skip, config }));
        inputs = stage.width;
      }
    }
    this.featureDim = inputs;
    this.projection = embedDim === null ? null : new Linear(inputs, embedDim, { bias: false });
    if (this.projection) refillNormal(this.projection.weight, inputs ** -0.5);
  }

  /**
   * pixels float [N, 3, S, S], normalised -> imageFeatures [N, F], before the projection.
   *
   * throws  ShapeError for pictures of another size
   */
  features(pixels: Tensor): Tensor {
    // As a mean over the map: over its rows the gradient would be summed in another order.
    return this.#map(pixels).mean([2, 3]);
  }

  /** The last feature map as rows, pixels float [N, 3, S, S] -> [N, P, F], row by row. */
  hidden(pixels: Tensor): Tensor {
    return mapRows(this.#map(pixels));
  }

  /** The features of rows that `hidden` gave: [N, P, F] -> [N, F]. */
  pool(hidden: Tensor): Tensor {
    return hidden.mean(1);
  }

  /** pixels [N, 3, S, S] -> [N, C, H, W], the last feature map */
  #map(pixels: Tensor): Tensor {
    checkPixels(pixels, this.config.imageSize);
    const { checkpointing } = this.run;
    let x = this.stem.forward(channelsLast(pixels), { activation: "silu" });
    for (const block of this.blocks) x = checkpointing ? recomputed(block, x) : block.forward(x);
    return x;
  }

  /** pixels float [N, 3, S, S], normalised -> [N, D], not yet unit rows. */
  forward(pixels: Tensor): Tensor {
    const features = this.features(pixels);
    return this.projection?.forward(features) ?? features;
  }
}

interface NormedOptions {
  kernel: number;
  stride?: number;
  /** One kernel for each channel. */
  depthwise?: boolean;
  config: EfficientNetConfig;
}

/** A convolution without bias and the batch norm after it. */
class NormedConv2d extends Module {
  readonly weight: Parameter;
  readonly norm: BatchNorm2d;
  readonly stride: number;
  readonly groups: number;
  readonly padding: EfficientNetConfig["padding"];
  readonly #side: number;
  #prepared: PreparedConvolution | null = null;

  constructor(inputs: number, outputs: number, options: NormedOptions) {
    super();
    const { kernel, stride = 1, depthwise = false, config } = options;
    this.groups = depthwise ? inputs : 1;
    const fanOut = (outputs / this.groups) * kernel * kernel;
    this.weight = fanOutNormal([outputs, inputs / this.groups, kernel, kernel], fanOut);
    this.norm = new BatchNorm2d(outputs, normOptions(config));
    this.stride = stride;
    this.padding = config.padding;
    this.#side = kernel;
  }

  /** x [N, C, H, H] -> [N, O, H', H'], with what follows it */
  forward(x: Tensor, after: After = {}): Tensor {
    const padded = this.#padded(x);
    if (this.#prepared) return this.#prepared(padded, after);
    return finish(
      this.norm.forward(conv2d(padded, this.weight.tensor, null, this.#shape())),
      after,
    );
  }

  override prepare(preparation: Preparation): void {
    const affine = { weight: this.weight.take(), bias: null };
    this.#prepared = preparation.convolution(affine, this.#shape(), this.norm);
  }

  #shape(): { stride: number; padding: number; groups: number } {
    const { stride, groups } = this;
    return { stride, groups, padding: stride === 1 ? (this.#side - 1) / 2 : 0 };
  }

  /** With a stride the margins are not alike on all sides. */
  #padded(x: Tensor): Tensor {
    if (this.stride === 1) return x;
    const odd = this.padding === "same" && x.size(-1) % 2 === 1;
    const after = (this.#side - 1) / 2;
    const before = odd ? after : after - 1;
    return pad2d(x, { left: before, right: after, top: before, bottom: after });
  }
}

function normOptions({ normEpsilon, normMomentum }: EfficientNetConfig): BatchNormOptions {
  return { epsilon: normEpsilon, momentum: normMomentum };
}

/** Scales channels by what their means say: Hu et al., arXiv:1709.01507. */
class SqueezeExcitation extends Module {
  readonly reduce: PointwiseConv2d;
  readonly expand: PointwiseConv2d;

  constructor(channels: number, inner: number) {
    super();
    this.reduce = new PointwiseConv2d(channels, inner);
    this.expand = new PointwiseConv2d(inner, channels);
  }

  /** x [N, C, H, W] -> the same shape */
  forward(x: Tensor): Tensor {
    const means = x.mean([2, 3], true);
    const reduced = this.reduce.forward(means, { activation: "silu" });
    return x.mul(this.expand.forward(reduced, { activation: "sigmoid" }));
  }
}

/** A 1 x 1 convolution with a bias. */
class PointwiseConv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  #prepared: PreparedConvolution | null = null;

  constructor(inputs: number, outputs: number) {
    super();
    this.weight = fanOutNormal([outputs, inputs, 1, 1], outputs);
    this.bias = zerosParameter([outputs]);
  }

  forward(x: Tensor, after: After): Tensor {
    if (this.#prepared) return this.#prepared(x, after);
    return finish(conv2d(x, this.weight.tensor, this.bias.tensor), after);
  }

  override prepare(preparation: Preparation): void {
    const affine = { weight: this.weight.take(), bias: this.bias.take() };
    this.#prepared = preparation.convolution(affine, { stride: 1, padding: 0, groups: 1 });
  }
}

interface BlockOptions {
  /** Of its stage: the one that changes width and size, with no way around it. */
  first: boolean;
  skip: number;
  config: EfficientNetConfig;
}

/** MBConv: expand, filter each channel, squeeze and excite, project. */
class InvertedBottleneck extends Module {
  readonly expansion: NormedConv2d | null;
  readonly depthwise: NormedConv2d;
  readonly squeezeExcitation: SqueezeExcitation;
  readonly output: NormedConv2d;
  readonly residual: boolean;
  readonly #skip: number;

  constructor(inputs: number, stage: EfficientNetStage, { first, skip, config }: BlockOptions) {
    super();
    const { kernel, width, expansion } = stage;
    const inner = inputs * expansion;
    const stride = first ? stage.stride : 1;
    this.expansion =
      expansion === 1 ? null : new NormedConv2d(inputs, inner, { kernel: 1, config });
    this.depthwise = new NormedConv2d(inner, inner, { kernel, stride, depthwise: true, config });
    const squeezed = Math.max(1, Math.trunc(inputs * config.squeezeRatio));
    this.squeezeExcitation = new SqueezeExcitation(inner, squeezed);
    this.output = new NormedConv2d(inner, width, { kernel: 1, config });
    this.residual = !first;
    this.#skip = skip;
  }

  /** x [N, C, H, H] -> [N, width, H', H'] */
  forward(x: Tensor): Tensor {
    const activation = "silu";
    const expanded = this.expansion?.forward(x, { activation }) ?? x;
    const filtered = this.depthwise.forward(expanded, { activation });
    const squeezed = this.squeezeExcitation.forward(filtered);
    if (this.residual && !this.training) return this.output.forward(squeezed, { onto: x });
    const branch = this.output.forward(squeezed);
    return this.residual ? x.add(stochasticDepth(branch, this.#skip, this.training)) : branch;
  }
}

function check(config: EfficientNetConfig): void {
  const { imageSize, stemWidth, stages } = config;
  checkSizes({ imageSize, stemWidth });
  checkSizes({ "stages.length": stages.length });
  for (const [i, { kernel, width, stride, depth, expansion }] of stages.entries()) {
    const sizes = { kernel, width, stride, depth, expansion };
    for (const [name, size] of Object.entries(sizes))
      checkSizes({ [`stages[${i}].${name}`]: size });
    if (kernel % 2 === 1 && kernel > 1 && stride <= 2) continue;
    throw new RangeError(
      `Expected an odd kernel of at least 3 and a stride of 1 or 2 for stages[${i}] but received ` +
        `${kernel} and ${stride}; choose others`,
    );
  }
  checkProbability("dropConnect", config.dropConnect);
  const least = 2 ** stages.reduce((halvings, { stride }) => halvings + stride - 1, 1);
  if (config.padding === "even" && imageSize < least) {
    throw new RangeError(
      `Expected at least ${least} for imageSize but received ${imageSize}; ` +
        "nothing would be left after the last stride",
    );
  }
  if (config.padding === "same" || config.padding === "even") return;
  throw new RangeError(
    `Expected "same" or "even" for padding but received ${JSON.stringify(config.padding)}`,
  );
}
