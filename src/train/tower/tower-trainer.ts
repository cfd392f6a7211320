/** One tower with a task: its optimizer step, saved and restored like a pair's. */
import type { Batch } from "../../data/sample.ts";
import type { Ema } from "../../optimize/ema.ts";
import type { Module } from "../../nn/module.ts";
import { parameterGroups } from "../../optimize/groups.ts";
import type { Optimizer } from "../../optimize/optimizer.ts";
import { autocast, backward, scope, type Device, type Tensor } from "../../torch/index.ts";
import type { Evaluation, Learner } from "../run/learner.ts";
import { withTrainingState, type TrainingState } from "../run/run-checkpoint.ts";
import type { StepOptions } from "../step/trainer.ts";
import { Updater } from "../step/updater.ts";
import type { ResolvedPretrainRecipe } from "../recipe/pretrain-recipe.ts";

/** What is learned about a tower: the loss of a batch, and how well it does on held-out samples. */
export interface TowerTask {
  /** The tower and what else is learned. The paths of its parameters name the optimizer's state. */
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
  readonly evaluate: Learner["evaluate"];
  readonly #task: TowerTask;
  readonly #train: ResolvedPretrainRecipe["train"];
  readonly #updater: Updater;

  constructor(task: TowerTask, train: ResolvedPretrainRecipe["train"], device: Device) {
    const groups = parameterGroups(task.model, { weightDecay: train.optimizer.weightDecay });
    this.#task = task;
    this.#train = train;
    this.device = device;
    this.#updater = new Updater(train, groups, task.model);
    this.evaluate = task.evaluate === null ? null : () => this.#evaluate();
  }

  get optimizer(): Optimizer {
    return this.#updater.optimizer;
  }

  get ema(): Ema | undefined {
    return this.#updater.ema;
  }

  trainStep(
    batch: Batch,
    { position = this.step }: StepOptions = {},
  ): { loss: number } & Record<string, number> {
    return scope(() => {
      const { model } = this.#task;
      model.train(true);
      const cast = this.#train.precision === "bfloat16" ? this.device : undefined;
      const { loss, accuracy } = autocast(cast, () => this.#task.loss(batch));
      const value = loss.item();
      const at = { step: this.step, position, batch };
      this.#updater.demandFinite(value, "loss", at);
      backward(loss);
      const report = this.#updater.update(model.parameters(), at);
      this.step++;
      this.examplesSeen += batch.size;
      return { loss: value, accuracy, ...report };
    });
  }

  async #evaluate(): Promise<Evaluation> {
    const values = await this.#updater.withAverage(
      () => this.#task.evaluate?.() ?? Promise.resolve({}),
    );
    return { values, suites: [] };
  }

  saveTraining(folder: string, state: TrainingState): Promise<void> {
    return this.#task.save(folder, withTrainingState(undefined, this, state));
  }

  saveModel(folder: string): Promise<void> {
    return this.#updater.withAverage(() => this.#task.save(folder));
  }

  warnings(): readonly string[] {
    return [];
  }

  dispose(): void {
    this.#updater.dispose();
    this.#task.model.dispose();
  }
}
