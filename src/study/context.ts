/** What a study's functions are given: folders, artifacts made once, and training that can stop. */
import { existsSync, readdirSync, renameSync } from "node:fs";
import path from "node:path";

import { pendingSignal } from "../torch/index.ts";
import type { ProgressStream } from "../train/log/run-progress.ts";
import { train, type TrainResult } from "../train/train-pair.ts";
import { peakMemoryBytes, resetPeakMemory, secondsPerStep } from "./measurements.ts";
import { hashOf } from "./result-file.ts";
import { removeFolder } from "../files/atomic-folder.ts";
import { withFileLock } from "../files/file-lock.ts";
import { addedTo } from "../files/folder-record.ts";
import { makeFolder, orStorageError, removeEmpty } from "../files/storage.ts";

/** Thrown where a signal ends a study; whatever is half done goes on with the same command. */
export class StudyInterrupted extends Error {
  /** 2 SIGINT, 15 SIGTERM. */
  readonly signal: number;
  constructor(signal: number) {
    super(`Interrupted by signal ${signal}; the same command goes on from here`);
    this.name = "StudyInterrupted";
    this.signal = signal;
  }
}

export interface ArtifactOptions {
  /** Plain data that it is made of: other data, another artifact. */
  of?: unknown;
}

export interface StudyContext {
  /** The study's folder. */
  readonly workdir: string;
  /** A folder that all studies share, for data. */
  readonly sharedFolder: string;
  /** Only see that it runs: two steps, smallest sets. */
  readonly smoke: boolean;
  /** Assignments such as `train.batchSize=256` from the command line, for recipes. */
  readonly set: readonly string[];
  /** A line for the reader. */
  readonly note: (line: string) => void;
  /**
   * A folder that is made once and then found, in this study's folder. `make` fills the folder that
   * it is given, which holds what an interrupted attempt left: `train` in it goes on by itself.
   */
  readonly artifact: (
    name: string,
    make: (folder: string) => Promise<void>,
    options?: ArtifactOptions,
  ) => Promise<string>;
  /** Runs `body` while no other process does so for the same folder. */
  readonly exclusively: <T>(folder: string, body: () => Promise<T>) => Promise<T>;
}

export interface StudyTrainOptions {
  /** Default: `train` in the run's folder. */
  directory?: string;
  /** Further assignments, after those of the command line. */
  set?: readonly string[];
}

/** A finished training with what it took. */
export interface StudyTraining extends TrainResult {
  /** Median over the steps without the first, waiting for data left out. NaN where none was logged. */
  secondsPerStep: number;
  /** Highest resident memory of the process in this training; NaN where the system does not say. */
  peakMemoryBytes: number;
}

export interface RunContext extends StudyContext {
  readonly seed: number;
  /** Of this arm and seed; survives an interruption. Holds `result.json` at the end. */
  readonly folder: string;
  /**
   * `train` with the command line's changes, in the run's folder. Its checkpoints are removed when the
   * run has its result; the model stays.
   */
  readonly train: (recipe: unknown, options?: StudyTrainOptions) => Promise<StudyTraining>;
  /** What `train` and `pretrain` take besides recipe and directory. */
  readonly loop: { set: readonly string[]; smoke: boolean; progress?: ProgressStream };
  /** Passes on what a loop returned, or throws StudyInterrupted where a signal ended it. */
  readonly completed: <T extends { stopped?: "signal" | "minutes"; signal?: number }>(
    outcome: T,
  ) => T;
}

export interface ContextOptions {
  workdir: string;
  sharedFolder: string;
  smoke: boolean;
  set: readonly string[];
  note: (line: string) => void;
  /** Of single trainings. */
  progress?: ProgressStream | undefined;
}

export function studyContext(options: ContextOptions): StudyContext {
  const { workdir, sharedFolder, smoke, set, note } = options;
  return {
    workdir,
    sharedFolder,
    smoke,
    set,
    note,
    artifact: (name, make, of) =>
      artifact(path.join(workdir, "artifacts"), name, { make, note, of: of?.of, smoke, set }),
    exclusively: async (folder, body) => exclusively(folder, body, note),
  };
}

export function runContext(
  context: StudyContext,
  run: { seed: number; folder: string; progress?: ProgressStream | undefined },
): RunContext & { readonly trained: ReadonlySet<string> } {
  const { seed, folder, progress } = run;
  const trained = new Set<string>();
  const loop = { set: context.set, smoke: context.smoke, ...(progress ? { progress } : {}) };
  return {
    ...context,
    seed,
    folder,
    loop,
    completed,
    trained,
    train: async (recipe, { directory = path.join(folder, "train"), set = [] } = {}) => {
      trained.add(directory);
      resetPeakMemory();
      const options = { recipe, directory, ...loop, set: [...context.set, ...set] };
      const result = completed(await train(options));
      return {
        ...result,
        secondsPerStep: secondsPerStep(directory),
        peakMemoryBytes: peakMemoryBytes(),
      };
    },
  };
}

/** throws  StudyInterrupted where a signal is pending */
export function stopIfAsked(): void {
  const signal = pendingSignal();
  if (signal !== 0) throw new StudyInterrupted(signal);
}

function completed<T extends { stopped?: "signal" | "minutes"; signal?: number }>(outcome: T): T {
  if (outcome.stopped === "signal") throw new StudyInterrupted(outcome.signal ?? 2);
  return outcome;
}

interface Making {
  make: (folder: string) => Promise<void>;
  of: unknown;
  note: (line: string) => void;
  smoke: boolean;
  set: readonly string[];
}

async function artifact(
  parent: string,
  name: string,
  { make, of, note, smoke, set }: Making,
): Promise<string> {
  const target = path.join(parent, `${name}-${hashOf([of ?? null, smoke, set]).slice(0, 8)}`);
  if (existsSync(target)) return target;
  makeFolder(parent);
  return exclusively(
    target,
    async () => {
      if (existsSync(target)) return target;
      note(`Making ${name} ...`);
      const partial = `${target}.partial`;
      makeFolder(partial);
      await make(partial);
      stopIfAsked();
      removeCheckpoints(partial);
      orStorageError(target, () => renameSync(partial, target));
      return target;
    },
    note,
  );
}

/** Removes the checkpoints of a finished training; one that somebody put something into stays. */
export function removeCheckpoints(directory: string): void {
  const folder = path.join(directory, "checkpoints");
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const checkpoint = path.join(folder, name);
    if (/^step-\d+$/.test(name) && addedTo(checkpoint).length === 0) removeFolder(checkpoint);
  }
  removeEmpty([folder]);
}

/** A step or a metric may keep the thread busy for long; nothing does for minutes. */
const PATIENCE_MS = 180_000;

/** Runs `body` while this process holds `<folder>.lock`; waits for another that holds it. */
export function exclusively<T>(
  folder: string,
  body: () => Promise<T>,
  note: (line: string) => void,
): Promise<T> {
  return withFileLock(lockOf(folder), body, {
    patience: PATIENCE_MS,
    onWait: (holder) => note(`Waiting for ${holder}, which works on ${folder} ...`),
  });
}

/** The lock of a folder, beside it. */
export function lockOf(folder: string): string {
  return `${path.resolve(folder)}.lock`;
}
