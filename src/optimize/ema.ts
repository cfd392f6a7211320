/** A running average of a module's weights. Knows nothing of how they are trained. */
import { CheckpointError } from "../errors.ts";
import {
  callForEffect,
  dtypeBytes,
  fromData,
  hasOperator,
  isFloating,
  noGrad,
  operator,
  scope,
  type Tensor,
} from "../torch/index.ts";
import type { Module } from "../nn/module.ts";

export interface EmaOptions {
  /** Share of the average that an update keeps, in [0, 1). */
  decay: number;
  /** Starts with a shorter memory: the decay of update n (from 0) is at most (1 + n) / (10 + n). */
  warmUp?: boolean;
}

const stepKey = "updates";

/**
 * Exponential moving average of every parameter and buffer:  average <- d average + (1 - d) weight.
 *
 * Begins as a copy of the weights. With `warmUp`, d = min(decay, (1 + n) / (10 + n)).
 *
 * Buffers, such as the running statistics of batch norm, are averaged alike (those of whole numbers
 * are copied), as timm's ModelEmaV3 does: statistics of today's weights would not fit the average's.
 * "Weight" below means both.
 *
 * ownership   borrows the module; owns the averages until `dispose()`
 */
export class Ema {
  readonly decay: number;
  readonly warmUp: boolean;
  /** Updates so far. */
  updates = 0;
  readonly #module: Module;
  readonly #averages: ReadonlyMap<string, Tensor>;

  constructor(module: Module, { decay, warmUp = false }: EmaOptions) {
    if (!(decay >= 0 && decay < 1)) {
      throw new RangeError(`Expected at least 0 and less than 1 for decay but received ${decay}`);
    }
    this.decay = decay;
    this.warmUp = warmUp;
    this.#module = module;
    const weights = [...module.namedState()];
    this.#averages = new Map(noGrad(() => weights.map(([path, tensor]) => [path, copyOf(tensor)])));
  }

  /** Takes the weights of now into the average. Call once after each optimizer step. */
  update(): void {
    const n = this.updates++;
    const decay = this.warmUp ? Math.min(this.decay, (1 + n) / (10 + n)) : this.decay;
    noGrad(() => {
      for (const pairs of this.#alike()) {
        const averages = pairs.map(([average]) => average);
        const weights = pairs.map(([, weight]) => weight);
        if (!isFloating((averages[0] as Tensor).dtype)) {
          averages.forEach((average, i) => average.copy_(weights[i] as Tensor));
        } else if (hasOperator(eachLerp)) callForEffect(eachLerp, averages, weights, 1 - decay);
        else averages.forEach((average, i) => average.lerp_(weights[i] as Tensor, 1 - decay));
      }
    });
  }

  /** [average, weight] of every one, parted by device and type. */
  #alike(): Iterable<[Tensor, Tensor][]> {
    const found = new Map<string, [Tensor, Tensor][]>();
    for (const [path, tensor] of this.#module.namedState()) {
      const average = this.#averages.get(path) as Tensor;
      const key = `${tensor.device} ${tensor.dtype}`;
      const list = found.get(key);
      if (list) list.push([average, tensor]);
      else found.set(key, [[average, tensor]]);
    }
    return found.values();
  }

  /**
   * Exchanges weights and averages without copying: the module now computes with the average. Call
   * again to go back. `update()` must not run in between.
   */
  swap(): void {
    noGrad(() =>
      scope(() => {
        for (const [path, tensor] of this.#module.namedState()) {
          const average = this.#averages.get(path) as Tensor;
          const weight = tensor.detach();
          tensor.setData(average);
          average.setData(weight);
        }
      }),
    );
  }

  /** Runs `body` with the averages in the module, then puts the weights back. Synchronous. */
  use<T>(body: () => T): T {
    this.swap();
    try {
      return body();
    } finally {
      this.swap();
    }
  }

  /** Copies the averages into a module of the same parameters. */
  copyTo(module: Module): void {
    for (const [path, tensor] of module.namedState()) {
      const average = this.#averages.get(path);
      if (average === undefined) {
        throw new RangeError(`Expected a parameter of the averaged module but received ${path}`);
      }
      scope(() => void noGrad(() => tensor.copy_(average)));
    }
  }

  /** Bytes of the averages. */
  get bytes(): number {
    let total = 0;
    for (const average of this.#averages.values()) {
      total += average.count * dtypeBytes(average.dtype);
    }
    return total;
  }

  /**
   * The averages by parameter path, and `updates` (int64 []).
   *
   * ownership   new handles that belong to the caller; they share the averages' memory
   */
  stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const [path, average] of this.#averages) state.set(path, average.detach());
    state.set(stepKey, fromData(BigInt64Array.of(BigInt(this.updates)), []));
    return state;
  }

  /**
   * Restores what `stateDict` gave, exactly. `source` names the origin in errors.
   *
   * throws   CheckpointError that lists every missing, unexpected and mis-shaped entry; nothing is
   *          changed then
   */
  load(state: ReadonlyMap<string, Tensor>, source = "average of weights"): void {
    const problems: string[] = [];
    for (const [path, average] of this.#averages) {
      const found = state.get(path);
      if (found === undefined) problems.push(`missing ${path}`);
      else if (found.shape.join() !== average.shape.join()) {
        problems.push(`${path} is ${found.toString()}, not ${average.toString()}`);
      }
    }
    if (!state.has(stepKey)) problems.push(`missing ${stepKey}`);
    for (const key of state.keys()) {
      if (key !== stepKey && !this.#averages.has(key)) problems.push(`unexpected ${key}`);
    }
    if (problems.length > 0) {
      throw new CheckpointError(
        source,
        `Expected the averages of these weights in ${source} but they differ: ` +
          problems.join("; "),
      );
    }
    this.updates = (state.get(stepKey) as Tensor).item();
    for (const [path, average] of this.#averages) average.copy_(state.get(path) as Tensor);
  }

  /** Frees the averages. */
  dispose(): void {
    for (const average of this.#averages.values()) average.dispose();
  }
}

function copyOf(tensor: Tensor): Tensor {
  return scope(() => tensor.detach().clone()).keep();
}

const eachLerp = operator("_foreach_lerp_", "Scalar");
