/**
 * BERT (Devlin et al., arXiv:1810.04805) as a text tower: post-norm blocks, padding masked, read at
 * the class token, which comes first. ALIGN's and LiT's text towers. No next-sentence pooler.
 */
import { z } from "zod";

import { refillXavier, zerosParameter } from "../../nn/initialize.ts";
import { Embedding, LayerNorm, Linear } from "../../nn/layers.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import { PostNormBlock, runAll, runPooled, type RunOptions } from "../../nn/transformer.ts";
import { arange, noGrad, type Tensor } from "../../torch/index.ts";
import { refillTruncatedNormal, refillZeros } from "../big-vision-defaults.ts";
import { checkSizes, checkTransformer } from "../check-config.ts";
import {
  activation,
  completed,
  normEpsilon,
  projectionBias,
  transformerSizes,
} from "../recipe-fields.ts";
import { textTowerKind, type ConfigOf } from "../tower-kind.ts";
import type { TextTower } from "../tower.ts";

const schema = z
  .strictObject({
    kind: z.literal("bert"),
    ...transformerSizes,
    activation: activation
      .default("gelu")
      .describe("activation of the perceptrons: `gelu` in BERT and ALIGN, `geluTanh` in LiT"),
    normEpsilon: normEpsilon.default(1e-12),
    projectionBias: projectionBias.describe("whether the projection has a bias; true when absent"),
  })
  .describe("BERT, read at its class token: ALIGN's and LiT's text tower");

export interface BertConfig extends ConfigOf<typeof schema, "mlpWidth"> {
  /** The longest input in tokens, and the rows of the table of positions. */
  contextLength: number;
  vocabSize: number;
  /** What texts are filled up with; nothing attends to it. */
  padTokenId: number;
  /**
   * Where `padTokenId` is padding: `behind` the last other token, as transformers' mask has it, or
   * `anywhere`, as big_vision looks at ids alone. `behind` when absent.
   */
  padding?: "behind" | "anywhere";
}

const sized = (width: number, depth: number) => (): BertConfig => ({
  kind: "bert",
  contextLength: 512,
  vocabSize: 30_522,
  width,
  depth,
  heads: width / 64,
  mlpWidth: 4 * width,
  activation: "gelu",
  normEpsilon: 1e-12,
  padTokenId: 0,
});

/** Devlin et al., arXiv:1810.04805, and the small ones of Turc et al., arXiv:1908.08962. */
export const bertSizes: Readonly<Record<string, () => BertConfig>> = {
  "bert-tiny": sized(128, 2),
  "bert-mini": sized(256, 4),
  "bert-small": sized(512, 4),
  "bert-medium": sized(512, 8),
  "bert-base": sized(768, 12),
  "bert-large": sized(1024, 24),
};

/** BERT, declared. */
export const bert = textTowerKind({
  schema,
  sizes: bertSizes,
  cutsPositions: true,
  configure: (written) =>
    ({ ...completed(written), contextLength: 0, vocabSize: 0, padTokenId: 0 }) as BertConfig,
  withVocabulary: (config: BertConfig, { vocabSize, contextLength, padId }) => ({
    ...config,
    vocabSize,
    contextLength,
    padTokenId: padId,
  }),
  create: (config, embedDim) => new Bert(config, embedDim),
});

export class Bert extends Module implements TextTower {
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Parameter;
  /** [2, W]: first and second sentence; a text is a first sentence. */
  readonly typeEmbedding: Parameter;
  readonly normBefore: LayerNorm;
  readonly blocks: PostNormBlock[];
  readonly projection: Linear | null;
  readonly config: BertConfig;
  readonly featureDim: number;
  readonly run: RunOptions = { checkpointing: false };
  readonly aboveBlocks = ["projection"];
  readonly trimmable = true;
  readonly causal = false;

  /**
   * Weights from a normal of deviation 0.02, cut at two deviations, as google-research/bert; biases
   * zero. The projection is Xavier-uniform, as transformers' AlignModel.
   *
   * embedDim  width of the projection; null for none
   * throws    RangeError for sizes that cannot be
   */
  constructor(config: BertConfig, embedDim: number | null) {
    super();
    const { contextLength, vocabSize, width, depth, normEpsilon, projectionBias = true } = config;
    checkSizes({ contextLength, vocabSize });
    checkTransformer(config);
    this.config = config;
    this.featureDim = width;
    this.tokenEmbedding = new Embedding(vocabSize, width);
    this.positionEmbedding = zerosParameter([contextLength, width]);
    this.typeEmbedding = zerosParameter([2, width]);
    this.normBefore = new LayerNorm(width, normEpsilon);
    this.blocks = Array.from({ length: depth }, () => new PostNormBlock(config));
    this.#initialize();
    this.projection = embedDim === null ? null : head(width, embedDim, projectionBias);
  }

  #initialize(): void {
    const tables = [this.tokenEmbedding.weight, this.positionEmbedding, this.typeEmbedding];
    for (const table of tables) refillTruncatedNormal(table, 0.02);
    for (const { attention, mlp } of this.blocks) {
      for (const { weight, bias } of [attention.input, attention.output, mlp.up, mlp.down]) {
        refillTruncatedNormal(weight, 0.02);
        refillZeros(bias);
      }
    }
  }

  /**
   * tokens int [N, T], T up to contextLength -> textFeatures [N, W], the class token's output.
   *
   * throws  RangeError for longer rows
   */
  features(tokens: Tensor): Tensor {
    const padding = this.#padding(tokens);
    return runPooled(this.blocks, this.#embed(tokens), "first", { ...this.run, padding });
  }

  /** The output at every position, tokens int [N, T] -> [N, T, W]; at padding it means nothing. */
  hidden(tokens: Tensor): Tensor {
    const padding = this.#padding(tokens);
    return runAll(this.blocks, this.#embed(tokens), { ...this.run, padding });
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
    const embedded = this.tokenEmbedding.forward(tokens).add(positions);
    return this.normBefore.forward(embedded.add(this.typeEmbedding.tensor.select(0, 0)));
  }

  /** bool [N, T]; the first place always counts, so that a row of padding has something to look at. */
  #padding(tokens: Tensor): Tensor {
    const { padTokenId, padding = "behind" } = this.config;
    return noGrad(() => {
      const places = arange(tokens.size(1), { device: tokens.device });
      const isPad = tokens.eq(padTokenId);
      if (padding === "anywhere") return isPad.mul(places.gt(0));
      return places.gt(isPad.eq(0).to("int64").mul(places).amax(1, true));
    });
  }

  /** tokens int [N, T] -> [N, D], not yet unit rows. */
  forward(tokens: Tensor): Tensor {
    const features = this.features(tokens);
    return this.projection ? this.projection.forward(features) : features;
  }
}

function head(width: number, embedDim: number, bias: boolean): Linear {
  const projection = new Linear(width, embedDim, { bias });
  refillXavier(projection.weight);
  refillZeros(projection.bias);
  return projection;
}
