/**
 * The state that training changes, and one step of it: model, optimizer, average, random numbers.
 * Knows no loader, files, logs or evaluation.
 */
import type { Batch } from "../data/sample.ts";
import { LimnError } from "../errors.ts";
import { pixelsToTensor, type Clip, type PixelNormalization } from "../models/clip.ts";
import type { ClipConfig } from "../models/configs.ts";
import { clipGradients, gradientNorm } from "../nn/clip-gradients.ts";
import { Ema } from "../nn/ema.ts";
import { parameterGroups, type TowerRates } from "../nn/optimizer-groups.ts";
import { AdamW } from "../nn/optimizer.ts";
import { createSchedule, type Schedule } from "../nn/schedule.ts";
import { fromData, manualSeed, scope, type Device, type Tensor } from "../torch/index.ts";
import { buildModel } from "./build-model.ts";
import type { ResolvedRecipe } from "./recipe.ts";
import { accumulateGradient } from "./step.ts";

/** Training that left the numbers: the loss or the gradient is not finite. */
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

export interface TrainerOptions {
  recipe: ResolvedRecipe;
  config: ClipConfig;
  device: Device;
  normalization: PixelNormalization;
}

/** What one step reports, before anything about time is known. */
export interface StepReport {
  loss: number;
  contrastiveAccuracy: number;
  logitScale: number;
  learningRate: number;
  gradNorm: number;
}

export class Trainer {
  readonly model: Clip;
  readonly optimizer: AdamW;
  readonly ema: Ema | undefined;
  readonly config: ClipConfig;
  readonly recipe: ResolvedRecipe;
  /** Optimizer steps done. */
  step = 0;
  /** Pairs seen. */
  examplesSeen = 0;
  readonly #schedule: Schedule;
  readonly #device: Device;
  readonly #normalization: PixelNormalization;

  /** Seeds the generator and builds random weights. */
  constructor({ recipe, config, device, normalization }: TrainerOptions) {
    const { seed, optimizer, schedule, steps, ema, activationCheckpointing } = recipe.train;
    // Weights are drawn on the CPU, so that a seed means the same on every device.
    manualSeed(seed);
    if (device !== "cpu") manualSeed(seed, device);
    this.recipe = recipe;
    this.config = config;
    this.model = buildModel(config, device);
    for (const tower of [this.model.imageTower, this.model.textTower]) {
      tower.run.checkpointing = activationCheckpointing;
    }
    const { beta1, beta2, epsilon } = optimizer;
    this.optimizer = new AdamW(parameterGroups(this.model, groupOptions(optimizer)), {
      beta1,
      beta2,
      epsilon,
    });
    this.ema = ema === undefined ? undefined : new Ema(this.model, { decay: ema, warmUp: true });
    this.#schedule = createSchedule({ ...schedule, steps, learningRate: optimizer.learningRate });
    this.#device = device;
    this.#normalization = normalization;
  }

  /**
   * One optimizer step on a batch.
   *
   * throws  DivergedError, with the weights as they were, when loss or gradient is not finite
   */
  trainStep(batch: Batch): StepReport {
    return scope(() => {
      const { train, objective } = this.recipe;
      this.model.train(true);
      const input = { pixels: this.#pixels(batch), tokens: this.#tokens(batch) };
      const { loss, contrastiveAccuracy } = accumulateGradient(this.model, input, {
        objective,
        precision: train.precision,
        microBatchSize: train.microBatchSize,
      });
      this.#demandFinite(loss, "loss", batch);
      const gradNorm = this.#limitGradient();
      this.#demandFinite(gradNorm, "gradient", batch);
      const learningRate = this.#schedule(this.step);
      this.optimizer.step(learningRate);
      this.optimizer.zeroGrad();
      this.model.clampLogitScale();
      this.ema?.update();
      this.step++;
      this.examplesSeen += batch.size;
      const logitScale = Math.exp(this.model.logitScaleLog.tensor.item());
      return { loss, contrastiveAccuracy, logitScale, learningRate, gradNorm };
    });
  }

  #pixels(batch: Batch): Tensor {
    return pixelsToTensor(batch.pixels, batch.imageSize, this.#normalization, this.#device);
  }

  /** int64 [N, T], cut to the longest caption of the batch where that changes nothing. */
  #tokens({ tokens, size, contextLength, lengths }: Batch): Tensor {
    const whole = fromData(tokens, [size, contextLength]);
    const trims = this.recipe.train.trimCaptions && this.model.textTower.causal;
    const length = trims ? lengths.reduce((most, one) => Math.max(most, one), 1) : contextLength;
    return whole.narrow(1, 0, length).to("int64").to(this.#device);
  }

  #limitGradient(): number {
    const { gradientClip } = this.recipe.train;
    const parameters = this.model.parameters();
    const norm =
      gradientClip === undefined
        ? gradientNorm(parameters)
        : clipGradients(parameters, gradientClip);
    return norm.item();
  }

  #demandFinite(value: number, what: string, batch: Batch): void {
    if (Number.isFinite(value)) return;
    this.optimizer.zeroGrad();
    throw new DivergedError(this.step + 1, what, batch.keys);
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
    this.model.dispose();
  }
}

function groupOptions({
  weightDecay,
  imageTower,
  textTower,
}: ResolvedRecipe["train"]["optimizer"]): {
  weightDecay: number;
  towers: Record<string, TowerRates>;
} {
  const towers: Record<string, TowerRates> = {};
  for (const [name, rates] of Object.entries({ imageTower, textTower })) {
    if (rates === undefined) continue;
    towers[`${name}.`] = {
      learningRateFactor: rates.learningRateFactor,
      weightDecay: rates.weightDecay ?? weightDecay,
    };
  }
  return { weightDecay, towers };
}
