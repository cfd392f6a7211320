/** The two-layer perceptron of a transformer block. */
import type { Tensor } from "../torch/index.ts";
import { activate, type Activation } from "./activation.ts";
import { Linear } from "./layers.ts";
import { Module } from "./module.ts";

export class Mlp extends Module {
  readonly up: Linear;
  readonly down: Linear;
  readonly activation: Activation;

  constructor(width: number, hidden: number, activation: Activation) {
    super();
    this.up = new Linear(width, hidden);
    this.down = new Linear(hidden, width);
    this.activation = activation;
  }

  /** x [..., W] -> [..., W] */
  forward(x: Tensor): Tensor {
    return this.down.forward(activate(this.up.forward(x), this.activation));
  }
}
