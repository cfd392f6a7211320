/** The image tower of a flax checkpoint: big_vision's ViT, as SigLIP, LiT and AugReg have it. */
import type { NaflexVisionTransformerConfig } from "../../../towers/image/naflex-vision-transformer.ts";
import {
  partialPatches,
  type VisionTransformerConfig,
} from "../../../towers/image/vision-transformer.ts";
import { leadingOne, transposed, type KeyTable } from "../../weights/key-table.ts";
import {
  attention,
  blocks,
  convolution,
  dense,
  norm,
  squareOfPlaces,
  withoutClassRow,
} from "./flax-forms.ts";
import { layersOf, namesOf, type Layers, type FlaxShapes } from "./shapes.ts";

export interface FlaxImageTower {
  config: VisionTransformerConfig | NaflexVisionTransformerConfig;
  /** Width of its head; null where the features are the embeddings. */
  embedDim: number | null;
  keys: KeyTable["keys"];
}

/**
 * The tower under `prefix`: `img/`, or nothing for a file of one tower. Sizes come from the shapes;
 * activation and epsilon are those of all of big_vision's (models/vit.py).
 *
 * imageSize  of the pictures, where their patches leave a rest that the shapes do not show
 * throws     CheckpointError naming the weight that is missing or of another shape
 */
export function readImageTower(
  shapes: FlaxShapes,
  prefix: string,
  imageSize?: number,
): FlaxImageTower {
  if (shapes.has(`${prefix}conv_root/kernel`)) {
    shapes.refuse(`patches of pixels in ${prefix}embedding/kernel`, "a ViT behind a ResNet");
  }
  const stack = `${prefix}Transformer`;
  const names = namesOf(shapes, stack);
  const layers = layersOf(shapes, stack, names);
  const tower = shapes.rank(`${prefix}embedding/kernel`) === 2 ? readNaflex : readSquare;
  const { config, keys } = tower(shapes, prefix, layers, imageSize);
  const head = `${prefix}head/kernel`;
  return {
    config,
    embedDim: shapes.has(head) ? (shapes.sides(head, 2)[1] ?? 0) : null,
    keys: {
      "imageTower.patchEmbedding.bias": `${prefix}embedding/bias`,
      ...keys,
      ...blocks("imageTower.blocks.#", stack, names, layers.heads),
      ...norm("imageTower.normAfter", `${stack}/encoder_norm`),
      ...mapKeys(`${prefix}MAPHead_0`, layers.heads),
      ...dense("imageTower.projection", `${prefix}head`),
    },
  };
}

type Read = Pick<FlaxImageTower, "config" | "keys">;

const shared = { activation: "geluTanh", normEpsilon: 1e-6, projectionBias: true } as const;

function readSquare(
  shapes: FlaxShapes,
  prefix: string,
  layers: Layers,
  imageSize: number | undefined,
): Read {
  const kernel = `${prefix}embedding/kernel`;
  const [patchSize = 0, patchWidth, channels, width = 0] = shapes.sides(kernel, 4);
  if (patchSize !== patchWidth || channels !== 3) {
    shapes.refuse(`square patches of three channels in ${kernel}`, shapes.text(kernel));
  }
  const classToken = shapes.has(`${prefix}cls`);
  const table = placesName(shapes, prefix);
  const [, places = 0] = shapes.sides(table, 3);
  // As big_vision tells it: a table of one place more than a square has the class token's (vit.py).
  const hasClassRow = classToken && Math.floor(Math.sqrt(places)) ** 2 + 1 === places;
  const side = Math.sqrt(hasClassRow ? places - 1 : places);
  if (!Number.isInteger(side)) {
    shapes.refuse(`a square of places in ${table}`, `${places} places`);
  }
  const pooling = shapes.has(`${prefix}MAPHead_0/probe`) ? "map" : classToken ? "class" : "mean";
  return {
    config: {
      ...{ kind: "vit", ...pictureSize(side, patchSize, imageSize), width, ...layers, ...shared },
      ...{ classToken, pooling, normBefore: false, patchBias: true, initialization: "bigVision" },
    },
    keys: {
      "imageTower.patchEmbedding.weight": { names: [kernel], form: convolution },
      "imageTower.classEmbedding": { names: [`${prefix}cls`], form: classShape },
      "imageTower.positionEmbedding": {
        names: [table],
        form: classToken && !hasClassRow ? withoutClassRow : leadingOne,
      },
    },
  };
}

/** Where flax put the places in the course of time (vit.py, `fix_old_checkpoints`). */
function placesName(shapes: FlaxShapes, prefix: string): string {
  const older = ["Transformer/posembed_input/pos_embedding", "Transformer/pos_embedding"];
  const found = older.find((name) => shapes.has(prefix + name));
  return prefix + (found ?? "pos_embedding");
}

/** The one size of published pictures whose patches leave a rest: So400m/14 at 384. */
const partialSize = 384;

/**
 * `side` patches side by side are pictures of any size that holds as many whole ones.
 *
 * given  what the caller says of it
 */
function pictureSize(
  side: number,
  patchSize: number,
  given: number | undefined,
): Pick<VisionTransformerConfig, "imageSize" | "patchSize" | "dropsPartialPatches"> {
  const sizes = [given, partialSize].filter((size) => size !== undefined);
  const imageSize = sizes.find((size) => Math.floor(size / patchSize) === side) ?? side * patchSize;
  return { imageSize, patchSize, ...partialPatches(imageSize, patchSize) };
}

/** NaFlex: a dense layer over the pixels of a patch, and a table of rows and columns. */
function readNaflex(shapes: FlaxShapes, prefix: string, layers: Layers): Read {
  const kernel = `${prefix}embedding/kernel`;
  const [pixels = 0, width = 0] = shapes.sides(kernel, 2);
  const patchSize = Math.sqrt(pixels / 3);
  if (!Number.isInteger(patchSize)) {
    shapes.refuse(`square patches of three channels in ${kernel}`, shapes.text(kernel));
  }
  const table = `${prefix}pos_embedding`;
  const [rows = 0, columns] = shapes.sides(table, 3);
  if (rows !== columns) shapes.refuse(`a square of places in ${table}`, shapes.text(table));
  // The NaFlex tower has no other pooling.
  shapes.sides(`${prefix}MAPHead_0/probe`, 3);
  return {
    config: { kind: "naflex", imageSize: rows * patchSize, patchSize, width, ...layers, ...shared },
    keys: {
      "imageTower.patchEmbedding.weight": { names: [kernel], form: transposed },
      "imageTower.positionEmbedding": { names: [table], form: squareOfPlaces },
    },
  };
}

const classShape = { ...leadingOne, shape: (shape: readonly number[]) => [1, 1, ...shape] };

function mapKeys(head: string, heads: number): KeyTable["keys"] {
  return {
    "imageTower.pooling.probe": `${head}/probe`,
    ...attention("imageTower.pooling.attention", `${head}/MultiHeadDotProductAttention_0`, heads),
    ...norm("imageTower.pooling.norm", `${head}/LayerNorm_0`),
    ...dense("imageTower.pooling.mlp.up", `${head}/MlpBlock_0/Dense_0`),
    ...dense("imageTower.pooling.mlp.down", `${head}/MlpBlock_0/Dense_1`),
  };
}
