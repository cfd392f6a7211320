/**
 * Everything a run writes down as it goes: JSON lines, TensorBoard events, progress. Nothing on ranks
 * other than the first.
 */
import { join } from "node:path";

import { EventFile } from "./event-file.ts";
import { MetricsLog, type StepValues } from "./metrics-log.ts";
import { ProgressLine, type ProgressStream } from "./run-progress.ts";

interface RunLogOptions {
  /** False where another rank writes; true when absent. */
  writes?: boolean;
  totalSteps: number;
  resumeStep?: number | undefined;
  progress?: ProgressStream | undefined;
}

/** Where a run stands. */
export interface RunPlace {
  step: number;
  /** In steps: further on than `step` where the run's minutes are. */
  position: number;
  /** Until the run's minutes are over. */
  secondsLeft?: number | undefined;
}

interface StepEntry extends RunPlace {
  examplesSeen: number;
  /** Steps between written entries; progress shows each. */
  every: number;
  values: StepValues;
}

export class RunLog {
  readonly #metrics: MetricsLog | undefined;
  readonly #events: EventFile | undefined;
  readonly #progress: ProgressLine | undefined;
  /** The last one measured: not every step measures it. */
  #accuracy: number | undefined;

  constructor(run: { path: string; metricsFile: string }, options: RunLogOptions) {
    const { totalSteps, resumeStep, progress, writes = true } = options;
    if (!writes) return;
    // A fresh start in an old folder writes a fresh log: nothing of it was trained on.
    this.#metrics = new MetricsLog(run.metricsFile, { resumeStep: resumeStep ?? 0 });
    try {
      this.#events = new EventFile({
        directory: join(run.path, "tensorboard"),
        ...(resumeStep === undefined ? {} : { purgeStep: resumeStep }),
      });
      // That step's own numbers are hidden too, so that none of them is there twice.
      for (const { step, values } of this.#metrics.resumed) this.#events.scalars(values, step);
    } catch (error) {
      this.#events?.close();
      this.#metrics.close();
      throw error;
    }
    this.#progress = progress && new ProgressLine(progress, { totalSteps });
  }

  step({ step, position, secondsLeft, examplesSeen, every, values }: StepEntry): void {
    this.#accuracy = values["train/contrastiveAccuracy"] ?? this.#accuracy;
    this.#progress?.update({
      step,
      position,
      secondsLeft,
      loss: values["train/loss"],
      contrastiveAccuracy: this.#accuracy,
      examplesPerSecond: values["train/examplesPerSecond"],
    });
    if (step % every === 0) this.#write(step, examplesSeen, { ...values });
  }

  /** An evaluation that is made again, because a run was killed after it, is written once. */
  evaluation(step: number, examplesSeen: number, values: Record<string, number>): void {
    const wanted = Object.keys(values).sort().join();
    const known = this.#metrics?.resumed.some(
      (entry) => entry.step === step && Object.keys(entry.values).sort().join() === wanted,
    );
    if (known === true) return;
    this.#write(step, examplesSeen, values);
  }

  #write(step: number, examplesSeen: number, values: Record<string, number>): void {
    this.#metrics?.append({ step, examplesSeen, values });
    this.#events?.scalars(values, step);
  }

  /** A line for the reader. */
  message(text: string): void {
    this.#progress?.message(text);
  }

  /** What goes on besides steps. */
  note(what: string, place: RunPlace): void {
    this.#progress?.update({ ...place, note: what });
  }

  /** Everything written so far is on the disk. */
  sync(): void {
    this.#metrics?.sync();
    this.#events?.sync();
  }

  close(): void {
    this.#progress?.finish();
    this.#metrics?.close();
    this.#events?.close();
  }
}
