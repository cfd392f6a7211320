/** One tower with a task: its optimizer step, saved and restored like a pair's. */
import type { Batch } from "../../data/sample.ts";
import { clipGradients, gradientNorm } from "../../nn/clip-gradients.ts";
import { Ema } from "../../nn/ema.ts";
import type { Module } from "../../nn/module.ts";
import { parameterGroups } from "../../nn/optimizer-groups.ts";
import type { Optimizer } from "../../nn/optimizer-base.ts";
import { createSchedule, type Schedule } from "../../nn/schedule.ts";
import { autocast, backward, noGrad, scope, type Device, type Tensor } from "../../torch/index.ts";
import { DivergedError } from "../diverged.ts";
import type { Evaluation, Learner } from "../learner.ts";
import { createOptimizer } from "../optimizers.ts";
import { withTrainingState, type TrainingState } from "../training-checkpoint.ts";
import type { ResolvedPretrainRecipe } from "./recipe.ts";

/** What is learned about a tower: the loss of a batch, and how well it does on held-out samples. */
export interface TowerTask {
  /** The tower and what else is learned; the paths of its parameters name the optimizer's state. */
  readonly model: Module;
  /** Loss [] in the graph, and the share of right answers in [0, 1]. */
  loss(batch: Batch): { loss: Tensor; accuracy: number };
  /** Null without held-out samples. */
  readonly evaluate: (() => Promise<Record<string, number>>) | null;
  /** Writes the tower's folder with further files. */
  save(folder: string, furtherFiles?: (folder: string) => Promise<void>): Promise<void>;
}

export class TowerTrainer implements Learner {
  step = 0;
  examplesSeen = 0;
  readonly device: Device;
  readonly optimizer: Optimizer;
  readonly ema: Ema | undefined;
  readonly evaluate: Learner["evaluate"];
  readonly #task: TowerTask;
  readonly #train: ResolvedPretrainRecipe["train"];
  readonly #schedule: Schedule;

  constructor(task: TowerTask, train: ResolvedPretrainRecipe["train"], device: Device) {
    const { weightDecay, learningRate } = train.optimizer;
    this.#task = task;
    this.#train = train;
    this.device = device;
    this.optimizer = createOptimizer(train.optimizer, parameterGroups(task.model, { weightDecay }));
    const { ema, schedule, steps } = train;
    this.ema = ema === undefined ? undefined : new Ema(task.model, { decay: ema, warmUp: true });
    this.#schedule = createSchedule({ ...schedule, steps, learningRate });
    this.evaluate = task.evaluate === null ? null : () => this.#evaluate();
  }

  trainStep(batch: Batch): { loss: number } & Record<string, number> {
    return scope(() => {
      const { model } = this.#task;
      model.train(true);
      const cast = this.#train.precision === "bfloat16" ? this.device : undefined;
      const { loss, accuracy } = autocast(cast, () => this.#task.loss(batch));
      const value = loss.item();
      this.#demandFinite(value, "loss", batch);
      backward(loss);
      const gradNorm = this.#limitGradient();
      this.#demandFinite(gradNorm, "gradient", batch);
      const learningRate = this.#schedule(this.step);
      this.optimizer.step(learningRate);
      this.optimizer.zeroGrad();
      this.ema?.update();
      this.step++;
      this.examplesSeen += batch.size;
      return { loss: value, accuracy, learningRate, gradNorm };
    });
  }

  #limitGradient(): number {
    const { gradientClip } = this.#train;
    const parameters = this.#task.model.parameters();
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

  async #evaluate(): Promise<Evaluation> {
    const values = await this.#averaged(() => this.#task.evaluate?.() ?? Promise.resolve({}));
    return { values, suites: [] };
  }

  saveTraining(folder: string, state: TrainingState): Promise<void> {
    return this.#task.save(folder, withTrainingState(undefined, this, state));
  }

  saveModel(folder: string): Promise<void> {
    return this.#averaged(() => this.#task.save(folder));
  }

  /** Runs `body` with the averaged weights in place, where the recipe averages. */
  async #averaged<T>(body: () => Promise<T>): Promise<T> {
    if (this.ema === undefined) return body();
    this.ema.swap();
    try {
      return await body();
    } finally {
      this.ema.swap();
    }
  }

  warnings(): readonly string[] {
    return [];
  }

  dispose(): void {
    this.optimizer.dispose();
    this.ema?.dispose();
    this.#task.model.dispose();
  }
}

/** Runs `body` as in evaluation: no gradient, no random layers. */
export function evaluating<T>(model: Module, body: () => T): T {
  model.train(false);
  return scope(() => noGrad(body));
}
