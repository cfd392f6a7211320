/** The image tower of a flax checkpoint: big_vision's ViT, as SigLIP, LiT and AugReg have it. */
import { CheckpointError } from "../../../errors.ts";
import type { VisionTransformerConfig } from "../../../towers/vision-transformer.ts";
import { leadingOne, type KeyTable } from "../../weights/key-table.ts";
import {
  attention,
  blockNames,
  blocks,
  convolution,
  dense,
  norm,
  withoutClassRow,
  type BlockNames,
} from "./flax-forms.ts";
import type { FlaxShapes } from "./shapes.ts";

export interface FlaxImageTower {
  config: VisionTransformerConfig;
  /** Width of its head; null where the features are the embeddings. */
  embedDim: number | null;
  keys: KeyTable["keys"];
}

/**
 * The tower under `prefix`: `img/`, or nothing for a file of one tower. Sizes come from the shapes;
 * activation and epsilon are those of all of big_vision's (models/vit.py).
 *
 * throws  CheckpointError naming the weight that is missing or of another shape
 */
export function readImageTower(shapes: FlaxShapes, prefix: string): FlaxImageTower {
  const stack = `${prefix}Transformer`;
  const names = namesOf(shapes, stack);
  const [patchSize = 0, , , width = 0] = shapes.sides(`${prefix}embedding/kernel`, 4);
  const { depth, heads, mlpWidth } = layersOf(shapes, stack, names);
  const classToken = shapes.has(`${prefix}cls`);
  const table = shapes.has(`${stack}/posembed_input/pos_embedding`)
    ? `${stack}/posembed_input/pos_embedding`
    : `${prefix}pos_embedding`;
  const [, places = 0] = shapes.sides(table, 3);
  const classRow = classToken && Number.isInteger(Math.sqrt(places - 1));
  const side = Math.sqrt(classRow ? places - 1 : places);
  if (!Number.isInteger(side)) refuseGrid(shapes, table, places);
  const map = shapes.has(`${prefix}MAPHead_0/probe`);
  const pooling = map ? "map" : classToken ? "class" : "mean";
  const headWidth = shapes.has(`${prefix}head/kernel`)
    ? (shapes.sides(`${prefix}head/kernel`, 2)[1] ?? 0)
    : null;
  return {
    config: {
      ...{ kind: "vit", imageSize: side * patchSize, patchSize, width, depth, heads, mlpWidth },
      ...{ activation: "geluTanh", normEpsilon: 1e-6, classToken, pooling },
      ...{ normBefore: false, patchBias: true, projectionBias: true, initialization: "bigVision" },
    },
    embedDim: headWidth,
    keys: {
      "imageTower.patchEmbedding.weight": {
        names: [`${prefix}embedding/kernel`],
        form: convolution,
      },
      "imageTower.patchEmbedding.bias": `${prefix}embedding/bias`,
      "imageTower.classEmbedding": { names: [`${prefix}cls`], form: classShape },
      "imageTower.positionEmbedding": {
        names: [table],
        form: classToken && !classRow ? withoutClassRow : leadingOne,
      },
      ...blocks("imageTower.blocks.#", stack, names, heads),
      ...norm("imageTower.normAfter", `${stack}/encoder_norm`),
      ...mapKeys(`${prefix}MAPHead_0`, heads),
      ...dense("imageTower.projection", `${prefix}head`),
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

/** Throws CheckpointError for a stack of blocks under names that no version of flax gave. */
export function namesOf(shapes: FlaxShapes, stack: string): BlockNames {
  const names = blockNames((name) => shapes.has(name), stack);
  if (names) return names;
  throw new CheckpointError(
    shapes.file,
    `Expected blocks ${stack}/encoderblock_0 or ${stack}/encoderblock in ${shapes.file} but there ` +
      "are none; give a checkpoint of big_vision's SigLIP, of LiT or of an AugReg ViT",
  );
}

/** Number of blocks, heads and inner width of a stack. */
export function layersOf(
  shapes: FlaxShapes,
  stack: string,
  { stacked, norm1, attention: inner, mlp }: BlockNames,
): { depth: number; heads: number; mlpWidth: number } {
  const block = `${stack}/encoderblock${stacked ? "" : "_0"}`;
  const leading = stacked ? 1 : 0;
  const query = shapes.sides(`${block}/${inner}/query/kernel`, 3 + leading);
  const hidden = shapes.sides(`${block}/${mlp}/Dense_0/kernel`, 2 + leading);
  return {
    depth: stacked ? (query[0] ?? 0) : shapes.count(`${stack}/encoderblock_#/${norm1}/scale`),
    heads: query[1 + leading] ?? 0,
    mlpWidth: hidden[1 + leading] ?? 0,
  };
}

function refuseGrid({ file }: FlaxShapes, table: string, places: number): never {
  throw new CheckpointError(
    file,
    `Expected a square of positions in ${table} of ${file} but received ${places}; limn reads ` +
      "square pictures from such files",
  );
}
