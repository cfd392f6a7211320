/**
 * The processes that train one model together, each with its share of every batch: their number,
 * and the few ways in which they exchange something. Knows no loader, model or files. Prepared for
 * several processes; `solo` is the only group that is built.
 *
 * Every process draws the same weights, takes the same steps and computes the loss of the whole
 * batch from gathered embeddings. So an objective needs no group: its state stays the same everywhere.
 */
import { createRandom } from "../arrays/random.ts";
import {
  manualSeed,
  noGrad,
  randomState,
  setRandomState,
  type Device,
  type Tensor,
} from "../torch/index.ts";
import type { Parameter } from "../nn/module.ts";

/** Every method is called by all ranks in the same order, and returns when all have called it. */
export interface ProcessGroup {
  /** This process, from 0. */
  readonly rank: number;
  /** Number of processes. */
  readonly size: number;
  /** True of rank 0, which writes the run's files. */
  readonly isFirst: boolean;
  /**
   * The rows of all ranks in rank order: [N_r, ...] of each -> [sum of N_r, ...].
   *
   * gradient    of a rank's rows: the sum over all ranks of the gradients that their losses have
   *             there, so that the mean of the ranks' parameter gradients is that of the mean loss
   * ownership   may return `rows` itself
   */
  gather(rows: Tensor): Tensor;
  /** Plain JSON values of all ranks in rank order. */
  gatherValues<T>(value: T): T[];
  /** The sum or mean over all ranks, without gradient. May return `tensor` itself. */
  reduce(tensor: Tensor, how: "sum" | "mean"): Tensor;
  /** Waits for all ranks. */
  barrier(): void;
}

/** One process by itself: nothing is copied, nothing waits. */
export const solo: ProcessGroup = {
  rank: 0,
  size: 1,
  isFirst: true,
  gather: (rows) => rows,
  gatherValues: (value) => [value],
  reduce: (tensor) => tensor,
  barrier: () => undefined,
};

/** Replaces every gradient by its mean over the ranks. */
export function averageGradients(group: ProcessGroup, parameters: Iterable<Parameter>): void {
  if (group.size === 1) return;
  noGrad(() => {
    for (const { tensor } of parameters) {
      const { grad } = tensor;
      if (grad !== null) tensor.grad = group.reduce(grad, "mean");
    }
  });
}

/**
 * Runs `body`, the towers on a rank's own rows. Among several ranks it draws numbers of the step and
 * the rank, and leaves the generator as it was: what draws from it later, an objective, must draw
 * the same on all ranks. A process by itself draws from the generator.
 */
export function drawOwn<T>(
  { rank, size }: ProcessGroup,
  { seed, step, device }: { seed: number; step: number; device: Device },
  body: () => T,
): T {
  if (size === 1) return body();
  const shared = randomState(device);
  manualSeed(createRandom([seed, "rank", rank, step]).integer(2 ** 31), device);
  try {
    return body();
  } finally {
    setRandomState(shared, device);
  }
}
