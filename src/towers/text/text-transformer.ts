/**
 * Pre-norm text towers: CLIP's (causal, read at the end-of-text token or at the greatest id), and those of SigLIP and of
 * LiT's small models (bidirectional, padding attended, read at the last position).
 */
import { z } from "zod";

import type { Position } from "../../nn/attention.ts";
import { normal, refillNormal } from "../../nn/initialize.ts";
import { Embedding, LayerNorm, Linear } from "../../nn/layers.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import { Block, runAll, runPooled, type RunOptions } from "../../nn/transformer.ts";
import { noGrad, type Tensor } from "../../torch/index.ts";
import {
  bigVisionLayers,
  initializeAttention,
  initializeHead,
  initializeMlp,
  layersOf,
  refillZeros,
  type Letter,
} from "../big-vision-defaults.ts";
import { checkChoice, checkSizes, checkTransformer } from "../check-config.ts";
import {
  activation,
  completed,
  initialization,
  normEpsilon,
  projectionBias,
  transformerSizes,
} from "../recipe-fields.ts";
import { textTowerKind, type ConfigOf, type Vocabulary } from "../tower-kind.ts";
import type { TextTower } from "../tower.ts";

const schema = z
  .strictObject({
    kind: z.literal("transformer"),
    ...transformerSizes,
    activation: activation.optional(),
    normEpsilon: normEpsilon.optional(),
    attention: z
      .enum(["causal", "bidirectional"])
      .optional()
      .describe(
        "whether tokens look back only, or everywhere, padding included; `causal` when absent",
      ),
    pooling: z
      .enum(["eot", "greatest", "last"])
      .optional()
      .describe(
        "features: output at the end of text (CLIP), at a row's greatest id or at the last place; `eot` when absent",
      ),
    projectionBias,
    initialization,
  })
  .describe("a pre-norm transformer: CLIP's, SigLIP's, LiT's small ones");

export interface TextTransformerConfig extends ConfigOf<
  typeof schema,
  "mlpWidth" | "activation" | "normEpsilon"
> {
  /** The longest input in tokens, the start and end tokens included. */
  contextLength: number;
  vocabSize: number;
  /**
   * The token that ends a text; with `eot` pooling the tower is read at its first place. With
   * `greatest` nothing is computed from it.
   */
  eotTokenId: number;
  padTokenId: number;
}

const siglip = (letter: Letter) => (): TextTransformerConfig => ({
  kind: "transformer",
  contextLength: 64,
  vocabSize: 32_000,
  ...layersOf(letter),
  ...bigVisionLayers,
  initialization: "bigVision",
  eotTokenId: 1,
  padTokenId: 1,
  attention: "bidirectional",
  pooling: "last",
  projectionBias: true,
});

/** Gemma's vocabulary, padded with id 0. */
const siglip2 = (letter: Letter) => (): TextTransformerConfig => ({
  ...siglip(letter)(),
  vocabSize: 256_000,
  padTokenId: 0,
});

const lit = (letter: Letter) => (): TextTransformerConfig => ({
  ...siglip(letter)(),
  contextLength: 16,
  vocabSize: 16_000,
});

/** Vocabulary and special tokens are those of the published tokenizers. */
export const textSizes: Readonly<Record<string, () => TextTransformerConfig>> = {
  "siglip-Ti": siglip("Ti"),
  "siglip-S": siglip("S"),
  "siglip-B": siglip("B"),
  "siglip-L": siglip("L"),
  "siglip-So400m": siglip("So400m"),
  "siglip2-B": siglip2("B"),
  "siglip2-L": siglip2("L"),
  "siglip2-So400m": siglip2("So400m"),
  "lit-Ti": lit("Ti"),
  "lit-S": lit("S"),
};

/** CLIP's causal layers, but GELU, with its vocabulary; a run takes those of its tokenizer. */
const small = (width: number, depth: number) => (): TextTransformerConfig => ({
  kind: "transformer",
  contextLength: 77,
  vocabSize: 49_408,
  width,
  depth,
  heads: width / 32,
  mlpWidth: 4 * width,
  activation: "gelu",
  normEpsilon: 1e-5,
  eotTokenId: 49_407,
  padTokenId: 0,
});

/** Sizes of limn's own, to be trained from scratch on a few cores: width x depth. */
export const smallTextSizes: Readonly<Record<string, () => TextTransformerConfig>> = {
  "clip-text-128x2": small(128, 2),
  "clip-text-256x4": small(256, 4),
};

/** The pre-norm text transformer, declared. */
export const textTransformer = textTowerKind({
  schema,
  sizes: { ...textSizes, ...smallTextSizes },
  cutsPositions: false,
  configure: (written, defaults) =>
    ({
      ...completed(written, defaults),
      contextLength: 0,
      vocabSize: 0,
      padTokenId: 0,
      eotTokenId: 0,
    }) as TextTransformerConfig,
  computed,
  withVocabulary,
  create: (config, embedDim) => new TextTransformer(config, embedDim),
});

function computed(config: TextTransformerConfig): object {
  const values: Partial<TextTransformerConfig> = { attention: "causal", pooling: "eot", ...config };
  // Nothing behind the end of text is looked at.
  if (values.attention === "causal" && values.pooling === "eot") delete values.padTokenId;
  // No id is above the last of the vocabulary.
  const endsLast = values.eotTokenId === config.vocabSize - 1;
  if (values.pooling === "eot" && endsLast) values.pooling = "greatest";
  if (values.pooling !== "eot") delete values.eotTokenId;
  return values;
}

function withVocabulary(
  config: TextTransformerConfig,
  { vocabSize, contextLength, padId: padTokenId, endId }: Vocabulary,
  name: string,
): TextTransformerConfig {
  const fitted = { ...config, vocabSize, contextLength, padTokenId };
  if (fitted.pooling === "last") return { ...fitted, eotTokenId: endId ?? 0 };
  if (endId === undefined) {
    throw new RangeError(
      `Expected an end-of-text token for ${name} but received a tokenizer without one; ` +
        "the text tower is read at that token",
    );
  }
  if (endId === 2 && fitted.pooling !== "greatest") {
    throw new RangeError(
      `Expected an end-of-text token other than 2 for ${name} but received 2; ` +
        "Hugging Face's CLIP reads that number as another rule, so give the token another id",
    );
  }
  return { ...fitted, eotTokenId: endId };
}

export class TextTransformer extends Module implements TextTower {
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Parameter;
  readonly blocks: Block[];
  readonly normAfter: LayerNorm;
  readonly projection: Linear | null;
  readonly config: TextTransformerConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };
  readonly aboveBlocks = ["projection"];
  /**
   * Where attention looks back only and is read at the end token, what follows is free to be cut. Not
   * with `greatest`: padding may have the greatest id.
   */
  readonly trimmable: boolean;
  readonly causal: boolean;

  /**
   * Random weights: `clip` as openai/CLIP's `initialize_parameters`, `bigVision` as big_vision's
   * text_transformer.py.
   *
   * embedDim  width of the projection; null for none
   * throws    RangeError for sizes and choices that cannot be
   */
  constructor(config: TextTransformerConfig, embedDim: number | null) {
    super();
    const { contextLength, vocabSize, width, depth, normEpsilon } = config;
    const { attention = "causal", pooling = "eot", initialization = "clip" } = config;
    checkSizes({ contextLength, vocabSize });
    checkTransformer(config);
    checkChoice("attention", attention, ["causal", "bidirectional"]);
    checkChoice("pooling", pooling, ["eot", "greatest", "last"]);
    this.causal = attention === "causal";
    const bigVision = initialization === "bigVision";
    this.config = config;
    this.featureDim = width;
    this.trimmable = this.causal && pooling === "eot";
    this.tokenEmbedding = new Embedding(vocabSize, width, bigVision ? width ** -0.5 : 0.02);
    this.positionEmbedding = normal([contextLength, width], bigVision ? width ** -0.5 : 0.01);
    this.blocks = Array.from(
      { length: depth },
      () => new Block({ ...config, causal: this.causal }),
    );
    this.normAfter = new LayerNorm(width, normEpsilon);
    this.projection = embedDim === null ? null : head(config, embedDim);
    for (const block of this.blocks) {
      if (bigVision) initializeBlockAsBigVision(block);
      else initializeBlock(block, width, depth);
    }
  }

  /**
   * tokens int [N, T] -> textFeatures [N, W], before the projection. T is up to contextLength where
   * the tower is trimmable, contextLength elsewhere.
   *
   * throws  RangeError for rows of another length
   */
  features(tokens: Tensor): Tensor {
    const { contextLength, padTokenId } = this.config;
    if (!this.trimmable && tokens.size(1) < contextLength) {
      throw new RangeError(
        `Expected ${contextLength} tokens for textTower, which reads padding too, but received ` +
          `${tokens.size(1)}; pad the texts with ${padTokenId}`,
      );
    }
    const embedded = this.#embed(tokens);
    return this.normAfter.forward(runPooled(this.blocks, embedded, this.#at(tokens), this.run));
  }

  #embed(tokens: Tensor): Tensor {
    const length = tokens.size(1);
    if (length > this.config.contextLength) {
      throw new RangeError(
        `Expected at most ${this.config.contextLength} tokens for textTower but received ${length}; ` +
          "truncate the texts or raise contextLength",
      );
    }
    const positions = this.positionEmbedding.tensor.narrow(0, 0, length);
    return this.tokenEmbedding.forward(tokens).add(positions);
  }

  #at(tokens: Tensor): Position {
    const { pooling } = this.config;
    if (pooling === "last") return "last";
    if (pooling === "greatest") return noGrad(() => tokens.argmax(1));
    return noGrad(() => tokens.eq(this.config.eotTokenId).to("int32").argmax(1));
  }

  /**
   * The output at every position, tokens int [N, T] -> [N, T, W]: of a causal tower, position t has
   * seen tokens up to t only, which is what predicting the next one takes.
   *
   * throws  RangeError for rows longer than contextLength
   */
  hidden(tokens: Tensor): Tensor {
    return this.normAfter.forward(runAll(this.blocks, this.#embed(tokens), this.run));
  }

  /** tokens int [N, T] -> [N, D], not yet unit rows. */
  forward(tokens: Tensor): Tensor {
    const features = this.features(tokens);
    return this.projection ? this.projection.forward(features) : features;
  }
}

function head(config: TextTransformerConfig, embedDim: number): Linear {
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

function initializeBlockAsBigVision({ attention, mlp }: Block): void {
  initializeAttention(attention);
  initializeMlp(mlp);
}

function initializeBlock(block: Block, width: number, depth: number): void {
  const inner = width ** -0.5 * (2 * depth) ** -0.5;
  refillNormal(block.attention.input.weight, width ** -0.5);
  refillNormal(block.attention.output.weight, inner);
  refillNormal(block.mlp.up.weight, (2 * width) ** -0.5);
  refillNormal(block.mlp.down.weight, inner);
}
