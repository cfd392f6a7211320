/**
 * The loop: batches in, steps, logs, evaluations, checkpoints, a model out. Knows no objective and
 * no tower. Prints nothing; the command line passes a stream for progress.
 */
import { CheckpointError, StorageError } from "../../errors.ts";
import type { SuiteResult } from "../../evaluate/run-suite.ts";
import { isBetter } from "../../evaluate/tasks/index.ts";
import { catchSignals, keepFreedMemory, pendingSignal } from "../../torch/index.ts";
import { DivergedError } from "../step/updater.ts";
import type { Evaluation, Learner, Prepared } from "./learner.ts";
import type { ProcessGroup } from "../process-group.ts";
import { formatDuration, type ProgressStream } from "../log/run-progress.ts";
import type { StepValues } from "../log/metrics-log.ts";
import { RunLog, type RunPlace } from "../log/run-log.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";
import type { BestCheckpoint, RunDirectory } from "./run-directory.ts";
import { RunLength } from "./run-length.ts";
import { updateState, type TrainingState } from "./run-checkpoint.ts";

/** What of a recipe the loop follows. */
interface LoopRecipe {
  train: Pick<ResolvedRecipe["train"], "steps" | "minutes" | "checkpoint" | "logEverySteps">;
  evaluate: { everySteps: number };
}

export interface LoopOptions {
  /** Where progress goes; nowhere when absent. */
  progress?: ProgressStream | undefined;
  /** SIGINT and SIGTERM end the run after the current step, with a checkpoint; a second one at once. */
  handleSignals?: boolean | undefined;
  /** Pictures kept of each suite of the last evaluation, for a report. Default 0. */
  pictures?: number | undefined;
  /** The clock of `train.minutes`: seconds, from any start. The process's own when absent. */
  now?: (() => number) | undefined;
}

/** Writes lines to the stream of progress, before there is a log. */
export function announcer({ progress }: LoopOptions): ((line: string) => void) | undefined {
  return progress && ((line) => void progress.write(`${line}\n`));
}

/** How a run ended. */
export interface RunOutcome {
  directory: string;
  step: number;
  examplesSeen: number;
  /** Samples that could not be read, in all runs of this folder. */
  skipped: number;
  /** The first of them in this run, with the reason. */
  badSamples: readonly { file: string; key?: string; reason: string }[];
  /** Sentences that a report of the run must show. */
  warnings: readonly string[];
  /** Why the run ended before its last step. When its minutes are over, it is complete. */
  stopped?: "signal" | "minutes";
  /** Number of the signal, with `stopped: "signal"`. */
  signal?: number;
  /** The last evaluation, when the run is complete. */
  suites: SuiteResult[];
  values: Record<string, number>;
}

interface RunParts<L extends Learner> extends Prepared<L> {
  recipe: LoopRecipe;
  directory: RunDirectory;
  options: LoopOptions;
  log: RunLog;
}

/**
 * Trains to the last step or minute, or until a signal; closes what was prepared.
 *
 * begin    called before the first step, when everything has been opened
 * finish   called with the learner at the end, before it is closed
 */
export async function runToEnd<L extends Learner, R>(
  prepared: Prepared<L>,
  run: { recipe: LoopRecipe; directory: RunDirectory; options: LoopOptions; begin: () => void },
  finish: (outcome: RunOutcome, learner: L) => R,
): Promise<R> {
  const { recipe, directory, options, begin } = run;
  const { state, latest, learner } = prepared;
  let log: RunLog | undefined;
  let catching = false;
  try {
    log = new RunLog(directory, {
      writes: directory.group.isFirst,
      totalSteps: recipe.train.steps,
      resumeStep: state?.step,
      progress: options.progress,
    });
    if (state) log.message(resuming(state, latest, recipe.train.minutes));
    catching = options.handleSignals ?? false;
    if (catching) catchSignals(true);
    begin();
    keepFreedMemory();
    const loop = new Run({ ...prepared, recipe, directory, options, log });
    return finish(await loop.toEnd(), learner);
  } finally {
    if (catching) catchSignals(false);
    try {
      await prepared.close();
    } finally {
      log?.close();
    }
  }
}

function resuming(
  { step, trainingSeconds = 0 }: TrainingState,
  from: string | undefined,
  minutes: number | undefined,
): string {
  const place = `Resuming at step ${step} from ${from}`;
  if (minutes === undefined) return place;
  return `${place}, after ${formatDuration(trainingSeconds)} of ${formatDuration(60 * minutes)}`;
}

const nothingMeasured: Evaluation = { values: {}, suites: [] };

class Run<L extends Learner> {
  readonly #parts: RunParts<L>;
  readonly #length: RunLength;
  #best: BestCheckpoint | undefined;
  #savedStep = 0;
  /** Whether this process has taken a step: its first is measured, for the progress line. */
  #stepped = false;
  /** True within a step: after a failure there, random numbers and data position belong to no step. */
  #midStep = false;

  constructor(parts: RunParts<L>) {
    const { recipe, state, options } = parts;
    this.#parts = parts;
    this.#length = new RunLength(recipe.train, { spent: state?.trainingSeconds, now: options.now });
    this.#best = state?.best;
    if (state) this.#savedStep = state.step;
  }

  async toEnd(): Promise<RunOutcome> {
    const { directory, recipe } = this.#parts;
    try {
      // What was to be removed when the run was killed.
      directory.prune(recipe.train.checkpoint.keepLast, this.#best);
      return await this.#steps();
    } catch (error) {
      await this.#rescue(error);
      throw error;
    }
  }

  /** Saves the steps done when the data or an evaluation ends a run. */
  async #rescue(error: unknown): Promise<void> {
    const { learner, log } = this.#parts;
    // A checkpoint that could not be written is not tried again.
    const unwritten = error instanceof CheckpointError || error instanceof StorageError;
    if (this.#midStep || unwritten) return;
    if (learner.step <= this.#savedStep) return;
    try {
      await this.#save();
      log.message(`Saved step ${learner.step}; the same command goes on from there`);
    } catch {
      return; // the first failure is the one to report
    }
  }

  async #steps(): Promise<RunOutcome> {
    const { recipe, learner } = this.#parts;
    const { steps, checkpoint } = recipe.train;
    let { position } = this.#agreed();
    while (position < steps) {
      const at = position;
      const values = await this.#length.timed(() => this.#step(at));
      const agreed = this.#agreed();
      position = agreed.position;
      this.#log(values);
      if (position < steps) await this.#evaluateWhenDue();
      const every = checkpoint.everySteps ?? Infinity;
      if (learner.step % every === 0) await this.#save();
      if (agreed.signal !== 0) return this.#stop({ stopped: "signal", signal: agreed.signal });
    }
    const done = await this.#finish();
    return learner.step < steps ? { ...done, stopped: "minutes" } : done;
  }

  /** What all ranks go by: a signal to any of them, and where the first one's clock says that it is. */
  #agreed(): { signal: number; position: number } {
    const own = {
      signal: pendingSignal(),
      position: this.#length.position(this.#parts.learner.step),
    };
    const told = this.#group.gatherValues(own);
    const { position } = told[0] ?? own;
    return { signal: Math.max(...told.map(({ signal }) => signal)), position };
  }

  get #group(): ProcessGroup {
    return this.#parts.directory.group;
  }

  /** `position` is where the run stands, in steps. Returns what is logged of the step. */
  async #step(position: number): Promise<StepValues> {
    const { learner, loader } = this.#parts;
    const start = performance.now();
    const batch = await loader.next();
    if (batch === null) throw new Error("internal: a training loader ended");
    const waited = performance.now() - start;
    const seen = learner.examplesSeen;
    this.#midStep = true;
    const every = this.#parts.recipe.train.logEverySteps;
    const measure = !this.#stepped || (learner.step + 1) % every === 0;
    const report = this.#guarded(() => learner.trainStep(batch, { position, measure }));
    this.#midStep = false;
    this.#stepped = true;
    const seconds = (performance.now() - start) / 1000;
    const named = Object.entries(report).map(([name, value]) => [`train/${name}`, value] as const);
    // The event loop must turn for the loader's messages and for signals.
    await new Promise((resolve) => setImmediate(resolve));
    return {
      "train/loss": report.loss,
      ...Object.fromEntries(named),
      "train/examplesPerSecond": (learner.examplesSeen - seen) / seconds,
      "data/waitSeconds": waited / 1000,
    };
  }

  #place(): RunPlace {
    const { step } = this.#parts.learner;
    return { step, position: this.#length.position(step), secondsLeft: this.#length.left };
  }

  #log(values: StepValues): void {
    const { learner, log, recipe } = this.#parts;
    const { examplesSeen } = learner;
    log.step({ ...this.#place(), examplesSeen, every: recipe.train.logEverySteps, values });
  }

  /** Adds to a divergence where the last good weights are. */
  #guarded<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof DivergedError)) throw error;
      const last = this.#parts.directory.latestCheckpoint();
      error.message += `. Last good checkpoint: ${last ?? "none yet"}`;
      throw error;
    }
  }

  async #evaluateWhenDue(): Promise<void> {
    const { recipe, learner } = this.#parts;
    const { everySteps } = recipe.evaluate;
    if (everySteps === 0 || learner.step % everySteps !== 0) return;
    await this.#evaluate(0);
  }

  async #evaluate(pictures: number): Promise<Evaluation> {
    const { learner, log } = this.#parts;
    if (learner.evaluate === null) return nothingMeasured;
    log.note("evaluating", this.#place());
    // All ranks have the same weights: the first one measures them, and all act on what it found.
    const own = this.#group.isFirst ? await learner.evaluate(pictures) : nothingMeasured;
    const [values = {}] = this.#group.gatherValues(own.values);
    log.evaluation(learner.step, learner.examplesSeen, values);
    await this.#noteBest(values);
    return { ...own, values };
  }

  async #noteBest(values: Record<string, number>): Promise<void> {
    const metric = this.#parts.recipe.train.checkpoint.keepBest;
    const value = metric === undefined ? undefined : values[metric];
    if (metric === undefined || value === undefined) return;
    const { learner, directory, recipe } = this.#parts;
    const { step } = learner;
    if (this.#best?.metric === metric && !isBetter(metric, value, this.#best.value)) return;
    this.#best = { metric, value, step };
    if (this.#savedStep !== step) return this.#save();
    const state = this.#state();
    await directory.write(() => updateState(directory.checkpointFolder(step), state));
    directory.prune(recipe.train.checkpoint.keepLast, this.#best);
  }

  /** Called by all ranks, whose loaders' positions belong to it. */
  #state(): TrainingState {
    const { learner, loader } = this.#parts;
    const positions = this.#group.gatherValues(loader.position());
    const { spent } = this.#length;
    return {
      step: learner.step,
      examplesSeen: learner.examplesSeen,
      ...(spent === undefined ? {} : { trainingSeconds: spent }),
      loader: positions.length === 1 ? loader.position() : positions,
      ...(this.#best ? { best: this.#best } : {}),
      ...(this.#parts.data ? { data: this.#parts.data } : {}),
    };
  }

  async #save(): Promise<void> {
    const { learner, directory, recipe, log } = this.#parts;
    if (this.#savedStep === learner.step) return;
    log.sync();
    const state = this.#state();
    const folder = directory.checkpointFolder(learner.step);
    await directory.write(() => learner.saveTraining(folder, state));
    this.#savedStep = learner.step;
    directory.prune(recipe.train.checkpoint.keepLast, this.#best);
  }

  async #stop(why: Pick<RunOutcome, "stopped" | "signal">): Promise<RunOutcome> {
    await this.#save();
    return { ...this.#outcome(nothingMeasured), ...why };
  }

  async #finish(): Promise<RunOutcome> {
    const { learner, directory, options } = this.#parts;
    // First, since an evaluation may take long or fail.
    await this.#save();
    const found = await this.#evaluate(options.pictures ?? 0);
    await directory.write(() => learner.saveModel(directory.modelFolder));
    return this.#outcome(found);
  }

  #outcome({ suites, values }: Evaluation): RunOutcome {
    const { learner, directory, loader } = this.#parts;
    const { step, examplesSeen } = learner;
    const { skipped } = loader.position();
    const { badSamples } = loader;
    const { path } = directory;
    const warnings = [...loader.warnings, ...learner.warnings()];
    return {
      directory: path,
      step,
      examplesSeen,
      skipped,
      badSamples,
      warnings,
      suites,
      values,
    };
  }
}
