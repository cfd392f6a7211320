/** FastCLIP's four versions in a recipe. */
import { z } from "zod";

import { RecipeError } from "../../errors.ts";
import { checkBatch } from "./batch-of-pairs.ts";
import {
  cosineGamma,
  GlobalContrastiveObjective,
  type GlobalContrastiveSettings,
  type TemperatureSettings,
} from "./global-contrastive.ts";
import type { ObjectiveContext, TrainingObjective } from "./objective.ts";
import { checkScaleLearned } from "./scale-learning.ts";
import { checkTemperatures } from "./sogclr.ts";

export const fastclipSchema = z.strictObject({
  kind: z.literal("fastclip"),
  /**
   * 0: the model's logit scale, learned through the loss. 1: it is constant. 2: every example has two
   * temperatures of its own; the model's scale takes no part. 3: the model's, learned by RGCL-g.
   */
  version: z.literal([0, 1, 2, 3]).default(3),
  /** The last weight of the batch in the normalisers. */
  gammaMin: z.number().gt(0).max(1).default(0.2),
  /** Epochs in which gamma falls from 1 to gammaMin; half of the run when absent. */
  gammaDecayEpochs: z.int().min(1).optional(),
  /** Steps that count as an epoch; an epoch of the data when absent. */
  epochSteps: z.int().min(1).optional(),
  /** Added to every normaliser; 1e-6 for LAION-400M. */
  epsilon: z.number().min(0).max(1).default(1e-14),
  /** Versions 2 (default 7) and 3 (6.5 for CC3M; 8.5 for CC12M, 16 for LAION-400M). */
  rho: z.number().min(0).optional(),
  /** Version 2 only, as are all that follow but chunkSize. */
  temperatureInit: z.number().gt(0).optional(),
  temperatureMin: z.number().gt(0).optional(),
  temperatureMax: z.number().gt(0).optional(),
  temperatureLearningRate: z.number().min(0).optional(),
  temperatureBeta1: z.number().min(0).lt(1).optional(),
  temperatureBeta2: z.number().min(0).lt(1).optional(),
  temperatureGradientLimit: z.number().gt(0).optional(),
  /** Multiplies each term by its temperature, as RGCL is written; default false, as in the code. */
  weighByTemperature: z.boolean().optional(),
  /** Rows of the logits held at a time; the whole matrix when absent. */
  chunkSize: z.int().min(1).optional(),
});

export type FastclipRecipe = z.output<typeof fastclipSchema>;

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
export function createFastclip(
  recipe: FastclipRecipe,
  context: ObjectiveContext,
): TrainingObjective {
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
  if (gammaDecayEpochs === undefined && epochSteps === undefined) {
    return ({ step }) => cosineGamma(step, steps / 2, gammaMin);
  }
  const end = gammaDecayEpochs ?? Math.max(1, steps / (epochSteps as number) / 2);
  return ({ epoch }) => cosineGamma(epoch, end, gammaMin);
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
    min: own.temperatureMin,
    max: own.temperatureMax,
    rho: recipe.rho ?? rhoDefaults[2],
    learningRate: own.temperatureLearningRate,
    limit: own.temperatureGradientLimit,
    rule: { beta1: own.temperatureBeta1, beta2: own.temperatureBeta2 },
    weigh: own.weighByTemperature,
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
