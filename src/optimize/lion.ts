/**
 * Lion over groups of parameters: steps of one size, in the direction of the moment's sign; and its
 * place in recipes.
 */
import { z } from "zod";

import { callInPlace, noGrad, operator, scope, type Tensor } from "../torch/index.ts";
import { checkOptions, Optimizer, type GroupRates, type Member } from "./optimizer.ts";
import type { ParameterGroup } from "./groups.ts";
import { decay, learningRate, mean, optimizerKind, weightDecay } from "./optimizer-kind.ts";

export interface LionOptions {
  /** Share of the running mean in the direction of a step; 0.9 when absent. */
  beta1?: number;
  /** Decay of the gradients' running mean; 0.99 when absent. */
  beta2?: number;
}

/**
 * Lion with decoupled weight decay (Chen et al., arXiv:2302.06675, Algorithm 2), equal to timm's.
 *
 *     p <- p (1 - lr wd) - lr sign(b1 m + (1 - b1) g);   m <- b2 m + (1 - b2) g
 *
 * Every element moves by the learning rate, so it is 3 to 10 times smaller than Adam's, and the decay
 * as much larger. One moment per parameter: half of Adam's memory.
 */
export class Lion extends Optimizer {
  readonly beta1: number;
  readonly beta2: number;

  constructor(groups: readonly ParameterGroup[], options: LionOptions = {}) {
    checkOptions("Lion", { ...options }, ["beta1", "beta2"]);
    super(groups, ["exp_avg"]);
    this.beta1 = options.beta1 ?? 0.9;
    this.beta2 = options.beta2 ?? 0.99;
  }

  protected override update(members: readonly Member[], rates: GroupRates): void {
    for (const member of members) scope(() => noGrad(() => this.#updateOne(member, rates)));
  }

  #updateOne(
    { tensor, gradient, moments }: Member,
    { learningRate, weightDecay }: GroupRates,
  ): void {
    const [moment] = moments.tensors as [Tensor];
    if (weightDecay !== 0) tensor.mul_(1 - learningRate * weightDecay);
    const direction = moment.clone().lerp_(gradient, 1 - this.beta1);
    callInPlace(signOp, direction);
    tensor.add_(direction, -learningRate);
    moment.lerp_(gradient, 1 - this.beta2);
  }
}

const signOp = operator("sign_");

export const lion = optimizerKind({
  kind: "lion",
  schema: z
    .strictObject({
      kind: z.literal("lion"),
      learningRate,
      beta1: decay.default(0.9).describe("share of the running mean in the direction of a step"),
      beta2: decay.default(0.99).describe(mean),
      weightDecay: weightDecay(1e-3),
    })
    .describe("Lion with SigLiT's defaults: half of AdamW's memory"),
  create: ({ beta1, beta2 }, groups) => new Lion(groups, { beta1, beta2 }),
});
