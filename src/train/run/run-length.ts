/** How far a run is: by its steps, or by its minutes where these are further on. Knows no learner. */

interface LengthRecipe {
  /** Optimizer steps of the run, at most. */
  steps: number;
  /** Minutes of training, at most; only the steps bound the run when absent. */
  minutes?: number | undefined;
}

interface LengthOptions {
  /** Seconds of training that earlier processes took. */
  spent?: number | undefined;
  /** Seconds, from any start; a test passes its own. */
  now?: (() => number) | undefined;
}

/**
 * A run's length, and the time that its steps took: waiting for data and the step itself, without
 * preparation, evaluation and the writing of checkpoints.
 */
export class RunLength {
  readonly #steps: number;
  readonly #limit: number;
  readonly #now: () => number;
  #spent: number;

  constructor({ steps, minutes = Infinity }: LengthRecipe, { spent = 0, now }: LengthOptions = {}) {
    this.#steps = steps;
    this.#limit = 60 * minutes;
    this.#now = now ?? ((): number => performance.now() / 1000);
    this.#spent = spent;
  }

  /** Runs one step, whose time counts. */
  async timed<T>(step: () => Promise<T>): Promise<T> {
    const start = this.#now();
    try {
      return await step();
    } finally {
      this.#spent += this.#now() - start;
    }
  }

  /**
   * Where the run stands after `step` steps, in steps: the larger of `step` and the share of the
   * minutes that is spent. At `steps` the run is over. Without minutes it is `step` itself.
   */
  position(step: number): number {
    return Math.max(step, this.#steps * (this.#spent / this.#limit));
  }

  /** Seconds of training so far; undefined where only steps bound the run, which keeps no time. */
  get spent(): number | undefined {
    return this.#limit === Infinity ? undefined : this.#spent;
  }

  /** Seconds until the minutes are over; undefined without them. */
  get left(): number | undefined {
    return this.#limit === Infinity ? undefined : Math.max(0, this.#limit - this.#spent);
  }
}
