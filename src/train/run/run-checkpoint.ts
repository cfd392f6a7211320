/**
 * A training checkpoint: a model folder that any tool can open, with what an exact resume needs in a
 * subfolder. Everything appears at once or not at all.
 */
import { join, relative } from "node:path";

import { CheckpointError } from "../../errors.ts";
import { readJsonFile, readingReason } from "../../files/regular-file.ts";
import { writeTextAtomically } from "../../files/atomic-write.ts";
import { rewriteRecorded } from "../../files/folder-record.ts";
import { makeFolder } from "../../files/storage.ts";
import type { LoaderPosition } from "../../data/loader/loader.ts";
import type { Ema } from "../../optimize/ema.ts";
import type { Optimizer } from "../../optimize/optimizer.ts";
import { matchWeights } from "../../checkpoints/weights/check-weights.ts";
import { readSafetensors, writeSafetensors } from "../../checkpoints/weights/safetensors.ts";
import {
  isFloating,
  noGrad,
  randomState,
  scope,
  setRandomState,
  type Device,
  type Tensor,
} from "../../torch/index.ts";
import type { ProcessGroup } from "../process-group.ts";
import type { TrainingObjective } from "../../objectives/objective.ts";
import type { RunData } from "../cache/run-data.ts";
import { toJson, type BestCheckpoint } from "./run-directory.ts";

/** What a checkpoint holds in JSON. */
export interface TrainingState {
  /** The kind of objective that the run trains by; absent of a tower's pretraining. */
  objectiveKind?: string;
  /** The objective's state apart from its tensors. */
  objective?: unknown;
  step: number;
  examplesSeen: number;
  /** Seconds that the steps took, of a run with `train.minutes`. */
  trainingSeconds?: number;
  /** Where the loader goes on; of several processes each one's, in rank order. */
  loader: LoaderPosition | LoaderPosition[];
  /** What the training data was; absent in checkpoints of 0.1.0. */
  data?: RunData;
  best?: BestCheckpoint;
}

/** What training changes apart from the weights. */
export interface Trained {
  step: number;
  examplesSeen: number;
  readonly device: Device;
  readonly optimizer: Optimizer;
  readonly ema: Ema | undefined;
  readonly objective?: TrainingObjective;
  readonly objectiveKind?: string;
  /** State that the folder's own weights hold in another form, such as merged; nothing when absent. */
  unmerged?(): [string, Tensor][];
}

const folderName = "training";

function files(
  folder: string,
): Record<"state" | "optimizer" | "ema" | "random" | "objective" | "unmerged", string> {
  const inner = join(folder, folderName);
  return {
    state: join(inner, "state.json"),
    optimizer: join(inner, "optimizer.safetensors"),
    ema: join(inner, "ema.safetensors"),
    random: join(inner, "random.safetensors"),
    objective: join(inner, "objective.safetensors"),
    unmerged: join(inner, "unmerged.safetensors"),
  };
}

/** A writer of a model folder's further files, with optimizer, average, random numbers and `state`. */
export function withTrainingState(
  further: ((folder: string) => void | Promise<void>) | undefined,
  trained: Trained,
  state: TrainingState,
): (folder: string) => Promise<void> {
  return async (folder) => {
    await further?.(folder);
    makeFolder(join(folder, folderName));
    const objective = writeTensors(folder, trained);
    const { objectiveKind } = trained;
    writeTextAtomically(
      files(folder).state,
      toJson(withObjective(state, objectiveKind, objective)),
    );
  };
}

/** Replaces the JSON of a checkpoint. */
export function updateState(folder: string, state: TrainingState): void {
  const { state: file } = files(folder);
  const { objectiveKind, objective } = readState(file);
  const text = toJson(withObjective(state, objectiveKind, objective));
  rewriteRecorded(folder, relative(folder, file).replaceAll("\\", "/"), text);
}

function withObjective(
  state: TrainingState,
  objectiveKind: string | undefined,
  objective: unknown,
): TrainingState {
  return {
    ...state,
    ...(objectiveKind === undefined ? {} : { objectiveKind }),
    ...(objective === undefined ? {} : { objective }),
  };
}

/** Returns the objective's state apart from its tensors. */
function writeTensors(folder: string, trained: Trained): unknown {
  const { optimizer, ema, random, objective, unmerged } = files(folder);
  const exact = trained.unmerged?.() ?? [];
  if (exact.length > 0) writeSafetensors(unmerged, exact);
  return scope(() => {
    const { tensors = [], json } = trained.objective?.kept?.state() ?? {};
    writeSafetensors(objective, [...scalars(trained.objective), ...tensors]);
    writeSafetensors(optimizer, trained.optimizer.stateDict());
    if (trained.ema) writeSafetensors(ema, trained.ema.stateDict());
    writeSafetensors(random, randomStates(trained.device));
    return json;
  });
}

const scalarPrefix = "scalars.";

/** The objective's learned numbers. */
function scalars(objective: TrainingObjective | undefined): [string, Tensor][] {
  return [...(objective?.module?.namedState() ?? [])].map(([name, tensor]) => [
    scalarPrefix + name,
    tensor,
  ]);
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
  if (objective.kept) objective.kept.restore(tensors, json, file);
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
 * Puts everything of `withTrainingState` back into what the same recipe trains.
 *
 * weights   reads the folder's weights
 * throws    CheckpointError naming the file, and every weight or state that does not fit
 */
export function restoreTraining(
  folder: string,
  trained: Trained,
  weights: () => void,
): TrainingState {
  const state = whole(folder, () => readState(files(folder).state));
  checkObjective(folder, state, trained);
  whole(folder, () => {
    weights();
    restore(folder, trained, state);
  });
  return state;
}

/** Runs `body`, which reads a checkpoint, and says what to do about a damaged one. */
function whole<T>(folder: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof CheckpointError) {
      error.message += `. Where that checkpoint is damaged, remove ${folder} to go on from the one before`;
    }
    throw error;
  }
}

function checkObjective(
  folder: string,
  { objectiveKind: found }: TrainingState,
  { objectiveKind: wanted }: Trained,
): void {
  if (found === undefined || wanted === undefined || found === wanted) return;
  throw new CheckpointError(
    files(folder).state,
    `Expected a checkpoint of objective ${wanted} in ${folder} but received one of objective ` +
      `${found}; go on with ${found}, or start another run whose pretrained is ${folder}`,
  );
}

function restore(folder: string, trained: Trained, state: TrainingState): void {
  const paths = files(folder);
  const exact = trained.unmerged?.() ?? [];
  if (exact.length > 0) restoreExact(paths.unmerged, exact);
  withTensors(paths.optimizer, (tensors) => trained.optimizer.load(tensors, paths.optimizer));
  const { ema, objective } = trained;
  if (ema) withTensors(paths.ema, (tensors) => ema.load(tensors, paths.ema));
  if (objective) {
    withTensors(paths.objective, (tensors) =>
      restoreObjective(objective, tensors, state.objective, paths.objective),
    );
  }
  withTensors(paths.random, (tensors) => {
    const cpu = tensors.get("cpu");
    if (cpu) setRandomState(cpu, "cpu");
    const device = tensors.get("device");
    if (device) setRandomState(device, trained.device);
  });
  trained.step = state.step;
  trained.examplesSeen = state.examplesSeen;
}

/**
 * Where this rank's loader goes on.
 *
 * throws  CheckpointError for a checkpoint of another number of processes
 */
export function loaderPosition(
  folder: string,
  { loader }: TrainingState,
  { rank, size }: ProcessGroup,
): LoaderPosition {
  const positions = [loader].flat();
  const own = positions[rank];
  if (own !== undefined && positions.length === size) return own;
  throw new CheckpointError(
    files(folder).state,
    `Expected a checkpoint of ${size} processes in ${folder} but received one of ` +
      `${positions.length}; go on with as many, or start another run whose pretrained is ${folder}`,
  );
}

function restoreExact(file: string, exact: readonly (readonly [string, Tensor])[]): void {
  withTensors(file, (tensors) => {
    matchWeights(
      file,
      new Map(exact.map(([name, { shape }]) => [name, shape])),
      new Map(
        [...tensors].map(([name, { shape, dtype }]) => [
          name,
          { shape, storedAs: dtype, floating: isFloating(dtype) },
        ]),
      ),
    );
    for (const [name, target] of exact) {
      noGrad(() => target.copy_(tensors.get(name) as Tensor));
    }
  });
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
    const state = readJsonFile(file) as TrainingState;
    const counted = Number.isSafeInteger(state.step) && Number.isSafeInteger(state.examplesSeen);
    if (counted && typeof state.loader === "object" && state.loader !== null) return state;
    throw new TypeError("step, examplesSeen or loader is missing");
  } catch (cause) {
    throw new CheckpointError(
      file,
      `Expected the state of a training run in ${file} but could not read it ` +
        `(${readingReason(cause)}); ` +
        "resume from another checkpoint of the run",
      { cause },
    );
  }
}
