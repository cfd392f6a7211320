/**
 * SigLIP 2's NaFlex image tower (Tschannen et al., arXiv:2502.14786, section 2.4.2; transformers'
 * Siglip2VisionModel): pictures keep their aspect ratio, so that each has a grid of patches of its own.
 */
import { z } from "zod";

import { ShapeError } from "../../errors.ts";
import { normal } from "../../nn/initialize.ts";
import { LayerNorm, Linear } from "../../nn/layers.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import { depthProbabilities } from "../../nn/regularize.ts";
import { Block, runAll, type RunOptions } from "../../nn/transformer.ts";
import { arange, cat, fromData, noGrad, stack, zeros, type Tensor } from "../../torch/index.ts";
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
import { checkMultiple, checkSizes, checkTransformer } from "../check-config.ts";
import {
  activation,
  completed,
  imageSize,
  normEpsilon,
  patchSize,
  projectionBias,
  stochasticDepth,
  transformerSizes,
} from "../recipe-fields.ts";
import { resizeGrid } from "../resize-position-embedding.ts";
import { imageTowerKind, type ConfigOf } from "../tower-kind.ts";
import type { ImagePatches, ImageTower, PatchGrid } from "../tower.ts";
import { AttentionPooling } from "./attention-pooling.ts";

const schema = z
  .strictObject({
    kind: z.literal("naflex"),
    ...transformerSizes,
    imageSize: imageSize.describe(
      "side in pixels of the square picture that has a learned position for each of its patches; " +
        "it is trained on such squares",
    ),
    patchSize,
    activation: activation.default("geluTanh"),
    normEpsilon: normEpsilon.default(1e-6),
    projectionBias,
    stochasticDepth,
  })
  .describe("SigLIP 2's vision transformer for pictures of any aspect ratio, trained on squares");

export type NaflexVisionTransformerConfig = ConfigOf<typeof schema, "mlpWidth">;

const sized = (letter: Letter) => (): NaflexVisionTransformerConfig => ({
  kind: "naflex",
  imageSize: 256,
  patchSize: 16,
  ...layersOf(letter),
  ...bigVisionLayers,
  projectionBias: true,
});

/** SigLIP 2's NaFlex, declared: pictures of any aspect ratio. */
export const naflex = imageTowerKind({
  schema,
  sizes: {
    "siglip2-NaFlex-B/16": sized("B"),
    "siglip2-NaFlex-So400m/16": sized("So400m"),
  },
  changes: ["stochasticDepth"],
  leadingPositions: () => 0,
  configure: (written, defaults) => completed(written, defaults) as NaflexVisionTransformerConfig,
  create: (config: NaflexVisionTransformerConfig, embedDim) =>
    new NaflexVisionTransformer(config, embedDim),
});

export class NaflexVisionTransformer extends Module implements ImageTower {
  readonly patchEmbedding: Linear;
  /** [side^2, W], row by row; side is imageSize / patchSize. */
  readonly positionEmbedding: Parameter;
  readonly blocks: Block[];
  readonly normAfter: LayerNorm;
  readonly pooling: AttentionPooling;
  readonly projection: Linear | null;
  readonly config: NaflexVisionTransformerConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };
  readonly aboveBlocks = ["pooling", "projection"];

  /**
   * Random weights as big_vision's vit.py.
   *
   * embedDim  width of the projection; null for none
   * throws    RangeError for sizes that cannot be
   */
  constructor(config: NaflexVisionTransformerConfig, embedDim: number | null) {
    super();
    const { imageSize, patchSize, width, depth, normEpsilon, projectionBias = false } = config;
    checkSizes({ imageSize, patchSize });
    checkMultiple({ imageSize }, patchSize);
    checkTransformer(config);
    this.config = config;
    this.featureDim = width;
    this.patchEmbedding = new Linear(3 * patchSize ** 2, width);
    this.positionEmbedding = normal([(imageSize / patchSize) ** 2, width], width ** -0.5);
    this.blocks = depthProbabilities(config.stochasticDepth ?? 0, depth).map(
      (probability) => new Block({ ...config, stochasticDepth: probability }),
    );
    this.normAfter = new LayerNorm(width, normEpsilon);
    this.pooling = new AttentionPooling(config);
    this.projection =
      embedDim === null ? null : new Linear(width, embedDim, { bias: projectionBias });
    this.#initialize();
  }

  #initialize(): void {
    const { weight, bias } = this.patchEmbedding;
    refillLecun(weight, weight.tensor.size(1));
    refillZeros(bias);
    for (const { attention, mlp } of this.blocks) {
      initializeAttention(attention);
      initializeMlp(mlp);
    }
    if (this.projection) initializeHead(this.projection);
  }

  /**
   * pixels float [N, 3, H, W], normalised, or patches -> imageFeatures [N, W], before the projection. H
   * and W are any multiples of patchSize.
   *
   * throws  ShapeError for pictures that patches do not fill, or patches of another shape
   */
  features(pictures: Tensor | ImagePatches): Tensor {
    const images = this.#checked(pictures);
    const padding = paddingOf(images.grids, images.patches);
    return this.pooling.forward(this.#hidden(images, padding), padding);
  }

  /**
   * The rows before pooling, pixels or patches -> [N, P, W], patches row by row; the rows behind a
   * picture's last patch mean nothing.
   *
   * throws  as `features`
   */
  hidden(pictures: Tensor | ImagePatches): Tensor {
    const images = this.#checked(pictures);
    return this.#hidden(images, paddingOf(images.grids, images.patches));
  }

  #hidden({ patches, grids }: ImagePatches, padding: Tensor | null): Tensor {
    const embedded = this.patchEmbedding.forward(patches);
    const places = this.#places(grids, patches.size(1));
    const x = embedded.add(this.preparedAs === null ? places : places.to(embedded.dtype));
    return this.normAfter.forward(runAll(this.blocks, x, { ...this.run, padding }));
  }

  /**
   * The features of rows that `hidden` gave: [N, P, W] -> [N, W].
   *
   * grids  of each picture, where some have fewer patches than P
   */
  pool(hidden: Tensor, grids: readonly PatchGrid[] = []): Tensor {
    return this.pooling.forward(hidden, paddingOf(grids, hidden));
  }

  /** pixels or patches, as `features` -> [N, D], not yet unit rows. */
  forward(pictures: Tensor | ImagePatches): Tensor {
    return this.#project(this.features(pictures));
  }

  /** `forward` of pictures of different shapes. Throws ShapeError for patches of another shape. */
  forwardPatches(images: ImagePatches): Tensor {
    return this.forward(images);
  }

  /** The table stays float32: it is resized for each shape of pictures. */
  override prepare(): void {}

  #project(features: Tensor): Tensor {
    return this.projection ? this.projection.forward(features) : features;
  }

  #checked(pictures: Tensor | ImagePatches): ImagePatches {
    const { patchSize: side } = this.config;
    const images = "patches" in pictures ? pictures : cutIntoPatches(pictures, side);
    this.#check(images);
    return images;
  }

  #check({ patches, grids }: ImagePatches): void {
    const width = 3 * this.config.patchSize ** 2;
    const [count, places] = patches.shape;
    const fits = ([rows, columns]: PatchGrid): boolean =>
      [rows, columns].every((side) => Number.isInteger(side) && side >= 1) &&
      rows * columns <= (places ?? 0);
    const misfit = grids.find((grid) => !fits(grid));
    if (patches.rank !== 3 || patches.size(2) !== width || count !== grids.length) {
      throw new ShapeError(
        `Expected patches [N, P, ${width}] and N grids for imageTower but received ` +
          `[${patches.shape.join(", ")}] and ${grids.length}; cut the pictures into patches of ` +
          `${this.config.patchSize} pixels`,
      );
    }
    if (misfit === undefined) return;
    throw new ShapeError(
      `Expected grids of at most ${String(places)} patches for imageTower but received ` +
        `${misfit.join(" x ")}; give rows and columns of each picture`,
    );
  }

  /** [N, P, W] the positions of each picture's patches; zeros behind the last. */
  #places(grids: readonly PatchGrid[], places: number): Tensor {
    const made = new Map<string, Tensor>();
    const rows = grids.map((grid) => {
      const key = grid.join();
      const found = made.get(key) ?? filled(this.#positions(grid), places);
      made.set(key, found);
      return found;
    });
    return made.size === 1 ? (rows[0] as Tensor).unsqueeze(0) : stack(rows);
  }

  /** [rows * columns, W], by antialiased bilinear interpolation of the table. */
  #positions([rows, columns]: PatchGrid): Tensor {
    const { imageSize, patchSize, width } = this.config;
    const side = imageSize / patchSize;
    const table = this.positionEmbedding.tensor;
    if (rows === side && columns === side) return table;
    const grid = table.reshape(1, side, side, width).permute(0, 3, 1, 2);
    const resized = resizeGrid(grid, [rows, columns], "bilinear");
    return resized.permute(0, 2, 3, 1).reshape(rows * columns, width);
  }
}

/**
 * Pictures of one shape as patches.
 *
 * pixels  float [N, 3, H, W]
 * throws  ShapeError unless patchSize divides H and W
 */
export function cutIntoPatches(pixels: Tensor, patchSize: number): ImagePatches {
  const [n = 0, channels, height = 0, width = 0] = pixels.shape;
  const [rows, columns] = [height / patchSize, width / patchSize];
  if (pixels.rank !== 4 || channels !== 3 || !isCount(rows) || !isCount(columns)) {
    throw new ShapeError(
      `Expected pixels [N, 3, H, W] with sides that are multiples of ${patchSize} for imageTower ` +
        `but received [${pixels.shape.join(", ")}]; resize the pictures`,
    );
  }
  const split = pixels.reshape(-1, 3, rows, patchSize, columns, patchSize);
  const patches = split.permute(0, 2, 4, 3, 5, 1).reshape(-1, rows * columns, 3 * patchSize ** 2);
  return { patches, grids: Array.from({ length: n }, () => [rows, columns] as const) };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

/** bool [N, P], true behind each picture's last row of [N, P, ...]; null where there is none behind. */
function paddingOf(grids: readonly PatchGrid[], rows: Tensor): Tensor | null {
  const [places, device] = [rows.size(1), rows.device];
  const counts = grids.map(([height, width]) => height * width);
  if (counts.every((count) => count === places)) return null;
  return noGrad(() => {
    const ends = fromData(Int32Array.from(counts), [counts.length, 1], { device });
    return arange(places, { device }).unsqueeze(0).lt(ends).logicalNot();
  });
}

/** x [count, W] -> [places, W], zeros at the end. */
function filled(x: Tensor, places: number): Tensor {
  const missing = places - x.size(0);
  if (missing === 0) return x;
  return cat([x, zeros([missing, x.size(1)], { dtype: x.dtype, device: x.device })]);
}
