/** AdamW over groups of parameters, and its place in recipes. */
import { z } from "zod";

import type { Tensor } from "../torch/index.ts";
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
import { bestUpdatePath, updatePaths, type UpdatePath } from "./adamw-update.ts";

export interface AdamWOptions {
  /** Decay of the gradients' running mean; 0.9 when absent. */
  beta1?: number;
  /** Decay of the squared gradients' running mean; 0.98 when absent (CLIP's for ViT). */
  beta2?: number;
  /** Added to the denominator; 1e-6 when absent (CLIP's for ViT). */
  epsilon?: number;
  /** Forces one way to update; all give the same. The fastest one of each device when absent. */
  path?: UpdatePath;
}

const optionKeys = ["beta1", "beta2", "epsilon", "path"];

/** AdamW with decoupled weight decay (arXiv:1711.05101), equal to torch.optim.AdamW without amsgrad. */
export class AdamW extends Optimizer {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly #path: UpdatePath | undefined;

  constructor(groups: readonly ParameterGroup[], options: AdamWOptions = {}) {
    checkOptions("AdamW", { ...options }, optionKeys);
    checkPath(options.path);
    super(groups, ["exp_avg", "exp_avg_sq"]);
    this.beta1 = options.beta1 ?? 0.9;
    this.beta2 = options.beta2 ?? 0.98;
    this.epsilon = options.epsilon ?? 1e-6;
    this.#path = options.path;
  }

  protected override update(members: readonly Member[], rates: GroupRates): void {
    const { beta1, beta2, epsilon } = this;
    const { tensor, moments } = members[0] as Member;
    const update = updatePaths[this.#path ?? bestUpdatePath(tensor.device)];
    const moment = (i: number) => members.map((member) => member.moments.tensors[i] as Tensor);
    update({
      parameters: members.map((member) => member.tensor),
      gradients: members.map((member) => member.gradient),
      firstMoments: moment(0),
      secondMoments: moment(1),
      step: moments.step,
      ...rates,
      beta1,
      beta2,
      epsilon,
    });
  }
}

function checkPath(path: UpdatePath = "perTensor"): void {
  if (path in updatePaths) return;
  throw new RangeError(
    `Expected one of ${Object.keys(updatePaths).join(", ")} for path but received ${path}`,
  );
}

export const adamw = optimizerKind({
  kind: "adamw",
  schema: z
    .strictObject({
      kind: z.literal("adamw").optional().default("adamw"),
      learningRate,
      beta1: decay.default(0.9).describe(mean),
      beta2: decay.default(0.98).describe(squares),
      epsilon,
      weightDecay: weightDecay(0.2),
    })
    .describe("AdamW with CLIP's defaults; the kind need not be written"),
  create: ({ beta1, beta2, epsilon: added }, groups) =>
    new AdamW(groups, { beta1, beta2, epsilon: added }),
});
