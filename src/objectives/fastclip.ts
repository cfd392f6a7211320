/**
 * FastCLIP (arXiv:2407.01445), four versions of one estimator: SogCLR's moving normalisers u under a
 * gamma that falls, and four ways to the temperature T = 1 / logitScale.
 *
 *     L = 1/2 mean_i [ g1_i / sg(u1_i + eps) + g2_i / sg(u2_i + eps) ]
 *     g1_i = 1/(N-1) sum_{j != i} exp((I_i.T_j - I_i.T_i) / T),   g2_i likewise with I_j.T_i
 *     u_i <- (1 - gamma) u_i + gamma g_i,   gamma from 1 to gammaMin along half a cosine
 *
 *     v0  T is the model's, learned by the gradient of L                              GCL
 *     v1  T is constant                                                               GCL
 *     v2  two T for each example, learned by Adam; the model's takes no part          RGCL
 *     v3  T is the model's, learned by  T L + T rho + T 1/2 mean [log u1 + log u2]    RGCL-g
 *
 * g and the gradient are in shared/global-contrastive.ts (v3's term: `temperatureTerm`), the run's side
 * in shared/global-objective.ts.
 */
import { z } from "zod";

import { RecipeError } from "../errors.ts";
import { noGrad, scope, type Tensor } from "../torch/index.ts";
import { clipLogits } from "./clip.ts";
import { declareObjective, type ObjectiveContext, type TrainingObjective } from "./objective.ts";
import {
  globalReads,
  GlobalContrastiveObjective,
  type GlobalContrastiveSettings,
  type TemperatureRule,
  type TemperatureSettings,
} from "./shared/global-objective.ts";
import {
  checkBatch,
  checkScaleLearned,
  checkTemperatures,
  chunkSize as chunkSizeOption,
} from "./shared/recipe-options.ts";

/** gamma: from 1 down to `min` along half a cosine until `end`, then constant. */
export function cosineGamma(at: number, end: number, min: number): number {
  if (at >= end) return min;
  return 0.5 * (1 + Math.cos((Math.PI * at) / end)) * (1 - min) + min;
}

interface AdamState {
  /** [N] T > 0 */
  temperature: Tensor;
  /** [N] running mean of the gradient. */
  momentum: Tensor;
  /** [N] running mean of the squared gradient. */
  squares: Tensor;
}

interface AdamStepOptions {
  learningRate: number;
  /** Bounds of the temperatures. */
  min: number;
  max: number;
  beta1: number;
  beta2: number;
  /** From 0: the betas are 0 in epoch 0, and the means' bias is corrected with epoch + 1. */
  epoch: number;
}

/** Version 2's: Adam of each example, which is seen about once an epoch; denominators + 1e-8. */
export function adamStep(
  { temperature, momentum, squares }: AdamState,
  gradient: Tensor,
  { learningRate, min, max, epoch, ...betas }: AdamStepOptions,
): AdamState {
  const [beta1, beta2] = epoch === 0 ? [0, 0] : [betas.beta1, betas.beta2];
  return noGrad(() =>
    scope(() => {
      const first = momentum.mul(beta1).add(gradient.mul(1 - beta1));
      const second = squares.mul(beta2).add(gradient.mul(gradient).mul(1 - beta2));
      const mean = first.mul(1 / (1 - beta1 ** (epoch + 1)));
      const root = second.mul(1 / (1 - beta2 ** (epoch + 1))).sqrt();
      const step = mean.div(root.add(1e-8)).mul(learningRate);
      return {
        temperature: temperature.sub(step).clamp(min, max),
        momentum: first,
        squares: second,
      };
    }),
  );
}

const schema = z
  .strictObject({
    kind: z.literal("fastclip"),
    version: z
      .literal([0, 1, 2, 3])
      .default(3)
      .describe("who learns the temperature: see the table of versions"),
    gammaMin: z.number().gt(0).max(1).default(0.2).describe("0.8 for LAION-400M"),
    gammaDecayEpochs: z
      .int()
      .min(1)
      .optional()
      .describe("epochs in which gamma falls from 1 to gammaMin; half of the run when absent"),
    epochSteps: z
      .int()
      .min(1)
      .optional()
      .describe("steps that count as an epoch, where the data are few; the data's when absent"),
    epsilon: z
      .number()
      .min(0)
      .max(1)
      .default(1e-14)
      .describe("added to every normaliser; 1e-6 for LAION-400M"),
    rho: z
      .number()
      .min(0)
      .optional()
      .describe("version 2: 7; version 3: 6.5 (8.5 for CC12M, 16 for LAION-400M)"),
    temperatureInit: z.number().gt(0).optional().describe("version 2: 0.03"),
    temperatureMin: z.number().gt(0).optional().describe("version 2: 0.01"),
    temperatureMax: z.number().gt(0).optional().describe("version 2: 1"),
    temperatureLearningRate: z.number().min(0).optional().describe("version 2: 0.0133"),
    temperatureBeta1: z.number().min(0).lt(1).optional().describe("version 2: 0.9"),
    temperatureBeta2: z.number().min(0).lt(1).optional().describe("version 2: 0.999"),
    temperatureGradientLimit: z
      .number()
      .gt(0)
      .optional()
      .describe("version 2: 5; gradients of temperatures are limited to +- this"),
    weighByTemperature: z
      .boolean()
      .optional()
      .describe(
        "version 2: multiplies each term by its temperature, as RGCL is written; false, as in the code",
      ),
    chunkSize: chunkSizeOption,
  })
  .describe("SogCLR with a falling gamma and four ways to the temperature (FastCLIP)");

type FastclipRecipe = z.output<typeof schema>;

const individualDefaults = {
  temperatureInit: 0.03,
  temperatureMin: 0.01,
  temperatureMax: 1,
  temperatureLearningRate: 0.0133,
  temperatureBeta1: 0.9,
  temperatureBeta2: 0.999,
  temperatureGradientLimit: 5,
  weighByTemperature: false,
};

const rhoDefaults = { 2: 7, 3: 6.5 };

/**
 * throws  RecipeError for options of another version, where the model's logit scale is learned in
 *         versions 1 and 2 or is not in 0 and 3, and for a batch of one pair
 */
function create(recipe: FastclipRecipe, context: ObjectiveContext): TrainingObjective {
  const { version, epsilon, chunkSize, epochSteps } = recipe;
  const name = `fastclip-v${version}`;
  checkBatch(name, context);
  checkScaleLearned(name, version === 0 || version === 3, context);
  const settings: GlobalContrastiveSettings = {
    name,
    gammaAt: gammaOf(recipe, context.steps),
    epochSteps,
    epsilon,
    includePositive: false,
    sides: "mean",
    chunkSize,
    temperature: temperatureOf(recipe),
  };
  return new GlobalContrastiveObjective(settings, context);
}

/** Without an end in epochs, gamma falls over half of the steps: by epochs where these are steps too. */
function gammaOf(
  { gammaMin, gammaDecayEpochs, epochSteps }: FastclipRecipe,
  steps: number,
): GlobalContrastiveSettings["gammaAt"] {
  if (gammaDecayEpochs !== undefined) {
    return ({ epoch }) => cosineGamma(epoch, gammaDecayEpochs, gammaMin);
  }
  if (epochSteps === undefined) {
    return ({ position }) => cosineGamma(position, steps / 2, gammaMin);
  }
  const end = Math.max(1, steps / epochSteps / 2);
  return ({ position }) => cosineGamma(Math.floor(position / epochSteps), end, gammaMin);
}

function temperatureOf(recipe: FastclipRecipe): TemperatureSettings {
  const { version } = recipe;
  if (version < 2) refuseOthers(recipe, ["rho"], "2 and 3");
  const names = Object.keys(individualDefaults) as (keyof typeof individualDefaults)[];
  if (version !== 2) refuseOthers(recipe, names, "2");
  if (version < 2) return { kind: "model", weigh: false };
  if (version === 3) return { kind: "robust", rho: recipe.rho ?? rhoDefaults[3] };
  const given = Object.fromEntries(
    names.filter((name) => recipe[name] !== undefined).map((name) => [name, recipe[name]]),
  );
  const own: typeof individualDefaults = { ...individualDefaults, ...given };
  checkTemperatures(own);
  return {
    kind: "individual",
    init: own.temperatureInit,
    rho: recipe.rho ?? rhoDefaults[2],
    limit: own.temperatureGradientLimit,
    rule: adamRule(own),
    weigh: own.weighByTemperature,
  };
}

function adamRule(own: typeof individualDefaults): TemperatureRule {
  const options = {
    learningRate: own.temperatureLearningRate,
    beta1: own.temperatureBeta1,
    beta2: own.temperatureBeta2,
    min: own.temperatureMin,
    max: own.temperatureMax,
  };
  return {
    numbers: 3,
    step: ([temperature, momentum, squares], gradient, epoch) => {
      const before = { temperature, momentum, squares } as AdamState;
      const after = adamStep(before, gradient, { ...options, epoch });
      return [after.temperature, after.momentum, after.squares];
    },
  };
}

function refuseOthers(
  recipe: FastclipRecipe,
  names: readonly (keyof FastclipRecipe)[],
  versions: string,
): void {
  const name = names.find((key) => recipe[key] !== undefined);
  if (name === undefined) return;
  throw new RecipeError(
    `objective.${name}`,
    `Expected no objective.${name} with FastCLIP version ${recipe.version} but received ` +
      `${String(recipe[name])}; it belongs to version ${versions}`,
  );
}

export const fastclipObjective = declareObjective({
  schema,
  reads: globalReads,
  logits: () => clipLogits,
  create,
});
