/** The end of a run whose numbers left the finite ones. */
import { LimnError } from "../../errors.ts";

/** Training that left the numbers: the loss or the gradient is not finite. */
export class DivergedError extends LimnError {
  readonly step: number;
  readonly keys: readonly string[];

  constructor(step: number, what: string, keys: readonly string[]) {
    const shown = keys.slice(0, 8).join(", ") + (keys.length > 8 ? `, ... (${keys.length})` : "");
    super(
      "LIMN_DIVERGED",
      `Expected a finite ${what} at step ${step} but received one that is not; the weights are as ` +
        `before that step. Samples of the batch: ${shown}. Lower train.optimizer.learningRate, ` +
        "lengthen the warm-up, or set train.gradientClip",
    );
    this.step = step;
    this.keys = keys;
  }
}
