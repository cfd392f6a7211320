/** AmorLIP in a recipe: its options, the schedules of beta and rho, and one step of it. */
import { z } from "zod";

import { RecipeError } from "../../errors.ts";
import { noGrad, scope, stack, type Tensor } from "../../torch/index.ts";
import { clipLogits } from "../clip.ts";
import {
  declareObjective,
  type ObjectiveContext,
  type ObjectiveInput,
  type ObjectiveOutput,
  type KeptState,
  type TrainingObjective,
} from "../objective.ts";
import { checkBatch, chunkSize } from "../shared/recipe-options.ts";
import { amortizations } from "./amortization.ts";
import { Amortizer, type Fit } from "./amortizer.ts";
import {
  addPositives,
  amorlip,
  combineLogTargets,
  logPartitions,
  type LogPartitions,
  type PerPair,
} from "./loss.ts";

const share = z.number().min(0).max(1);
const count = z.int().min(1);

/** The defaults are those of the published run on CC12M with ViT-B/32 (arXiv:2505.18983). */
export const amorlipSchema = z
  .strictObject({
    kind: z.literal("amorlip"),
    amortization: z
      .enum(amortizations)
      .default("l2Log")
      .describe("how the networks learn the log-partition functions"),
    regularization: z
      .number()
      .min(0)
      .optional()
      .describe("weight of l2Log beside kl, js and generalizedKl; 0.1 when absent"),
    stage2: z
      .enum(["combinedTarget", "emaNetwork"])
      .default("combinedTarget")
      .describe(
        "what A is: the target of Eq. 12 (released code), or `emaNetwork`, the averaged networks (paper)",
      ),
    positiveCoefficient: share.default(1e-3).describe("weight of the own pair in Z"),
    fitNegativesOnly: z
      .boolean()
      .default(false)
      .describe("networks learn the negatives' sums, the own pair is added afterwards"),
    widthFactor: z.number().positive().default(1).describe("f_d, hidden width over embedDim"),
    innerSteps: z
      .int()
      .min(0)
      .default(3)
      .describe("T_lambda: updates of the networks in a step that has any"),
    onlineInterval: count
      .default(1)
      .describe("T_online: steps of an epoch from one update of the networks to the next"),
    targetInterval: count
      .default(2)
      .describe("T_target: steps of an epoch from one change of the averaged networks to the next"),
    emaDecay: z
      .number()
      .min(0)
      .lt(1)
      .default(0.92)
      .describe("alpha: the share that the averaged networks keep"),
    betaMax: share
      .default(0.8)
      .describe("beta_T: the final share of the previous epoch's networks in the target"),
    betaDecayEpochs: z
      .number()
      .positive()
      .default(16)
      .describe("epochs until beta is betaMax, along a half cosine"),
    reinitializeEveryEpochs: z
      .int()
      .min(0)
      .default(1)
      .describe("epochs between fresh networks; 0 keeps the first ones"),
    startAtTarget: z
      .boolean()
      .optional()
      .describe(
        "fresh networks' output bias is set to the mean of their first targets; " +
          "only with emaNetwork when absent",
      ),
    epochSteps: count
      .optional()
      .describe("steps that count as an epoch, where the data are small; the data's when absent"),
    networkLearningRate: z
      .number()
      .positive()
      .default(1e-3)
      .describe("of the networks' own Adam (0.9, 0.999), constant"),
    networkGradientClip: z
      .number()
      .positive()
      .default(1)
      .describe("largest norm of both networks' gradients together"),
    scaleLoss: z.boolean().default(true).describe("divides by the logit scale and adds rho / s"),
    rho: z
      .union([z.number(), z.array(z.number())])
      .optional()
      .describe("a number, or one for each of equal segments of the run's steps; 8.5 when absent"),
    adaptiveTemperature: z
      .boolean()
      .default(false)
      .describe("adds (-2 sg(mean s_ii) + mean(log A^I + log A^T) - 2 ln N) / s"),
    denormalize: z
      .boolean()
      .default(false)
      .describe("networks see embeddings times the root of the logit scale"),
    chunkSize,
  })
  .describe("AmorLIP's loss, for which small networks learn the log-partition functions");

type AmorlipRecipe = z.output<typeof amorlipSchema>;

export interface AmorlipObjective extends TrainingObjective {
  readonly amortizer: Amortizer;
  readonly kept: KeptState;
  warnings(): string[];
}

/** throws RecipeError where options contradict each other or the run */
export function createAmorlip(recipe: AmorlipRecipe, context: ObjectiveContext): AmorlipObjective {
  checkRun(recipe, context);
  checkStages(recipe);
  const rhos = [recipe.rho ?? (recipe.scaleLoss ? 8.5 : 0)].flat();
  const amortizer = new Amortizer({
    embedDim: context.embedDim,
    hiddenDim: Math.floor(recipe.widthFactor * context.embedDim),
    device: context.device,
    amortization: recipe.amortization,
    regularization: recipe.regularization ?? 0.1,
    innerSteps: recipe.innerSteps,
    onlineInterval: recipe.onlineInterval,
    targetInterval: recipe.targetInterval,
    emaDecay: recipe.emaDecay,
    reinitializeEveryEpochs: recipe.reinitializeEveryEpochs,
    startAtTarget: recipe.startAtTarget ?? recipe.stage2 === "emaNetwork",
    learningRate: recipe.networkLearningRate,
    gradientClip: recipe.networkGradientClip,
  });
  let steps = 0;
  return {
    module: null,
    amortizer,
    compute: (input) => {
      steps++;
      const rho = segmentValue(rhos, input.position, context.steps);
      return scope(() => step(recipe, amortizer, input, rho));
    },
    kept: {
      state: () => ({ tensors: amortizer.tensors(), json: amortizer.position }),
      restore: (tensors, json, source) => amortizer.restore(tensors, json, source),
    },
    warnings: () => (steps > 0 ? neverCombined(recipe, amortizer) : []),
    dispose: () => amortizer.dispose(),
  };
}

/**
 * The share of the previous network in epoch t, from 0: betaMax (1 - cos(pi t / T)) / 2 up to epoch
 * T, betaMax from there on (arXiv:2505.18983, Eq. 12 and Appendix C).
 */
export function betaOf(epoch: number, betaMax: number, betaDecayEpochs: number): number {
  return (betaMax * (1 - Math.cos(Math.PI * Math.min(1, epoch / betaDecayEpochs)))) / 2;
}

/** The value of the segment that `position` in `steps` lies in; the last one takes the remainder. */
export function segmentValue(values: readonly number[], position: number, steps: number): number {
  const length = Math.max(1, Math.floor(steps / values.length));
  return values[Math.min(values.length - 1, Math.floor(position / length))] as number;
}

function step(
  recipe: AmorlipRecipe,
  amortizer: Amortizer,
  input: ObjectiveInput,
  rho: number,
): ObjectiveOutput {
  const { logitScale } = input;
  const epoch = recipe.epochSteps ? Math.floor(input.step / recipe.epochSteps) : input.epoch;
  amortizer.begin(epoch);
  const partitions = logPartitions(input.image, input.text, {
    logitScale,
    positiveCoefficient: recipe.fitNegativesOnly ? 0 : recipe.positiveCoefficient,
    chunkSize: recipe.chunkSize,
  });
  const beta = amortizer.previous ? betaOf(epoch, recipe.betaMax, recipe.betaDecayEpochs) : 0;
  const { fit, logLambda } = noGrad(() => stage1(recipe, amortizer, { input, partitions, beta }));
  amortizer.end();
  const { scaleLoss, adaptiveTemperature } = recipe;
  const loss = amorlip(withPositives(recipe, partitions, partitions), logLambda, {
    logitScale,
    scaleLoss,
    rho,
    adaptiveTemperature,
  });
  return { loss, metrics: { ...measured(partitions, fit), beta, ...(scaleLoss ? { rho } : {}) } };
}

interface Stage1 {
  input: ObjectiveInput;
  partitions: LogPartitions;
  beta: number;
}

/** Fits the networks and gives what the representation loss divides by; no gradient leaves here. */
function stage1(
  recipe: AmorlipRecipe,
  amortizer: Amortizer,
  { input, partitions, beta }: Stage1,
): { fit: Fit | null; logLambda: PerPair } {
  const factor = recipe.denormalize ? input.logitScale.detach().sqrt() : null;
  const rowsOf = (unit: Tensor): Tensor => (factor ? unit.detach().mul(factor) : unit.detach());
  const rows = { image: rowsOf(input.image), text: rowsOf(input.text) };
  const batch = { image: partitions.image.detach(), text: partitions.text.detach() };
  const older = beta > 0 ? amortizer.previous?.forward(rows) : undefined;
  const targets = older
    ? {
        image: combineLogTargets(batch.image, older.image, beta),
        text: combineLogTargets(batch.text, older.text, beta),
      }
    : batch;
  const fit = amortizer.fit(rows, { partitions: batch, targets });
  const lambda = recipe.stage2 === "emaNetwork" ? amortizer.average.forward(rows) : targets;
  return { fit, logLambda: withPositives(recipe, lambda, partitions) };
}

/** With fitNegativesOnly, the sums with the own pair in them; as they are otherwise. */
function withPositives<T extends PerPair>(
  { fitNegativesOnly, positiveCoefficient }: AmorlipRecipe,
  sums: T,
  { pairs }: LogPartitions,
): T {
  if (!fitNegativesOnly || positiveCoefficient === 0) return sums;
  return {
    ...sums,
    image: addPositives(sums.image, pairs, positiveCoefficient),
    text: addPositives(sums.text, pairs, positiveCoefficient),
  };
}

function measured({ image, text }: LogPartitions, fit: Fit | null): Record<string, number> {
  const named: [string, Tensor][] = [
    ["logPartitionImage", image.detach().mean()],
    ["logPartitionText", text.detach().mean()],
  ];
  if (fit) named.push(["amortizationLoss", fit.loss], ["targetError", fit.error]);
  // One transfer, and so one wait, for all of them.
  const values = stack(named.map(([, value]) => value)).toFloat64Array();
  return Object.fromEntries(named.map(([name], i) => [name, values[i] as number]));
}

function neverCombined({ betaMax }: AmorlipRecipe, { previous }: Amortizer): string[] {
  if (betaMax === 0 || previous !== null) return [];
  return [
    "AmorLIP's targets never held an older network: the run was no longer than an epoch. " +
      "Set objective.epochSteps to let fewer steps count as one.",
  ];
}

function checkRun(recipe: AmorlipRecipe, context: ObjectiveContext): void {
  checkBatch("amorlip", context);
  if (context.hasLogitBias) {
    throw new RecipeError(
      "logits.bias",
      "Expected a model without a learned bias for objective amorlip, which would not train it; " +
        "set logits.bias to null",
    );
  }
  if (Math.floor(recipe.widthFactor * context.embedDim) < 1) {
    throw new RecipeError(
      "objective.widthFactor",
      `Expected a hidden layer of at least one unit but received a widthFactor of ` +
        `${recipe.widthFactor} for ${context.embedDim} dimensions; use at least ${1 / context.embedDim}`,
    );
  }
  const { rho, scaleLoss, adaptiveTemperature } = recipe;
  if (!context.logitScaleLearned && (rho !== undefined || adaptiveTemperature)) {
    const key = rho === undefined ? "adaptiveTemperature" : "rho";
    throw new RecipeError(
      `objective.${key}`,
      `Expected a learned logit scale for objective.${key}, which acts on nothing else; leave it out, ` +
        "or set logits.scale.learned to true",
    );
  }
  if (rho !== undefined && !scaleLoss) {
    throw new RecipeError(
      "objective.rho",
      "Expected no objective.rho without scaleLoss; leave it out, or set scaleLoss to true",
    );
  }
  if (Array.isArray(rho) && rho.length === 0) {
    throw new RecipeError(
      "objective.rho",
      "Expected a number, or one for each segment of the run, for objective.rho but received []",
    );
  }
}

function checkStages(recipe: AmorlipRecipe): void {
  const { amortization, regularization, stage2, innerSteps, betaMax, startAtTarget } = recipe;
  if (regularization !== undefined && amortization === "l2Log") {
    throw new RecipeError(
      "objective.regularization",
      "Expected no objective.regularization with amortization l2Log, which is that term itself; leave it out",
    );
  }
  if (stage2 === "emaNetwork" && startAtTarget === false) {
    throw new RecipeError(
      "objective.startAtTarget",
      "Expected startAtTarget with stage2 emaNetwork but received false; a fresh network says log 1 " +
        "where the batch's sum is e^7 to e^20, and the loss is their ratio",
    );
  }
  if (innerSteps === 0 && (stage2 === "emaNetwork" || betaMax > 0)) {
    throw new RecipeError(
      "objective.innerSteps",
      "Expected at least 1 for objective.innerSteps but received 0; networks that never learn serve only " +
        "stage2 combinedTarget with betaMax 0, which does not use them",
    );
  }
}

export const amorlipObjective = declareObjective({
  schema: amorlipSchema,
  reads: [],
  logits: () => clipLogits,
  create: createAmorlip,
});
