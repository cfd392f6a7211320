/**
 * From gradients to an update: the limit of their norm, the schedule, the optimizer, the average.
 * Knows no loss and no tower.
 */
import type { Batch } from "../../data/sample.ts";
import { LimnError } from "../../errors.ts";
import { clipGradients, gradientNorm } from "../../optimize/clip-gradients.ts";
import { Ema } from "../../optimize/ema.ts";
import type { Module, Parameter } from "../../nn/module.ts";
import type { Optimizer } from "../../optimize/optimizer.ts";
import type { ParameterGroup } from "../../optimize/groups.ts";
import { createOptimizer } from "../../optimize/optimizers.ts";
import { createSchedule, type Schedule } from "../../optimize/schedule.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";

type UpdateRecipe = Pick<
  ResolvedRecipe["train"],
  "optimizer" | "schedule" | "steps" | "gradientClip" | "ema"
>;

interface StepAt {
  /** Optimizer steps done before. */
  step: number;
  /** Where the run stands in steps, at least `step`: what the schedule goes by. */
  position: number;
  /** For the message of a DivergedError. */
  batch: Batch;
}

interface UpdateHooks {
  /** Before the optimizer changes anything. */
  before?: (learningRate: number) => void;
  /** After it, before the average takes the weights in. */
  after?: () => void;
}

export class Updater {
  readonly optimizer: Optimizer;
  readonly ema: Ema | undefined;
  readonly #schedule: Schedule;
  readonly #gradientClip: number | undefined;

  /** `averaged` is the module that the recipe's `ema` is an average of. */
  constructor(recipe: UpdateRecipe, groups: readonly ParameterGroup[], averaged: Module) {
    const { optimizer, schedule, steps, gradientClip, ema } = recipe;
    this.optimizer = createOptimizer(optimizer, groups);
    this.ema = ema === undefined ? undefined : new Ema(averaged, { decay: ema, warmUp: true });
    this.#schedule = createSchedule({ ...schedule, steps, learningRate: optimizer.learningRate });
    this.#gradientClip = gradientClip;
  }

  /** Drops the gradients and throws DivergedError where the number is NaN or infinite. */
  demandFinite(value: number, what: string, { step, batch }: Pick<StepAt, "step" | "batch">): void {
    if (Number.isFinite(value)) return;
    this.optimizer.zeroGrad();
    throw new DivergedError(step + 1, what, batch.keys);
  }

  /**
   * One update by the gradients that `parameters` hold, which are dropped.
   *
   * throws  DivergedError, with the weights as they were, when their norm is not finite
   */
  update(
    parameters: readonly Parameter[],
    at: StepAt,
    { before, after }: UpdateHooks = {},
  ): { learningRate: number; gradNorm: number } {
    const norm =
      this.#gradientClip === undefined
        ? gradientNorm(parameters)
        : clipGradients(parameters, this.#gradientClip);
    const gradNorm = norm.item();
    this.demandFinite(gradNorm, "gradient", at);
    const learningRate = this.#schedule(at.position);
    before?.(learningRate);
    this.optimizer.step(learningRate);
    this.optimizer.zeroGrad();
    after?.();
    this.ema?.update();
    return { learningRate, gradNorm };
  }

  /** Runs `body` with the averaged weights in place, where the recipe averages. */
  async withAverage<T>(body: () => Promise<T>): Promise<T> {
    if (this.ema === undefined) return body();
    this.ema.swap();
    try {
      return await body();
    } finally {
      this.ema.swap();
    }
  }

  dispose(): void {
    this.optimizer.dispose();
    this.ema?.dispose();
  }
}

/** The end of a run whose loss or gradient is not finite. */
export class DivergedError extends LimnError {
  readonly step: number;
  readonly keys: readonly string[];

  constructor(step: number, what: string, keys: readonly string[]) {
    const shown = keys.slice(0, 8).join(", ") + (keys.length > 8 ? `, ... (${keys.length})` : "");
    super(
      "LIMN_DIVERGED",
      `Expected a finite ${what} at step ${step} but received one that is not; the weights are as ` +
        `before that step. Samples of the batch: ${shown}. Lower train.optimizer.learningRate, ` +
        "lengthen the warm-up, or set train.gradientClip",
    );
    this.step = step;
    this.keys = keys;
  }
}
