/**
 * What an objective is to the trainer: how a recipe names it, how its logits begin, and what it owns
 * beside the model (learned scalars, networks, buffers), saved and restored with every checkpoint.
 * Knows no objective and no trainer.
 */
import type { z } from "zod";

import type { NamedModel } from "../checkpoints/named-model.ts";
import type { Module } from "../nn/module.ts";
import type { Device, Tensor } from "../torch/index.ts";

/** The whole batch of a step; all tensors are in the graph and borrowed. */
export interface ObjectiveInput {
  /** [N, D] float32, unit rows. */
  image: Tensor;
  text: Tensor;
  /** [N, D] float32: the towers' outputs before they are brought to length 1. */
  rawImage: Tensor;
  rawText: Tensor;
  /** [] > 0: the multiplier of similarities, not its logarithm. */
  logitScale: Tensor;
  /** [] added to the logits; null where the model has none. */
  logitBias: Tensor | null;
  /** [N] the examples' names, the same in every epoch, run and machine. */
  ids: readonly string[];
  /** Optimizer steps done before this one, and epochs of the data (from 0). */
  step: number;
  epoch: number;
  /**
   * Where the run stands in steps, at least `step`: further on where its minutes are. Schedules over
   * the run go by it.
   */
  position: number;
  /** Embeddings of a teacher pair, unit rows [N, D'], where the objective asked for one. */
  teacher?: { image: Tensor; text: Tensor; logitScale: Tensor };
}

export interface ObjectiveOutput {
  /** [] what the step minimises, in the graph of the inputs. */
  loss: Tensor;
  /** Further numbers, logged as `train/<name>`. */
  metrics?: Record<string, number>;
}

/** Tensors and plain JSON, enough for an exact resume. */
export interface ObjectiveState {
  /** Borrowed; the names are the objective's own. */
  tensors: Iterable<readonly [string, Tensor]>;
  json?: unknown;
}

/** What an objective keeps from one step to the next, beside the parameters of its `module`. */
export interface KeptState {
  state(): ObjectiveState;
  /** throws CheckpointError naming `source` when the state is not one of this objective */
  restore(tensors: ReadonlyMap<string, Tensor>, json: unknown, source: string): void;
}

export interface TrainingObjective {
  /** Learned scalars that the run's optimizer updates with the model's; null where there are none. */
  readonly module: Module | null;
  /** Multiplies the learning rate of `module`'s parameters; 1 when absent. */
  readonly learningRateFactor?: number;
  /** Saved and restored with every checkpoint; null where a step leaves nothing behind. */
  readonly kept: KeptState | null;
  /**
   * The loss of one batch. May update what the objective owns (networks, buffers); is called once per
   * step, also with micro-batches.
   */
  compute(input: ObjectiveInput): ObjectiveOutput;
  /** Called after every optimizer step, for limits on learned scalars. */
  afterStep?(): void;
  /** Sentences for the run's report that its reader must not miss; none when all is well. */
  warnings?(): string[];
  dispose(): void;
}

/** What an objective is made for. */
export interface ObjectiveContext {
  device: Device;
  embedDim: number;
  batchSize: number;
  /** Optimizer steps of the whole run. */
  steps: number;
  /** Whether the model has a learned logitBias. */
  hasLogitBias: boolean;
  /** The model's first logitScale. */
  logitScaleInit: number;
  /** Whether the model's logit scale is trained. */
  logitScaleLearned: boolean;
  /** A folder of the run for files that grow with the data; emptied by nobody else. */
  scratchFolder: string;
}

/** How logits are made of similarities, until the recipe or a pretrained pair says otherwise. */
export interface LogitDefaults {
  /** The first multiplier of similarities. */
  scaleInit: number;
  /** The largest; null without a limit. */
  scaleMax: number | null;
  /** What is learned: the scale's logarithm, or 1 / scale. */
  scaleAs: "log" | "temperature";
  /** The first value of the learned bias; null where the objective would not train one. */
  bias: number | null;
}

/** Of a step's input, what not every objective reads. */
export type ObjectiveReads = "ids" | "rawImage" | "logitBias" | "teacher";

/** A strict object with a `kind`; every other key has a description. */
type ObjectiveSchema = z.ZodType<{ kind: string }>;

/** An objective, declared in the file or folder of its paper; index.ts lists all of them. */
export interface ObjectiveDeclaration<S extends ObjectiveSchema = ObjectiveSchema> {
  /** What a recipe may say, with its defaults. */
  readonly schema: S;
  readonly reads: readonly ObjectiveReads[];
  logits(recipe: z.output<S>): LogitDefaults;
  /** The pair that embeds each batch beside the trained one. */
  teacher?(recipe: z.output<S>): NamedModel;
  /** throws RecipeError where options contradict each other or the run */
  create(recipe: z.output<S>, context: ObjectiveContext): TrainingObjective;
}

/** Types a declaration by its schema. */
export function declareObjective<S extends ObjectiveSchema>(
  declaration: ObjectiveDeclaration<S>,
): ObjectiveDeclaration<S> {
  return declaration;
}
