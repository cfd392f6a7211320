/**
 * A CLIP from the shapes of its weights, as openai/CLIP's `build_model` does it. What shapes do not
 * say is the activation; and the number of heads, which is one per 64 columns in OpenAI's.
 */
import { CheckpointError } from "../../../errors.ts";
import type { Activation } from "../../../nn/activation.ts";
import type { ImageTowerConfig, TextTowerConfig } from "../../../towers/index.ts";
import type { Weights } from "../../weights/weight-file.ts";
import { unsettled } from "../../layout.ts";
import { readAtArgmax } from "../end-of-text.ts";
import { clipNames } from "./keys.ts";
import type { OpenClipModel } from "./model-config.ts";

/** Columns per head of a width of columns; undefined where it cannot be known. */
type HeadWidth = (width: number) => number | undefined;

/** OpenAI's rule. */
export const openAiHeads: HeadWidth = () => 64;

/** Of the widths that open_clip's large ViTs have; 64 columns are its default. */
const wideHeads: Readonly<Record<number, number>> = { 1280: 80, 1408: 88, 1664: 104, 1792: 112 };

export const openClipImageHeads: HeadWidth = (width) =>
  wideHeads[width] ?? (width <= 1024 ? 64 : undefined);
export const openClipTextHeads: HeadWidth = (width) => (width <= 1280 ? 64 : undefined);

interface InferOptions {
  activation: Activation;
  imageHeads: HeadWidth;
  textHeads: HeadWidth;
}

/**
 * throws  CheckpointError for weights that are no CLIP's, or whose shapes cannot be, naming the weight;
 *         naming `architecture` where shapes do not say enough
 */
export function inferClip(weights: Weights, options: InferOptions): OpenClipModel {
  const shapes = new Shapes(weights);
  if (shapes.has("visual.trunk.pos_embed")) {
    throw unsettled(weights.file, "architecture", "open_clip's name of a model with timm's tower");
  }
  const text = shapes.has("text.positional_embedding") ? "text." : "";
  if (shapes.has(`${text}text_projection.weight`)) {
    throw unsettled(
      weights.file,
      "architecture",
      "open_clip's name of a model whose text looks ahead",
    );
  }
  const image = shapes.has("visual.layer1.0.conv1.weight") ? "modifiedResNet" : "vit";
  const [, embedDim] = shapes.of(`${text}text_projection`, 2);
  const bias = shapes.has("logit_bias");
  return {
    config: {
      embedDim,
      image: image === "vit" ? inferVit(shapes, options) : inferResNet(shapes),
      text: inferText(shapes, text, options),
      logitScaleLogInit: Math.log(1 / 0.07),
      ...(bias && { logitBiasInit: -10 }),
    },
    names: { ...clipNames, image, text },
  };
}

/** Shapes by name. */
class Shapes {
  readonly weights: Weights;

  constructor(weights: Weights) {
    this.weights = weights;
  }

  has(name: string): boolean {
    return this.weights.has(name);
  }

  /** Throws CheckpointError where the weight is absent or has not `rank` dimensions. */
  of<const R extends 1 | 2 | 4>(name: string, rank: R): Dimensions[R] {
    const shape = this.has(name) ? this.weights.info(name).shape : undefined;
    if (shape?.length === rank) return shape as unknown as Dimensions[R];
    throw new CheckpointError(
      this.weights.file,
      `Expected the weights of a CLIP in ${this.weights.file} but ${name} ` +
        (shape === undefined ? "is missing" : `has the shape [${shape.join(", ")}]`) +
        "; give a checkpoint of open_clip or OpenAI, or name its architecture",
    );
  }

  /** How many different numbers stand for `#` in names that start like `pattern`. */
  count(pattern: string): number {
    const [before = "", after = ""] = pattern.split("#");
    const numbers = this.weights.names
      .filter((name) => name.startsWith(before))
      .map((name) => name.slice(before.length).split(".", 1)[0] + after);
    return new Set(numbers).size;
  }

  /** Side of the grid of a table of positions with one place before it. */
  grid(name: string): number {
    const [places] = this.of(name, 2);
    const side = Math.sqrt(places - 1);
    if (Number.isInteger(side) && side >= 1) return side;
    throw new CheckpointError(
      this.weights.file,
      `Expected one place and a square of them for ${name} in ${this.weights.file} but received ` +
        `${places}; limn's pictures are square`,
    );
  }
}

interface Dimensions {
  1: readonly [number];
  2: readonly [number, number];
  4: readonly [number, number, number, number];
}

function heads(shapes: Shapes, width: number, rule: HeadWidth): number {
  const count = width / (rule(width) ?? Number.NaN);
  if (Number.isInteger(count)) return count;
  const what = `open_clip's name of the model, as heads of a width of ${width} cannot be counted,`;
  throw unsettled(shapes.weights.file, "architecture", what);
}

function inferVit(shapes: Shapes, { activation, imageHeads }: InferOptions): ImageTowerConfig {
  const [width, , patchSize] = shapes.of("visual.conv1.weight", 4);
  const [mlpWidth] = shapes.of("visual.transformer.resblocks.0.mlp.c_fc.weight", 2);
  return {
    kind: "vit",
    imageSize: patchSize * shapes.grid("visual.positional_embedding"),
    patchSize,
    width,
    depth: shapes.count("visual.transformer.resblocks.#."),
    heads: heads(shapes, width, imageHeads),
    mlpWidth,
    activation,
    normEpsilon: 1e-5,
  };
}

function inferResNet(shapes: Shapes): ImageTowerConfig {
  const [width] = shapes.of("visual.layer1.0.conv1.weight", 4);
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => shapes.count(`visual.layer${n}.#.`));
  return {
    kind: "modifiedResNet",
    imageSize: 32 * shapes.grid("visual.attnpool.positional_embedding"),
    width,
    depths: [one, two, three, four] as [number, number, number, number],
    heads: heads(shapes, 32 * width, openAiHeads),
  };
}

function inferText(
  shapes: Shapes,
  prefix: string,
  { activation, textHeads }: InferOptions,
): TextTowerConfig {
  const [vocabSize, width] = shapes.of(`${prefix}token_embedding.weight`, 2);
  const [contextLength] = shapes.of(`${prefix}positional_embedding`, 2);
  const [mlpWidth] = shapes.of(`${prefix}transformer.resblocks.0.mlp.c_fc.weight`, 2);
  return {
    kind: "transformer",
    contextLength,
    vocabSize,
    width,
    depth: shapes.count(`${prefix}transformer.resblocks.#.`),
    heads: heads(shapes, width, textHeads),
    mlpWidth,
    activation,
    normEpsilon: 1e-5,
    ...readAtArgmax(vocabSize),
    padTokenId: 0,
  };
}
