/**
 * LAMB over groups of parameters: Adam whose step is measured against each parameter's own size; and
 * its place in recipes.
 */
import { z } from "zod";

import { call, callInPlace, noGrad, ones, operator, scope, type Tensor } from "../torch/index.ts";
import { checkOptions, Optimizer, type GroupRates, type Member } from "./optimizer.ts";
import type { ParameterGroup } from "./groups.ts";
import {
  decay,
  epsilon,
  learningRate,
  mean,
  optimizerKind,
  squares,
  weightDecay,
} from "./optimizer-kind.ts";

export interface LambOptions {
  /** Decay of the gradients' running mean; 0.9 when absent. */
  beta1?: number;
  /** Decay of the squared gradients' running mean; 0.999 when absent. */
  beta2?: number;
  /** Added to the denominator; 1e-6 when absent. */
  epsilon?: number;
}

/**
 * LAMB with bias correction (You et al., arXiv:1904.00962, Algorithm 2, phi the identity).
 *
 *     u = m' / (sqrt(v') + e) + wd p;   p <- p - lr |p| / |u| u
 *
 * m' and v' are Adam's corrected moments. A parameter without weight decay (a gain, a bias, the logit
 * scale) takes Adam's step, without |p| / |u|, as in the authors' BERT training and in timm, whose
 * `Lamb` this equals without its own clipping of gradients. |p| / |u| is 1 where either norm is 0.
 */
export class Lamb extends Optimizer {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;

  constructor(groups: readonly ParameterGroup[], options: LambOptions = {}) {
    checkOptions("Lamb", { ...options }, ["beta1", "beta2", "epsilon"]);
    super(groups, ["exp_avg", "exp_avg_sq"]);
    this.beta1 = options.beta1 ?? 0.9;
    this.beta2 = options.beta2 ?? 0.999;
    this.epsilon = options.epsilon ?? 1e-6;
  }

  protected override update(members: readonly Member[], rates: GroupRates): void {
    for (const member of members) scope(() => noGrad(() => this.#updateOne(member, rates)));
  }

  #updateOne(
    { tensor, gradient, moments }: Member,
    { learningRate, weightDecay }: GroupRates,
  ): void {
    const { beta1, beta2, epsilon } = this;
    const { step } = moments;
    const [first, second] = moments.tensors as [Tensor, Tensor];
    first.lerp_(gradient, 1 - beta1);
    second.mul_(beta2);
    callInPlace(addcmulOp, second, gradient, gradient, 1 - beta2);
    const denominator = second.sqrt();
    callInPlace(divOp, denominator, (1 - beta2 ** step) ** 0.5);
    denominator.add_(epsilon);
    const update = first.div(1 - beta1 ** step);
    callInPlace(divTensorOp, update, denominator);
    if (weightDecay !== 0) {
      update.add_(tensor, weightDecay);
      update.mul_(trustRatio(tensor, update));
    }
    tensor.add_(update, -learningRate);
  }
}

/** |p| / |u|, [] on their device: nothing waits for the numbers. */
function trustRatio(parameter: Tensor, update: Tensor): Tensor {
  const size = parameter.norm();
  const length = update.norm();
  const both = call(andOp, size.gt(0), length.gt(0));
  return call(
    whereOp,
    both,
    size.div(length),
    ones([], { device: size.device, dtype: size.dtype }),
  );
}

const addcmulOp = operator("addcmul_");
const divOp = operator("div_", "Scalar");
const divTensorOp = operator("div_", "Tensor");
const andOp = operator("logical_and");
const whereOp = operator("where", "self");

export const lamb = optimizerKind({
  kind: "lamb",
  schema: z
    .strictObject({
      kind: z.literal("lamb"),
      learningRate,
      beta1: decay.default(0.9).describe(mean),
      beta2: decay.default(0.999).describe(squares),
      epsilon,
      weightDecay: weightDecay(1e-5),
    })
    .describe("LAMB with ALIGN's defaults; weights that do not decay take Adam's step"),
  create: ({ beta1, beta2, epsilon: added }, groups) =>
    new Lamb(groups, { beta1, beta2, epsilon: added }),
});
