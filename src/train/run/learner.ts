/** What the loop trains: something that takes a step on a batch, is measured, saved and restored. */
import type { Loader } from "../../data/loader/loader.ts";
import type { Batch } from "../../data/sample.ts";
import type { SuiteResult } from "../../evaluate/run-suite.ts";
import type { RunData } from "../cache/run-data.ts";
import type { StepOptions } from "../step/trainer.ts";
import type { TrainingState } from "./run-checkpoint.ts";

export interface Evaluation {
  /** Metrics by key, such as `val/retrieval/imageToText/recall@1`. */
  values: Record<string, number>;
  /** The suites that the values come from; empty where nothing was measured. */
  suites: SuiteResult[];
}

export interface Learner {
  /** Optimizer steps done. */
  readonly step: number;
  readonly examplesSeen: number;
  /**
   * One optimizer step. Returns the numbers of the step, logged as `train/<name>`; `loss` is one.
   *
   * throws  DivergedError, with the weights as they were, when loss or gradient is not finite
   */
  trainStep(batch: Batch, at?: StepOptions): { loss: number } & Record<string, number>;
  /** Null where there is nothing to measure. `pictures` of each suite are kept for a report. */
  evaluate: ((pictures: number) => Promise<Evaluation>) | null;
  /** Writes everything that an exact resume needs, with `state`, as one folder. */
  saveTraining(folder: string, state: TrainingState): Promise<void>;
  /** Writes what the run was for. */
  saveModel(folder: string): Promise<void>;
  /** Sentences that a report of the run must show. */
  warnings(): readonly string[];
}

/** A learner with its data, where a run begins or goes on. */
export interface Prepared<L extends Learner> {
  learner: L;
  loader: Loader;
  /** Of the checkpoint that the run goes on from, and that checkpoint's folder. */
  state: TrainingState | undefined;
  latest: string | undefined;
  /** Of the training data; undefined on ranks other than the first, which write nothing. */
  data: RunData | undefined;
  close: () => Promise<void>;
}
