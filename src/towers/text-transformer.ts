/** CLIP's text tower: a causal transformer read at the end-of-text token, and a projection. */
import type { Activation } from "../nn/activation.ts";
import { normal, refillNormal } from "../nn/initialize.ts";
import { Embedding, LayerNorm, Linear } from "../nn/layers.ts";
import { Module, type Parameter } from "../nn/module.ts";
import { Block, runPooled, type RunOptions } from "../nn/transformer.ts";
import { noGrad, type Tensor } from "../torch/index.ts";

export interface TextTransformerConfig {
  /** The longest input in tokens, the start and end tokens included. */
  contextLength: number;
  vocabSize: number;
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
  /** The token that ends a text; the tower is read at its first place. */
  eotTokenId: number;
  padTokenId: number;
}

export class TextTransformer extends Module {
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Parameter;
  readonly blocks: Block[];
  readonly normAfter: LayerNorm;
  readonly projection: Linear;
  readonly config: TextTransformerConfig;
  readonly run: RunOptions = { checkpointing: false };
  /** Attention looks back only, so what follows the end token is free to be cut off. */
  readonly causal = true;

  /** Initialised as openai/CLIP's `initialize_parameters`. */
  constructor(config: TextTransformerConfig, embedDim: number) {
    super();
    const { contextLength, vocabSize, width, depth, normEpsilon } = config;
    this.config = config;
    this.tokenEmbedding = new Embedding(vocabSize, width, 0.02);
    this.positionEmbedding = normal([contextLength, width], 0.01);
    this.blocks = Array.from({ length: depth }, () => new Block({ ...config, causal: true }));
    this.normAfter = new LayerNorm(width, normEpsilon);
    this.projection = new Linear(width, embedDim, { bias: false });
    refillNormal(this.projection.weight, width ** -0.5);
    for (const block of this.blocks) initializeBlock(block, width, depth);
  }

  /**
   * tokens int [N, T], T up to contextLength -> textFeatures [N, W], before the projection.
   *
   * throws  RangeError for longer rows
   */
  features(tokens: Tensor): Tensor {
    const length = tokens.size(1);
    if (length > this.config.contextLength) {
      throw new RangeError(
        `Expected at most ${this.config.contextLength} tokens for textTower but received ${length}; ` +
          "truncate the texts or raise contextLength",
      );
    }
    const positions = this.positionEmbedding.tensor.narrow(0, 0, length);
    const embedded = this.tokenEmbedding.forward(tokens).add(positions);
    const ends = noGrad(() => tokens.eq(this.config.eotTokenId).to("int32").argmax(1));
    return this.normAfter.forward(runPooled(this.blocks, embedded, ends, this.run));
  }

  /** tokens int [N, T] -> [N, D], not yet unit rows. */
  forward(tokens: Tensor): Tensor {
    return this.projection.forward(this.features(tokens));
  }
}

function initializeBlock(block: Block, width: number, depth: number): void {
  const inner = width ** -0.5 * (2 * depth) ** -0.5;
  refillNormal(block.attention.input.weight, width ** -0.5);
  refillNormal(block.attention.output.weight, inner);
  refillNormal(block.mlp.up.weight, (2 * width) ** -0.5);
  refillNormal(block.mlp.down.weight, inner);
}
