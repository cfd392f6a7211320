/** The head of SigLIP's image towers, which reads all tokens with one learned query. */
import type { Activation } from "../../nn/activation.ts";
import { MultiHeadAttention } from "../../nn/attention.ts";
import { LayerNorm, Mlp } from "../../nn/layers.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import type { Tensor } from "../../torch/index.ts";
import { initializeAttention, initializeMlp, probe } from "../big-vision-defaults.ts";

interface AttentionPoolingConfig {
  width: number;
  heads: number;
  mlpWidth: number;
  activation: Activation;
  normEpsilon: number;
}

/** SigLIP's MAP head: y = attention of one learned query over all tokens; y + mlp(norm(y)). */
export class AttentionPooling extends Module {
  readonly probe: Parameter;
  readonly attention: MultiHeadAttention;
  readonly norm: LayerNorm;
  readonly mlp: Mlp;

  constructor({ width, heads, mlpWidth, activation, normEpsilon }: AttentionPoolingConfig) {
    super();
    this.probe = probe(width);
    this.attention = new MultiHeadAttention(width, heads);
    this.norm = new LayerNorm(width, normEpsilon);
    this.mlp = new Mlp(width, mlpWidth, activation);
    initializeAttention(this.attention);
    initializeMlp(this.mlp);
  }

  /** x [N, T, W], padding bool [N, T] true where the query does not look -> [N, W] */
  forward(x: Tensor, padding: Tensor | null = null): Tensor {
    const query = this.probe.tensor.view(1, -1).expandAs(x.select(1, 0));
    const pooled = this.attention.forwardAt(x, query, { position: "first", padding });
    return this.mlp.forward(this.norm.forward(pooled), { onto: pooled });
  }
}
