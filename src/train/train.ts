/**
 * The loop: batches in, steps, logs, evaluations, checkpoints, a model and a report out. Prints
 * nothing; the command line passes a stream for progress.
 */
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { saveTokenizer } from "../data/tokenize/index.ts";
import { CheckpointError } from "../errors.ts";
import { modelEmbedder } from "../evaluate/model-embedder.ts";
import { runSuite, type SuiteResult } from "../evaluate/run-suite.ts";
import { isBetter, metricValues } from "../evaluate/table.ts";
import { saveCheckpoint } from "../models/checkpoint.ts";
import { catchSignals, pendingSignal } from "../torch/index.ts";
import { RunLog } from "./log/run-log.ts";
import type { ProgressStream } from "./log/progress.ts";
import { logitScaleOf } from "./logits.ts";
import { prepareRun, type PreparedRun } from "./prepare-run.ts";
import type { ResolvedRecipe } from "./recipe.ts";
import { resolveRecipe } from "./resolve-recipe.ts";
import { RunDirectory, type BestCheckpoint } from "./run-directory.ts";
import { DivergedError } from "./trainer.ts";
import { saveTraining, updateState, type TrainingState } from "./training-checkpoint.ts";

export interface TrainOptions {
  /** What a recipe file exports; checked and completed here. */
  recipe: unknown;
  /** The run's folder. A run found there goes on where it stopped. */
  directory: string;
  /** Assignments such as `train.batchSize=256`. */
  set?: readonly string[];
  /** Two steps of eight pairs. */
  smoke?: boolean;
  /** Go on with a run whose recipe was another. */
  allowRecipeChange?: boolean;
  /** Where progress goes; nowhere when absent. */
  progress?: ProgressStream;
  /** SIGINT and SIGTERM end the run after the step in hand, with a checkpoint; a second one at once. */
  handleSignals?: boolean;
  /** Pictures kept of each suite of the last evaluation, for a report. Default 0. */
  pictures?: number;
}

export interface TrainResult {
  directory: string;
  step: number;
  examplesSeen: number;
  /** Samples that could not be read, in all runs of this folder. */
  skipped: number;
  /** The first of them in this run, with the reason. */
  badSamples: readonly { file: string; key?: string; reason: string }[];
  /** The learned multiplier of similarities. */
  logitScale: number;
  /** What the objective has to say that a reader of the numbers must not miss. */
  warnings: readonly string[];
  /** Why the run ended before its last step; after its time it is evaluated and saved all the same. */
  stopped?: "signal" | "timeLimit";
  /** Number of the signal, with `stopped: "signal"`. */
  signal?: number;
  /** The last evaluation, when the run is complete. */
  suites: SuiteResult[];
  recipe: ResolvedRecipe;
}

/**
 * Trains a recipe to its end, or until a signal or its time limit.
 *
 * throws  RecipeError, DataError, CheckpointError before the first step where something does not fit;
 *         DataError later for a sample or suite that cannot be read: the steps done are saved first;
 *         DivergedError when the loss leaves the numbers: checkpoints written so far stay
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const recipe = resolveRecipe(options.recipe, {
    set: options.set ?? [],
    smoke: options.smoke ?? false,
  });
  const directory = new RunDirectory(options.directory);
  if (!options.allowRecipeChange) directory.checkRecipe(recipe);
  const run = await Run.open(recipe, directory, options);
  if (options.handleSignals) catchSignals(true);
  try {
    directory.saveRecipe(recipe);
    return await run.toEnd();
  } finally {
    if (options.handleSignals) catchSignals(false);
    await run.close();
  }
}

interface RunParts extends PreparedRun {
  recipe: ResolvedRecipe;
  directory: RunDirectory;
  options: TrainOptions;
  log: RunLog;
}

class Run {
  readonly #parts: RunParts;
  #best: BestCheckpoint | undefined;
  #savedStep = 0;
  /** A step that failed half-way leaves random numbers and data position of no step. */
  #midStep = false;

  private constructor(parts: RunParts) {
    this.#parts = parts;
    this.#best = parts.state?.best;
    if (parts.state) this.#savedStep = parts.state.step;
  }

  static async open(
    recipe: ResolvedRecipe,
    directory: RunDirectory,
    options: TrainOptions,
  ): Promise<Run> {
    const prepared = await prepareRun(recipe, directory);
    const { state, latest } = prepared;
    const log = new RunLog(directory, {
      totalSteps: recipe.train.steps,
      resumeStep: state?.step,
      progress: options.progress,
    });
    if (state) log.message(`Resuming at step ${state.step} from ${latest}`);
    return new Run({ recipe, directory, options, log, ...prepared });
  }

  async toEnd(): Promise<TrainResult> {
    try {
      return await this.#steps();
    } catch (error) {
      await this.#rescue(error);
      throw error;
    }
  }

  /** Saves the steps done when the data or an evaluation ends a run. */
  async #rescue(error: unknown): Promise<void> {
    const { trainer, log } = this.#parts;
    // What cannot be written once is not tried again.
    if (this.#midStep || error instanceof CheckpointError) return;
    if (trainer.step <= this.#savedStep) return;
    try {
      await this.#save();
      log.message(`Saved step ${trainer.step}; the same command goes on from there`);
    } catch {
      return; // the first failure is the one to report
    }
  }

  async #steps(): Promise<TrainResult> {
    const { recipe, trainer } = this.#parts;
    const { steps, checkpoint, timeLimitMinutes = Infinity } = recipe.train;
    const deadline = performance.now() + timeLimitMinutes * 60_000;
    while (trainer.step < steps) {
      await this.#step();
      await this.#evaluateWhenDue();
      const every = checkpoint.everySteps ?? Infinity;
      if (trainer.step % every === 0) await this.#save();
      const signal = pendingSignal();
      if (signal !== 0) return this.#stop({ stopped: "signal", signal });
      if (performance.now() > deadline && trainer.step < steps) {
        return { ...(await this.#finish()), stopped: "timeLimit" };
      }
    }
    return this.#finish();
  }

  async #step(): Promise<void> {
    const { trainer, loader, log } = this.#parts;
    const start = performance.now();
    const batch = await loader.next();
    if (batch === null) throw new Error("internal: a training loader ended");
    const waited = performance.now() - start;
    this.#midStep = true;
    const report = this.#guarded(() => trainer.trainStep(batch));
    this.#midStep = false;
    const seconds = (performance.now() - start) / 1000;
    log.step({
      step: trainer.step,
      examplesSeen: trainer.examplesSeen,
      every: this.#parts.recipe.train.logEverySteps,
      values: {
        "train/loss": report.loss,
        "train/contrastiveAccuracy": report.contrastiveAccuracy,
        "train/logitScale": report.logitScale,
        "train/learningRate": report.learningRate,
        "train/gradNorm": report.gradNorm,
        "train/examplesPerSecond": batch.size / seconds,
        "data/waitSeconds": waited / 1000,
        ...Object.fromEntries(
          Object.entries(report.metrics).map(([name, value]) => [`train/${name}`, value]),
        ),
      },
    });
    // The event loop must turn for the loader's messages and for signals.
    await new Promise((resolve) => setImmediate(resolve));
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
    const { recipe, trainer } = this.#parts;
    const { everySteps } = recipe.evaluate;
    const isLast = trainer.step >= recipe.train.steps;
    if (everySteps === 0 || isLast || trainer.step % everySteps !== 0) return;
    await this.#evaluate(0);
  }

  async #evaluate(pictures: number): Promise<SuiteResult[]> {
    const { recipe, trainer, tokenizer, transform, log } = this.#parts;
    if (recipe.evaluate.suites.length === 0) return [];
    log.note("evaluating", trainer.step);
    const { model } = trainer;
    const { precision } = recipe.train;
    const embedder = modelEmbedder({ model, tokenizer, normalization: transform, precision });
    const { batchSize } = recipe.evaluate;
    const loader = { transform, tokenizer: tokenizer.description, batchSize };
    const results = await trainer.withAverage(async () => {
      const done: SuiteResult[] = [];
      for (const suite of recipe.evaluate.suites) {
        done.push(await runSuite(suite, embedder, { loader, pictures }));
      }
      return done;
    });
    const rows = results.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
    log.evaluation(trainer.step, trainer.examplesSeen, metricValues(rows));
    await this.#noteBest(metricValues(rows));
    return results;
  }

  async #noteBest(values: Record<string, number>): Promise<void> {
    const metric = this.#parts.recipe.train.checkpoint.keepBest;
    const value = metric === undefined ? undefined : values[metric];
    if (metric === undefined || value === undefined) return;
    const { trainer, directory, recipe } = this.#parts;
    const { step } = trainer;
    if (this.#best?.metric === metric && !isBetter(metric, value, this.#best.value)) return;
    this.#best = { metric, value, step };
    if (this.#savedStep !== step) return this.#save();
    updateState(directory.checkpointFolder(step), this.#state);
    directory.prune(recipe.train.checkpoint.keepLast, this.#best);
  }

  get #state(): TrainingState {
    const { trainer, loader } = this.#parts;
    return {
      step: trainer.step,
      examplesSeen: trainer.examplesSeen,
      loader: loader.position(),
      ...(this.#best ? { best: this.#best } : {}),
    };
  }

  async #save(): Promise<void> {
    const { trainer, directory, recipe, log } = this.#parts;
    if (this.#savedStep === trainer.step) return;
    log.sync();
    const folder = directory.checkpointFolder(trainer.step);
    await saveTraining(folder, trainer, this.#state, this.#surroundings);
    this.#savedStep = trainer.step;
    directory.prune(recipe.train.checkpoint.keepLast, this.#best);
  }

  get #surroundings(): {
    evaluationTransform: EvaluationTransform;
    tokenizerFiles: (folder: string) => Promise<void>;
  } {
    const { transform, tokenizer } = this.#parts;
    return {
      evaluationTransform: transform,
      tokenizerFiles: (folder) => saveTokenizer(tokenizer, folder),
    };
  }

  async #stop(why: Pick<TrainResult, "stopped" | "signal">): Promise<TrainResult> {
    await this.#save();
    return { ...this.#result([]), ...why };
  }

  async #finish(): Promise<TrainResult> {
    const { trainer, directory, options } = this.#parts;
    // First, since an evaluation may take long or fail.
    await this.#save();
    const suites = await this.#evaluate(options.pictures ?? 0);
    await trainer.withAverage(() =>
      saveCheckpoint(directory.modelFolder, {
        config: trainer.config,
        weights: trainer.model.namedState(),
        ...this.#surroundings,
      }),
    );
    return this.#result(suites);
  }

  #result(suites: SuiteResult[]): TrainResult {
    const { trainer, directory, loader, recipe } = this.#parts;
    const { step, examplesSeen } = trainer;
    const { skipped } = loader.position();
    const logitScale = logitScaleOf(trainer.model);
    const warnings = trainer.objective.warnings?.() ?? [];
    const { badSamples } = loader;
    const { path } = directory;
    return {
      directory: path,
      step,
      examplesSeen,
      skipped,
      badSamples,
      logitScale,
      warnings,
      suites,
      recipe,
    };
  }

  async close(): Promise<void> {
    const { log, close } = this.#parts;
    try {
      await close();
    } finally {
      log.close();
    }
  }
}
