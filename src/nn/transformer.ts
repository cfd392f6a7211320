/** Pre-norm transformer blocks: x += attention(norm1(x)); x += mlp(norm2(x)). */
import { checkpoint, type Tensor } from "../torch/index.ts";
import type { Activation } from "./activation.ts";
import { MultiHeadAttention, type AttentionOptions } from "./attention.ts";
import { LayerNorm } from "./layers.ts";
import { Mlp } from "./mlp.ts";
import { Module } from "./module.ts";
import { stochasticDepth } from "./regularize.ts";

export interface BlockConfig extends AttentionOptions {
  width: number;
  heads: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
  /** Probability that a sample skips a branch in training. */
  stochasticDepth?: number;
}

export class Block extends Module {
  readonly norm1: LayerNorm;
  readonly attention: MultiHeadAttention;
  readonly norm2: LayerNorm;
  readonly mlp: Mlp;
  readonly #skip: number;

  constructor(config: BlockConfig) {
    super();
    const { width, heads, mlpWidth, activation, normEpsilon } = config;
    this.norm1 = new LayerNorm(width, normEpsilon);
    this.attention = new MultiHeadAttention(width, heads, config);
    this.norm2 = new LayerNorm(width, normEpsilon);
    this.mlp = new Mlp(width, mlpWidth, activation);
    this.#skip = config.stochasticDepth ?? 0;
  }

  /** x [N, T, W] -> [N, T, W] */
  forward(x: Tensor): Tensor {
    const attended = x.add(this.#branch(this.attention.forward(this.norm1.forward(x))));
    return attended.add(this.#branch(this.mlp.forward(this.norm2.forward(attended))));
  }

  /**
   * The block's output at one position per row: [N, W], equal to `forward` at those rows. Everything
   * but keys and values is computed for one position only, which saves 10/12 of the block.
   */
  forwardAt(x: Tensor, rows: Tensor, positions: Tensor | null): Tensor {
    const normed = this.norm1.forward(x);
    const query = this.norm1.forward(rows);
    const attended = rows.add(this.#branch(this.attention.forwardAt(normed, query, positions)));
    return attended.add(this.#branch(this.mlp.forward(this.norm2.forward(attended))));
  }

  #branch(x: Tensor): Tensor {
    return stochasticDepth(x, this.#skip, this.training);
  }
}

/** How a stack of blocks is run; set by the trainer, not learned. */
export interface RunOptions {
  /** Recompute activations in the backward pass instead of holding them. */
  checkpointing: boolean;
}

/** Runs all blocks but the last in full and the last at one position per row. Returns [N, W]. */
export function runPooled(
  blocks: readonly Block[],
  x: Tensor,
  positions: Tensor | null,
  { checkpointing }: RunOptions,
): Tensor {
  let hidden = x;
  for (const block of blocks.slice(0, -1)) {
    hidden = checkpointing ? forwardAgainLater(block, hidden) : block.forward(hidden);
  }
  const rows = pick(hidden, positions);
  const last = blocks[blocks.length - 1];
  return last ? last.forwardAt(hidden, rows, positions) : rows;
}

/** The block's output, with its activations computed again in the backward pass. */
function forwardAgainLater(block: Block, x: Tensor): Tensor {
  const weights = block.parameters().map(({ tensor }) => tensor);
  return checkpoint(x, weights, (input) => block.forward(input));
}

/** x [N, T, W] at one position per row (the first when positions is null): [N, W]. */
export function pick(x: Tensor, positions: Tensor | null): Tensor {
  if (positions === null) return x.select(1, 0);
  const index = positions.view(-1, 1, 1).expand(x.size(0), 1, x.size(2));
  return x.gather(1, index).squeeze(1);
}
