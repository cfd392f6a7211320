/**
 * Multi-head self-attention, softmax(q k^T / sqrt(hd)) v, with q, k and v from one stacked matrix.
 * Fused where libtorch has the operator, composed elsewhere; a test holds the two equal.
 */
import {
  arange,
  fusedAttention,
  hasFusedAttention,
  linear,
  noGrad,
  ones,
  scope,
  type Device,
  type Tensor,
} from "../torch/index.ts";
import { xavierUniform, zerosParameter } from "./initialize.ts";
import { Linear } from "./layers.ts";
import type { LowRank } from "./low-rank.ts";
import { Module, type Parameter } from "./module.ts";
import type { Preparation } from "./prepare.ts";
import type { After, PreparedProduct } from "./prepared-product.ts";

/** The stacked projection of q, k and v.  weight [3W, W] in that order, bias [3W]. */
class AttentionInput extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  /** Low-rank changes of the three matrices. */
  query: LowRank | null = null;
  key: LowRank | null = null;
  value: LowRank | null = null;

  constructor(width: number) {
    super();
    this.weight = xavierUniform([3 * width, width]);
    this.bias = zerosParameter([3 * width]);
  }
}

/**
 * Positions up to which training in bfloat16 on the CPU composes attention of products. libtorch's fused
 * operator goes backward there several times slower. What is composed holds the attention itself, so
 * for long rows it takes too much memory.
 */
const COMPOSED_POSITIONS = 128;

export interface AttentionOptions {
  /** Position t attends to positions up to t only. */
  causal?: boolean;
  /** `auto` takes the fused operator where there is one and it is the faster one. */
  implementation?: "auto" | "fused" | "composed";
}

/** One position of every row: its first, its last, or the one that int64 [N] names. */
export type Position = "first" | "last" | Tensor;

/** Which position of every row is asked for, and what it does not look at, bool [N, T]. */
export interface AtPosition {
  position: Position;
  padding?: Tensor | null | undefined;
}

export class MultiHeadAttention extends Module {
  readonly input: AttentionInput;
  readonly output: Linear;
  readonly heads: number;
  readonly causal: boolean;
  readonly #implementation: "auto" | "fused" | "composed";
  /** q of its inputs, and k and v stacked of theirs. */
  #prepared: { query: PreparedProduct; keyValue: PreparedProduct } | null = null;

  constructor(width: number, heads: number, options: AttentionOptions = {}) {
    super();
    if (width % heads !== 0) {
      throw new RangeError(
        `Expected heads to divide width ${width} but received ${heads}; choose another number`,
      );
    }
    const { causal = false, implementation = "auto" } = options;
    this.input = new AttentionInput(width);
    this.output = new Linear(width, width);
    scope(() => void this.output.bias?.tensor.detach().zero_());
    this.heads = heads;
    this.causal = causal;
    this.#implementation = implementation;
  }

  /**
   * x        [N, T, W]
   * padding  bool [N, T], true at positions that nothing attends to; at least one position of each
   *          row must stay, or its output is not a number
   * after    what follows
   * returns  [N, T, W]
   */
  forward(x: Tensor, padding: Tensor | null = null, after: After = {}): Tensor {
    const [t, width] = [x.size(1), x.size(2)];
    const [q, k, v] = this.#queryKeyValue(x);
    const mixed = this.#takesFused(q)
      ? this.#fused(q, k, v, padding)
      : this.#composed(q, k, v, padding);
    return this.output.forward(mixed.transpose(1, 2).reshape(-1, t, width), after);
  }

  /** x [N, T, W] -> q, k and v, each [N, h, T, hd] */
  #queryKeyValue(x: Tensor): [Tensor, Tensor, Tensor] {
    const [t, width] = [x.size(1), x.size(2)];
    const headWidth = width / this.heads;
    if (this.#prepared) {
      const q = this.#prepared.query(x).view(-1, t, this.heads, headWidth).transpose(1, 2);
      return [q, ...this.#split(this.#prepared.keyValue(x))];
    }
    const { query, key, value } = this.input;
    const stacked = linear(x, this.input.weight.tensor, this.input.bias.tensor);
    const parts = stacked
      .view(-1, t, 3, this.heads, headWidth)
      .permute(2, 0, 3, 1, 4)
      .unbind(0) as [Tensor, Tensor, Tensor];
    return [
      this.#changed(parts[0], query, x),
      this.#changed(parts[1], key, x),
      this.#changed(parts[2], value, x),
    ];
  }

  /** [N, T, 2W] -> k and v, each [N, h, T, hd] */
  #split(stacked: Tensor): [Tensor, Tensor] {
    const [t, width] = [stacked.size(1), stacked.size(2) / 2];
    return stacked
      .view(-1, t, 2, this.heads, width / this.heads)
      .permute(2, 0, 3, 1, 4)
      .unbind(0) as [Tensor, Tensor];
  }

  override prepare(preparation: Preparation): void {
    const [weight, bias] = [this.input.weight.take(), this.input.bias.take()];
    const width = weight.size(1);
    const rows = (from: number, count: number): PreparedProduct =>
      preparation.product(
        {
          weight: weight.narrow(0, from, count).clone(),
          bias: bias.narrow(0, from, count).clone(),
        },
        { many: true },
      );
    // Apart, since of some positions only keys and values are wanted.
    this.#prepared = { query: rows(0, width), keyValue: rows(width, 2 * width) };
    weight.dispose();
    bias.dispose();
    this.output.prepare(preparation, { many: true });
  }

  /** One of q, k and v, [N, h, T, hd], with what a low-rank change makes of x [N, T, W]. */
  #changed(part: Tensor, change: LowRank | null, x: Tensor): Tensor {
    if (change === null) return part;
    const [t, width] = [x.size(1), x.size(2)];
    const heads = change.forward(x).view(-1, t, this.heads, width / this.heads);
    return part.add(heads.transpose(1, 2));
  }

  /** q [N, h, T, hd] */
  #takesFused(q: Tensor): boolean {
    if (this.#implementation !== "auto") return this.#implementation === "fused";
    const slowBackward = this.training && q.dtype === "bfloat16" && q.device === "cpu";
    return hasFusedAttention() && !(slowBackward && q.size(2) <= COMPOSED_POSITIONS);
  }

  /** The operator knows a causal mask or a mask of its own, where true lets attention through. */
  #fused(q: Tensor, k: Tensor, v: Tensor, padding: Tensor | null): Tensor {
    if (padding === null) return fusedAttention(q, k, v, { causal: this.causal });
    const barred = join(keysOf(padding), this.causal ? causalMask(q.size(2), q.device) : null);
    return fusedAttention(q, k, v, { mask: noGrad(() => (barred as Tensor).logicalNot()) });
  }

  #composed(q: Tensor, k: Tensor, v: Tensor, padding: Tensor | null): Tensor {
    const mask = this.causal ? causalMask(q.size(2), q.device) : null;
    return attend(q, k, v, join(mask, padding && keysOf(padding)));
  }

  /**
   * The attention of one position per row, the only one that a pooled tower reads from its last
   * block; or, without `causal`, of a query that is no row of x at all.
   *
   * x         [N, T, W], all positions
   * query     [N, W], the rows of x at `position`
   * position  with causal attention each looks at positions up to its own
   * padding   as in `forward`
   * after     what follows
   * returns   [N, W]
   */
  forwardAt(
    x: Tensor,
    query: Tensor,
    { position, padding = null, ...after }: AtPosition & After,
  ): Tensor {
    const [t, width] = [x.size(1), x.size(2)];
    const [q, k, v] = this.#queryKeyValueAt(x, query);
    const later = this.causal ? laterMask(position, t, x.device) : null;
    const mask = join(later, padding && keysOf(padding));
    return this.output.forward(attend(q, k, v, mask).reshape(-1, width), after);
  }

  /** x [N, T, W], query [N, W] -> q [N, h, 1, hd], k and v [N, h, T, hd] */
  #queryKeyValueAt(x: Tensor, query: Tensor): [Tensor, Tensor, Tensor] {
    const width = x.size(2);
    const headWidth = width / this.heads;
    if (this.#prepared) {
      const q = this.#prepared.query(query).view(-1, this.heads, 1, headWidth);
      return [q, ...this.#split(this.#prepared.keyValue(x))];
    }
    const { weight, bias } = this.input;
    const [wq, wkv] = [
      weight.tensor.narrow(0, 0, width),
      weight.tensor.narrow(0, width, 2 * width),
    ];
    const [bq, bkv] = [bias.tensor.narrow(0, 0, width), bias.tensor.narrow(0, width, 2 * width)];
    const plain = linear(query, wq, bq).view(-1, this.heads, 1, headWidth);
    const q = this.#changed(plain, this.input.query, query.view(-1, 1, width));
    const [k, v] = this.#split(linear(x, wkv, bkv));
    return [q, this.#changed(k, this.input.key, x), this.#changed(v, this.input.value, x)];
  }
}

/** The composed form.  q [N, h, Q, hd], k and v [N, h, T, hd], mask true where attention is barred. */
function attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null): Tensor {
  const scaled = q.mul(1 / Math.sqrt(q.size(-1)));
  const logits = scaled.matmul(k.transpose(-2, -1));
  const barred = mask ? logits.maskedFill(mask, -Infinity) : logits;
  return barred.softmax(-1).matmul(v);
}

/** bool [T, T], true above the diagonal. */
function causalMask(t: number, device: Device): Tensor {
  return noGrad(() => ones([t, t], { dtype: "bool", device }).triu(1));
}

/** bool [N, 1, 1, T] (N = 1 for the first), true after each row's own position. */
function laterMask(position: Position, t: number, device: Device): Tensor | null {
  if (position === "last") return null;
  return noGrad(() => {
    const order = arange(t, { device });
    if (position === "first") return order.gt(0).view(1, 1, 1, t);
    return order.unsqueeze(0).gt(position.unsqueeze(1)).view(-1, 1, 1, t);
  });
}

/** bool [N, T] of keys as a mask of logits [N, h, Q, T]. */
function keysOf(padding: Tensor): Tensor {
  return padding.view(-1, 1, 1, padding.size(1));
}

/** Barred where either mask bars. */
function join(a: Tensor | null, b: Tensor | null): Tensor | null {
  return a && b ? noGrad(() => a.add(b)) : (a ?? b);
}
