/** LIxP in a recipe: CLIxP over softmax, SigLIxP over sigmoid. Owns the context's learned scalars. */
import { z } from "zod";

import { CheckpointError, RecipeError } from "../../errors.ts";
import { Module, Parameter } from "../../nn/module.ts";
import { noGrad, scope, tensor, type Tensor } from "../../torch/index.ts";
import { clipLogits } from "../clip.ts";
import {
  declareObjective,
  type ObjectiveContext,
  type ObjectiveInput,
  type TrainingObjective,
  type KeptState,
} from "../objective.ts";
import { chunkSize } from "../shared/recipe-options.ts";
import { siglipLogits } from "../siglip.ts";
import { lixp, type LixpOptions } from "./loss.ts";

const schema = z
  .strictObject({
    kind: z.literal("lixp"),
    base: z.enum(["softmax", "sigmoid"]).describe("`softmax` is CLIxP, `sigmoid` SigLIxP"),
    alpha: z
      .number()
      .default(0.9)
      .describe("weight of the plain loss, in (0, 1]; 1 is the control: the base to the bit"),
    renormalize: z.boolean().default(true).describe("the context is brought to length 1"),
    secondBias: z
      .boolean()
      .optional()
      .describe(
        "a bias of the context's own; true for the sigmoid base unless the temperature is shared",
      ),
    contextTemperatureInit: z
      .number()
      .default(0.3)
      .describe(
        "the first tau_ctx sqrt(D), what cosines are divided by; sqrt(D) starts tau_ctx at 1",
      ),
    contextLogitScaleInit: z
      .number()
      .optional()
      .describe("the first tau_2; the model's own at the first step when absent"),
    contextLogitBiasInit: z
      .number()
      .optional()
      .describe("the first bias of the context; the model's own at the first step when absent"),
    temperatureLearningRateFactor: z
      .number()
      .default(1)
      .describe("multiplies the learning rate of the objective's own scalars"),
    sharedTemperature: z.boolean().default(false).describe("ablation: tau_2 is tau_1"),
    mask: z
      .boolean()
      .default(true)
      .describe("an image is hidden from itself; false is an ablation"),
    stopGradient: z
      .enum(["none", "values", "keys"])
      .default("none")
      .describe("ablation: no gradient through `values`, or through `keys`"),
    chunkSize: chunkSize.describe(
      "rows of logits and of attention held at a time; the whole matrices when absent",
    ),
  })
  .describe(
    "LIxP's mixture of a base loss and the same loss of images in the context of their batch",
  );

type LixpRecipe = z.output<typeof schema>;

/** The context's learned scalars, each []; null where it has none of its own. */
class ContextScalars extends Module {
  /** ln tau_ctx */
  readonly contextTemperatureLog: Parameter;
  /** ln tau_2 */
  readonly contextLogitScaleLog: Parameter | null;
  readonly contextLogitBias: Parameter | null;

  constructor(temperatureLog: number, scaleLog: number | null, bias: number | null) {
    super();
    const scalar = (value: number): Parameter => new Parameter(tensor(value));
    this.contextTemperatureLog = scalar(temperatureLog);
    this.contextLogitScaleLog = scaleLog === null ? null : scalar(scaleLog);
    this.contextLogitBias = bias === null ? null : scalar(bias);
  }
}

/** Below this effective temperature the context tells neighbours apart (docs/objectives.md). */
const switchedOnTemperature = 0.5;
/** Attention this close to even is the mean of the batch, whatever the temperature. */
const evenEntropy = 0.97;
/** Float32 logits of attention stay below 1,000. */
const leastTemperature = 1e-3;
/** CLIP's limit of a logit scale (arXiv:2103.00020, section 2.5); SigLIP has none. */
const greatestSoftmaxScale = 100;

/** throws  RecipeError for an option out of range, and for options that contradict each other */
function create(recipe: LixpRecipe, context: ObjectiveContext): TrainingObjective {
  check(recipe, context);
  if (recipe.alpha === 1) return new Lixp(recipe, context, null);
  const ownScale = !recipe.sharedTemperature;
  const ownBias = recipe.secondBias ?? (recipe.base === "sigmoid" && ownScale);
  const scalars = scope(
    () =>
      new ContextScalars(
        Math.log(recipe.contextTemperatureInit / Math.sqrt(context.embedDim)),
        ownScale ? Math.log(recipe.contextLogitScaleInit ?? context.logitScaleInit) : null,
        ownBias ? (recipe.contextLogitBiasInit ?? -10) : null,
      ),
  ).to(context.device);
  return new Lixp(recipe, context, scalars);
}

class Lixp implements TrainingObjective, KeptState {
  readonly module: ContextScalars | null;
  readonly kept: KeptState = this;
  readonly learningRateFactor: number;
  readonly #recipe: LixpRecipe;
  readonly #rootDim: number;
  #lowestTemperature = Infinity;
  #lowestEntropy = Infinity;

  constructor(recipe: LixpRecipe, { embedDim }: ObjectiveContext, module: ContextScalars | null) {
    this.#recipe = recipe;
    this.#rootDim = Math.sqrt(embedDim);
    this.learningRateFactor = recipe.temperatureLearningRateFactor;
    this.module = module;
  }

  compute(input: ObjectiveInput): { loss: Tensor; metrics: Record<string, number> } {
    const { module } = this;
    if (module === null) return this.#plain(input);
    if (input.step === 0) this.#startAtModel(module, input);
    return scope(() => {
      const contextTemperature = module.contextTemperatureLog.tensor.exp();
      const contextLogitScale = module.contextLogitScaleLog?.tensor.exp() ?? input.logitScale;
      const { loss, baseLoss, contextLoss, attentionEntropy } = lixp(
        input.image,
        input.rawImage,
        input.text,
        {
          ...this.#options(input),
          contextTemperature,
          contextLogitScale,
          contextLogitBias: module.contextLogitBias?.tensor ?? input.logitBias,
        },
      );
      const temperature = contextTemperature.item();
      const metrics = {
        contextLogitScale: contextLogitScale.item(),
        contextTemperature: temperature,
        effectiveContextTemperature: temperature * this.#rootDim,
        attentionEntropy: attentionEntropy?.item() ?? NaN,
        baseLoss: baseLoss.item(),
        contextLoss: contextLoss?.item() ?? NaN,
      };
      this.#lowestTemperature = Math.min(
        this.#lowestTemperature,
        metrics.effectiveContextTemperature,
      );
      this.#lowestEntropy = Math.min(this.#lowestEntropy, metrics.attentionEntropy);
      return { loss, metrics };
    });
  }

  #options({
    logitScale,
    logitBias,
  }: ObjectiveInput): Omit<LixpOptions, "contextTemperature" | "contextLogitScale"> {
    const { base, alpha, renormalize, mask, stopGradient, chunkSize: rows } = this.#recipe;
    const kept = { base, alpha, renormalize, mask, stopGradient, chunkSize: rows };
    return { ...kept, logitScale, logitBias };
  }

  #plain(input: ObjectiveInput): { loss: Tensor; metrics: Record<string, number> } {
    const { logitScale } = input;
    const { loss } = lixp(input.image, input.rawImage, input.text, {
      ...this.#options(input),
      contextTemperature: logitScale,
      contextLogitScale: logitScale,
    });
    return { loss, metrics: { baseLoss: loss.item() } };
  }

  /** A finished model is trained on from its own scale and bias, not from a fresh model's. */
  #startAtModel(module: ContextScalars, { logitScale, logitBias }: ObjectiveInput): void {
    const { contextLogitScaleInit, contextLogitBiasInit } = this.#recipe;
    scope(() =>
      noGrad(() => {
        if (contextLogitScaleInit === undefined)
          module.contextLogitScaleLog?.assign(logitScale.log());
        if (contextLogitBiasInit === undefined && logitBias)
          module.contextLogitBias?.assign(logitBias);
      }),
    );
  }

  afterStep(): void {
    const { module } = this;
    if (module === null) return;
    const least = Math.log(leastTemperature / this.#rootDim);
    scope(() =>
      noGrad(() => {
        module.contextTemperatureLog.tensor.clamp_(least);
        if (this.#recipe.base === "sigmoid") return;
        module.contextLogitScaleLog?.tensor.clamp_(0, Math.log(greatestSoftmaxScale));
      }),
    );
  }

  state(): { tensors: []; json: unknown } {
    // Infinity is no JSON.
    const shown = (value: number): number | null => (Number.isFinite(value) ? value : null);
    return {
      tensors: [],
      json: {
        lowestTemperature: shown(this.#lowestTemperature),
        lowestEntropy: shown(this.#lowestEntropy),
      },
    };
  }

  restore(_tensors: ReadonlyMap<string, Tensor>, json: unknown, source: string): void {
    const parsed = stateSchema.safeParse(json);
    if (!parsed.success) {
      throw new CheckpointError(
        source,
        `Expected the state of a lixp objective in ${source} but received ${JSON.stringify(json)}; ` +
          "resume with the recipe that the run began with",
      );
    }
    this.#lowestTemperature = parsed.data.lowestTemperature ?? Infinity;
    this.#lowestEntropy = parsed.data.lowestEntropy ?? Infinity;
  }

  warnings(): string[] {
    const [temperature, entropy] = [this.#lowestTemperature, this.#lowestEntropy];
    if (this.module === null || temperature === Infinity) return [];
    if (temperature >= switchedOnTemperature) {
      return [
        `The context branch of LIxP never switched on: its effective temperature stayed at ` +
          `${temperature.toFixed(3)} or above, where attention is all but even; these results say ` +
          `nothing about LIxP. Lower objective.contextTemperatureInit, or raise ` +
          `objective.temperatureLearningRateFactor or train.steps.`,
      ];
    }
    if (entropy <= evenEntropy) return [];
    return [
      `The context branch of LIxP never told neighbours apart: its attention stayed at ` +
        `${entropy.toFixed(3)} of the greatest entropy or above, the mean of the batch; these ` +
        `results say little about LIxP. Train for longer, or lower objective.contextTemperatureInit.`,
    ];
  }

  dispose(): void {
    this.module?.dispose();
  }
}

const stateSchema = z.strictObject({
  lowestTemperature: z.number().nullable(),
  lowestEntropy: z.number().nullable(),
});

function check(recipe: LixpRecipe, context: ObjectiveContext): void {
  const { base, alpha, secondBias, sharedTemperature } = recipe;
  if (!(alpha > 0 && alpha <= 1)) {
    refuse("alpha", "a number above 0 and up to 1", alpha, "1 is the plain objective, the control");
  }
  for (const name of ["contextTemperatureInit", "contextLogitScaleInit"] as const) {
    const value = recipe[name];
    if (value === undefined || (value > 0 && Number.isFinite(value))) continue;
    refuse(name, "a positive number", value, "it is the value itself, not its logarithm");
  }
  if (recipe.contextTemperatureInit < leastTemperature) {
    const cure = "colder attention overflows";
    refuse(
      "contextTemperatureInit",
      `at least ${leastTemperature}`,
      recipe.contextTemperatureInit,
      cure,
    );
  }
  const factor = recipe.temperatureLearningRateFactor;
  if (!(factor >= 0 && Number.isFinite(factor))) {
    refuse("temperatureLearningRateFactor", "a number of at least 0", factor, "1 is the run's own");
  }
  checkScale(recipe);
  if (base === "softmax" && secondBias === true) {
    refuse("secondBias", "false with base softmax", true, "a softmax ignores a bias of its logits");
  }
  if (base === "softmax" && recipe.contextLogitBiasInit !== undefined) {
    const cure = "a softmax ignores a bias of its logits";
    refuse("contextLogitBiasInit", "none with base softmax", recipe.contextLogitBiasInit, cure);
  }
  if (sharedTemperature && secondBias === true) {
    refuse("secondBias", "false with sharedTemperature", true, "share both, or neither");
  }
  if (base === "sigmoid" && !context.hasLogitBias) {
    refuse("base", "a model with a logit bias for base sigmoid", "one without", "set logits.bias");
  }
  if (context.batchSize < 2) {
    throw new RecipeError(
      "train.batchSize",
      `Expected at least 2 pairs for train.batchSize with objective lixp but received ` +
        `${context.batchSize}; an image has no context but the others of its batch`,
    );
  }
}

function checkScale({
  base,
  sharedTemperature,
  contextLogitScaleInit,
  ...recipe
}: LixpRecipe): void {
  const name = "contextLogitScaleInit";
  if (sharedTemperature && contextLogitScaleInit !== undefined) {
    refuse(name, "none with sharedTemperature", contextLogitScaleInit, "the model's own is shared");
  }
  const ownBias = recipe.secondBias ?? !sharedTemperature;
  if (!ownBias && base === "sigmoid" && recipe.contextLogitBiasInit !== undefined) {
    const cure = "the model's own is shared";
    refuse("contextLogitBiasInit", "none with a shared bias", recipe.contextLogitBiasInit, cure);
  }
  if (base === "sigmoid" || contextLogitScaleInit === undefined) return;
  if (contextLogitScaleInit >= 1 && contextLogitScaleInit <= greatestSoftmaxScale) return;
  refuse(
    name,
    `from 1 to ${greatestSoftmaxScale} with base softmax`,
    contextLogitScaleInit,
    "it is limited so",
  );
}

function refuse(name: string, wanted: string, received: unknown, cure: string): never {
  const path = `objective.${name}`;
  throw new RecipeError(
    path,
    `Expected ${wanted} for ${path} but received ${String(received)}; ${cure}`,
  );
}

export const lixpObjective = declareObjective({
  schema,
  reads: ["rawImage", "logitBias"],
  logits: ({ base }) => (base === "sigmoid" ? siglipLogits : clipLogits),
  create,
});
