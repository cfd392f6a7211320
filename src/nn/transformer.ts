/** Transformer blocks, with their norms before or after each branch, and stacks of them. */
import { checkpoint, gradEnabled, scope, type Tensor } from "../torch/index.ts";
import type { Activation } from "./activation.ts";
import {
  MultiHeadAttention,
  type AtPosition,
  type AttentionOptions,
  type Position,
} from "./attention.ts";
import { LayerNorm, Mlp } from "./layers.ts";
import { Module } from "./module.ts";
import type { After } from "./prepared-product.ts";
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

/** What a stack runs: every block of it is one of these. */
interface AnyBlock extends Module {
  /** x [N, T, W], padding bool [N, T] true where nothing attends to -> [N, T, W] */
  forward(x: Tensor, padding?: Tensor | null): Tensor;
  /**
   * The block's output at one position per row: [N, W], equal to `forward` at those rows. Everything
   * but keys and values is computed for one position only, which saves 10/12 of the block.
   */
  forwardAt(x: Tensor, rows: Tensor, at: AtPosition): Tensor;
}

/** Pre-norm: x += attention(norm1(x)); x += mlp(norm2(x)). */
export class Block extends Module implements AnyBlock {
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

  forward(x: Tensor, padding: Tensor | null = null): Tensor {
    const normed = this.norm1.forward(x);
    return this.#rest(this.#onto(x, (after) => this.attention.forward(normed, padding, after)));
  }

  forwardAt(x: Tensor, rows: Tensor, at: AtPosition): Tensor {
    const [normed, query] = [this.norm1.forward(x), this.norm1.forward(rows)];
    const attend = (after: After): Tensor =>
      this.attention.forwardAt(normed, query, { ...at, ...after });
    return this.#rest(this.#onto(rows, attend));
  }

  #rest(attended: Tensor): Tensor {
    const normed = this.norm2.forward(attended);
    return this.#onto(attended, (after) => this.mlp.forward(normed, after));
  }

  /** x + branch; the branch itself adds where nothing is left out of it. */
  #onto(x: Tensor, branch: (after: After) => Tensor): Tensor {
    if (!this.training || this.#skip === 0) return branch({ onto: x });
    return x.add(stochasticDepth(branch({}), this.#skip, this.training));
  }
}

/** Post-norm (BERT): x = norm1(x + attention(x)); x = norm2(x + mlp(x)). */
export class PostNormBlock extends Module implements AnyBlock {
  readonly attention: MultiHeadAttention;
  readonly norm1: LayerNorm;
  readonly mlp: Mlp;
  readonly norm2: LayerNorm;

  constructor(config: Omit<BlockConfig, "stochasticDepth">) {
    super();
    const { width, heads, mlpWidth, activation, normEpsilon } = config;
    this.attention = new MultiHeadAttention(width, heads, config);
    this.norm1 = new LayerNorm(width, normEpsilon);
    this.mlp = new Mlp(width, mlpWidth, activation);
    this.norm2 = new LayerNorm(width, normEpsilon);
  }

  forward(x: Tensor, padding: Tensor | null = null): Tensor {
    return this.#rest(this.attention.forward(x, padding, { onto: x }));
  }

  forwardAt(x: Tensor, rows: Tensor, at: AtPosition): Tensor {
    return this.#rest(this.attention.forwardAt(x, rows, { ...at, onto: rows }));
  }

  #rest(sum: Tensor): Tensor {
    const attended = this.norm1.forward(sum);
    return this.norm2.forward(this.mlp.forward(attended, { onto: attended }));
  }
}

/** How a stack of blocks is run; set by the trainer, not learned. */
export interface RunOptions {
  /** Recompute activations in the backward pass instead of holding them. */
  checkpointing: boolean;
}

interface StackOptions extends RunOptions {
  /** bool [N, T], true at positions that nothing attends to. */
  padding?: Tensor | null;
}

/** Runs all blocks in full: x [N, T, W] -> [N, T, W]. */
export function runAll(blocks: readonly AnyBlock[], x: Tensor, options: StackOptions): Tensor {
  const { checkpointing, padding = null } = options;
  if (checkpointing) {
    return blocks.reduce((hidden, block) => forwardAgainLater(block, hidden, padding), x);
  }
  // Without gradients nobody needs a block's insides again: freeing them at once keeps a forward
  // pass at the memory of one block, and that memory warm.
  const run: typeof scope = gradEnabled() ? (body) => body() : scope;
  return blocks.reduce((hidden, block) => run(() => block.forward(hidden, padding)), x);
}

/** Runs all blocks but the last in full and the last at one position per row. Returns [N, W]. */
export function runPooled(
  blocks: readonly AnyBlock[],
  x: Tensor,
  position: Position,
  options: StackOptions,
): Tensor {
  const hidden = runAll(blocks.slice(0, -1), x, options);
  const rows = pick(hidden, position);
  const last = blocks[blocks.length - 1];
  return last ? last.forwardAt(hidden, rows, { position, padding: options.padding }) : rows;
}

/** The block's output, with its activations computed again in the backward pass. */
function forwardAgainLater(block: AnyBlock, x: Tensor, padding: Tensor | null): Tensor {
  if (!gradEnabled()) return block.forward(x, padding);
  const weights = block.parameters().map(({ tensor }) => tensor);
  if (padding === null) return checkpoint(x, weights, (input) => block.forward(input));
  return checkpoint(x, weights, (input, mask) => block.forward(input, mask), [padding]);
}

/** x [N, T, W] at one position per row: [N, W]. */
export function pick(x: Tensor, position: Position): Tensor {
  if (position === "first") return x.select(1, 0);
  if (position === "last") return x.select(1, x.size(1) - 1);
  const index = position.view(-1, 1, 1).expand(-1, 1, x.size(2));
  return x.gather(1, index).squeeze(1);
}
