/**
 * A training checkpoint: a model folder that any tool can open, with what an exact resume needs in a
 * subfolder. Everything appears at once or not at all.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { CheckpointError } from "../errors.ts";
import { writeTextAtomically } from "../models/atomic-write.ts";
import { loadWeights, saveCheckpoint } from "../models/checkpoint.ts";
import { readSafetensors, writeSafetensors } from "../models/safetensors.ts";
import {
  noGrad,
  randomState,
  scope,
  setRandomState,
  type Device,
  type Tensor,
} from "../torch/index.ts";
import type { TrainingObjective } from "./objectives/objective.ts";
import { toJson, type BestCheckpoint } from "./run-directory.ts";
import type { Trainer } from "./trainer.ts";

/** What a checkpoint holds beside tensors. */
export interface TrainingState {
  /** What the objective keeps beside its tensors. */
  objective?: unknown;
  step: number;
  examplesSeen: number;
  /** Where the loader goes on. */
  loader: unknown;
  best?: BestCheckpoint;
}

export interface CheckpointSurroundings {
  evaluationTransform: EvaluationTransform;
  tokenizerFiles: (folder: string) => void | Promise<void>;
}

const folderName = "training";

function files(
  folder: string,
): Record<"state" | "optimizer" | "ema" | "random" | "objective", string> {
  const inner = join(folder, folderName);
  return {
    state: join(inner, "state.json"),
    optimizer: join(inner, "optimizer.safetensors"),
    ema: join(inner, "ema.safetensors"),
    random: join(inner, "random.safetensors"),
    objective: join(inner, "objective.safetensors"),
  };
}

/** Writes model, optimizer, average, random numbers and `state` as one folder. */
export async function saveTraining(
  folder: string,
  trainer: Trainer,
  state: TrainingState,
  { evaluationTransform, tokenizerFiles }: CheckpointSurroundings,
): Promise<void> {
  const { config, model } = trainer;
  await saveCheckpoint(folder, {
    config,
    evaluationTransform,
    weights: model.namedState(),
    tokenizerFiles: async (partial) => {
      await tokenizerFiles(partial);
      mkdirSync(join(partial, folderName));
      const objective = writeTensors(partial, trainer);
      const whole = objective === undefined ? state : { ...state, objective };
      writeTextAtomically(files(partial).state, toJson(whole));
    },
  });
}

/** Replaces what a checkpoint says beside its tensors. */
export function updateState(folder: string, state: TrainingState): void {
  const { state: file } = files(folder);
  const { objective } = readState(file);
  writeTextAtomically(file, toJson(objective === undefined ? state : { ...state, objective }));
}

/** Returns what the objective keeps beside its tensors. */
function writeTensors(folder: string, trainer: Trainer): unknown {
  const { optimizer, ema, random, objective } = files(folder);
  return scope(() => {
    const { tensors = [], json } = trainer.objective.state?.() ?? {};
    writeSafetensors(objective, [...scalars(trainer.objective), ...tensors]);
    writeSafetensors(optimizer, trainer.optimizer.stateDict());
    if (trainer.ema) writeSafetensors(ema, trainer.ema.stateDict());
    writeSafetensors(random, randomStates(trainer.model.device));
    return json;
  });
}

const scalarPrefix = "scalars.";

/** The objective's learned numbers. */
function scalars({ module }: TrainingObjective): [string, Tensor][] {
  return [...(module?.namedState() ?? [])].map(([name, tensor]) => [scalarPrefix + name, tensor]);
}

function restoreObjective(
  objective: TrainingObjective,
  tensors: Map<string, Tensor>,
  json: unknown,
  file: string,
): void {
  const problems: string[] = [];
  for (const [name, target] of objective.module?.namedState() ?? []) {
    const found = tensors.get(scalarPrefix + name);
    tensors.delete(scalarPrefix + name);
    if (found) noGrad(() => target.copy_(found));
    else problems.push(`missing ${scalarPrefix}${name}`);
  }
  if (objective.restore) objective.restore(tensors, json, file);
  else problems.push(...[...tensors.keys()].map((name) => `unexpected ${name}`));
  if (problems.length === 0) return;
  throw new CheckpointError(
    file,
    `Expected the state of the recipe's objective in ${file} but it differs: ${problems.join("; ")}`,
  );
}

function randomStates(device: Device): [string, Tensor][] {
  const states: [string, Tensor][] = [["cpu", randomState("cpu")]];
  if (device !== "cpu") states.push(["device", randomState(device)]);
  return states;
}

/**
 * Puts everything of `saveTraining` back into a trainer of the same recipe.
 *
 * throws  CheckpointError naming the file, and every weight or state that does not fit
 */
export function restoreTraining(folder: string, trainer: Trainer): TrainingState {
  try {
    return restore(folder, trainer);
  } catch (error) {
    if (error instanceof CheckpointError) {
      error.message += `. Where that checkpoint is damaged, remove ${folder} to go on from the one before`;
    }
    throw error;
  }
}

function restore(folder: string, trainer: Trainer): TrainingState {
  const paths = files(folder);
  const state = readState(paths.state);
  loadWeights(folder, trainer.model);
  withTensors(paths.optimizer, (tensors) => trainer.optimizer.load(tensors, paths.optimizer));
  const { ema } = trainer;
  if (ema) withTensors(paths.ema, (tensors) => ema.load(tensors, paths.ema));
  withTensors(paths.objective, (tensors) =>
    restoreObjective(trainer.objective, tensors, state.objective, paths.objective),
  );
  withTensors(paths.random, (tensors) => {
    const cpu = tensors.get("cpu");
    if (cpu) setRandomState(cpu, "cpu");
    const device = tensors.get("device");
    if (device) setRandomState(device, trainer.model.device);
  });
  trainer.step = state.step;
  trainer.examplesSeen = state.examplesSeen;
  return state;
}

function withTensors(file: string, use: (tensors: Map<string, Tensor>) => void): void {
  const opened = readSafetensors(file);
  try {
    scope(() => use(new Map(opened.names.map((name) => [name, opened.tensor(name)]))));
  } finally {
    opened.close();
  }
}

function readState(file: string): TrainingState {
  try {
    const state = JSON.parse(readFileSync(file, "utf8")) as TrainingState;
    const counted = Number.isSafeInteger(state.step) && Number.isSafeInteger(state.examplesSeen);
    if (counted && typeof state.loader === "object" && state.loader !== null) return state;
    throw new TypeError("step, examplesSeen or loader is missing");
  } catch (cause) {
    throw new CheckpointError(
      file,
      `Expected the state of a training run in ${file} but could not read it; ` +
        "resume from another checkpoint of the run",
      { cause },
    );
  }
}
