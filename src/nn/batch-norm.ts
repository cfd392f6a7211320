/** Batch norm, and the switch that keeps a repeated forward pass from counting its statistics twice. */
import { ShapeError } from "../errors.ts";
import { batchNorm, checkpoint, type Tensor } from "../torch/index.ts";
import { onesParameter, stateOnes, stateZeros, zerosParameter } from "./initialize.ts";
import { Module, type Buffer, type Parameter } from "./module.ts";

export interface BatchNormOptions {
  /** Added to the variance. */
  epsilon?: number;
  /** Share of the batch's statistics in the new running ones: 1 - TensorFlow's `momentum`. */
  momentum?: number;
}

let counting = true;

/**
 * Runs `body` with the running statistics of every batch norm left as they are; in training mode the
 * batch's own still normalise. For passes that run a second time over the same batch: micro-batches
 * with a cached gradient, recomputed activations. Synchronous.
 */
export function withoutStatistics<T>(body: () => T): T {
  const before = counting;
  counting = false;
  try {
    return body();
  } finally {
    counting = before;
  }
}

/**
 * Normalises each channel over batch and positions, then scales and shifts it:
 *
 *     y = weight (x - mean) / sqrt(variance + epsilon) + bias       Ioffe & Szegedy, arXiv:1502.03167
 *
 * In training mode mean and (biased) variance are the batch's, and the running ones move towards
 * them, the variance unbiased, as torch.nn.BatchNorm2d; in evaluation mode they are the running ones.
 */
export class BatchNorm2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly runningMean: Buffer;
  readonly runningVariance: Buffer;
  readonly epsilon: number;
  readonly momentum: number;

  constructor(channels: number, { epsilon = 1e-5, momentum = 0.1 }: BatchNormOptions = {}) {
    super();
    this.weight = onesParameter([channels]);
    this.bias = zerosParameter([channels]);
    this.runningMean = stateZeros([channels]);
    this.runningVariance = stateOnes([channels]);
    this.epsilon = epsilon;
    this.momentum = momentum;
  }

  /**
   * x [N, C, H, W] -> the same shape
   *
   * throws  ShapeError in training mode for one value per channel, which has no variance
   */
  forward(x: Tensor): Tensor {
    return this.#normalized(x, false);
  }

  /** relu(forward(x)), in one pass where there is an operator for it. */
  rectified(x: Tensor): Tensor {
    return this.#normalized(x, true);
  }

  #normalized(x: Tensor, relu: boolean): Tensor {
    const { training, momentum, epsilon } = this;
    if (training && x.count <= x.size(1)) {
      throw new ShapeError(
        "Expected more than one value per channel for batch norm in training but received " +
          `[${x.shape.join(", ")}]; use a batch of at least 2, or evaluation mode`,
      );
    }
    const mean = this.runningMean.tensor;
    const variance = this.runningVariance.tensor;
    return batchNorm(x, {
      weight: this.weight.tensor,
      bias: this.bias.tensor,
      running: training && !counting ? null : { mean, variance },
      training,
      momentum,
      epsilon,
      relu,
    });
  }
}

/**
 * `module.forward(x)` with its activations computed again in the backward pass instead of held;
 * random numbers repeat, and running statistics count once.
 */
export function recomputed(module: Module & { forward(x: Tensor): Tensor }, x: Tensor): Tensor {
  const weights = module.parameters().map(({ tensor }) => tensor);
  let again = false;
  return checkpoint(x, weights, (input) => {
    if (again) return withoutStatistics(() => module.forward(input));
    again = true;
    return module.forward(input);
  });
}
