/** How logits are made of similarities in a run: the objective's own way, unless the recipe says another. */
import { RecipeError } from "../../errors.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import type { ParameterGroup } from "../../optimize/groups.ts";
import { logitDefaults, type ObjectiveRecipe } from "../../objectives/index.ts";
import type { LogitDefaults } from "../../objectives/objective.ts";
import type { LogitsRecipe } from "./recipe-model.ts";

export interface Logits extends LogitDefaults {
  scaleLearned: boolean;
}

/** throws RecipeError for a scale outside its range, and for a bias that the objective ignores */
export function resolveLogits({ scale, bias }: LogitsRecipe, objective: ObjectiveRecipe): Logits {
  const own = logitDefaults(objective);
  const logits: Logits = {
    scaleInit: scale.init ?? own.scaleInit,
    scaleMax: scale.max === undefined ? own.scaleMax : scale.max,
    scaleAs: scale.as ?? own.scaleAs,
    scaleLearned: scale.learned,
    bias: bias === undefined ? own.bias : bias,
  };
  const { scaleInit, scaleMax } = logits;
  if (logits.bias !== null && own.bias === null) {
    throw new RecipeError(
      "logits.bias",
      `Expected a model without a learned bias for objective ${objective.kind}, which would not ` +
        `train it, but received ${logits.bias}; set logits.bias to null`,
    );
  }
  if (scaleMax !== null && scale.learned && (scaleInit > scaleMax || scaleInit < 1)) {
    throw new RecipeError(
      "logits.scale.init",
      `Expected a scale from 1 to logits.scale.max ${scaleMax} for logits.scale.init but received ` +
        `${scaleInit}; choose another, or set logits.scale.max to null`,
    );
  }
  if (!scale.learned && scale.learningRate !== undefined) {
    throw new RecipeError(
      "logits.scale.learningRate",
      "Expected no logits.scale.learningRate for a scale that is not learned but received " +
        `${scale.learningRate}; remove one of the two`,
    );
  }
  if (scale.slowBelowTemperature !== undefined && scale.learningRate === undefined) {
    throw new RecipeError(
      "logits.scale.slowBelowTemperature",
      "Expected a logits.scale.learningRate for logits.scale.slowBelowTemperature but received " +
        "none; give the scale a rate of its own",
    );
  }
  return logits;
}

/** The optimizer's group of a scale with a rate of its own, as FastCLIP and AmorLIP train it. */
export class ScaleRate {
  readonly group: ParameterGroup;
  readonly #model: DualEncoder;
  readonly #rate: number;
  readonly #slowBelow: number;

  constructor(model: DualEncoder, rate: number, slowBelow = 0) {
    const path = model.logitScaleLog ? "logitScaleLog" : "temperature";
    this.group = { parameters: new Map([[path, model.scaleParameter]]), weightDecay: 0 };
    this.#model = model;
    this.#rate = rate;
    this.#slowBelow = slowBelow;
  }

  /** Sets the factor that turns the run's learning rate of this step into the scale's own. */
  prepare(learningRate: number): void {
    const slow = logitScaleOf(this.#model) * this.#slowBelow >= 1;
    const rate = slow ? this.#rate / 3 : this.#rate;
    this.group.learningRateFactor = learningRate > 0 ? rate / learningRate : 0;
  }
}

/** The model's logit scale as a number. */
export function logitScaleOf(model: DualEncoder): number {
  const value = model.scaleParameter.tensor.item();
  return model.logitScaleLog ? Math.exp(value) : 1 / value;
}
