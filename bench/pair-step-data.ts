/** One gradient of CLIP's objective, both towers trained, as the benches measure it. */
import type { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import type { Tensor } from "../dist/src/torch/index.js";
import { LockableTower } from "../dist/src/train/step/lockable-tower.js";
import { createObjective } from "../dist/src/objectives/index.js";
import { solo } from "../dist/src/train/process-group.js";
import { accumulateGradient } from "../dist/src/train/step/step.js";
import type { TowerState } from "../dist/src/train/step/tower-states.js";

const trained: TowerState = { locked: false, head: "random", learningRateFactor: 1 };

/** What a step computes in, as a recipe's `train.precision`. */
export type Precision = "float32" | "bfloat16";

/** Accumulates the gradient of a batch and returns its loss. pixels [N, 3, S, S], tokens [N, T]. */
export function clipGradient(
  model: DualEncoder,
  pixels: Tensor,
  tokens: Tensor,
): (precision?: Precision) => number {
  const input = {
    image: { tensor: pixels, cached: false },
    text: { tensor: tokens, cached: false },
    about: { ids: [], step: 0, position: 0, epoch: 0 },
  };
  const options = {
    objective: createObjective(
      { kind: "softmax" },
      {
        device: model.device,
        embedDim: model.config.embedDim,
        batchSize: tokens.size(0),
        steps: 1,
        hasLogitBias: model.logitBias !== null,
        logitScaleInit: 1,
        logitScaleLearned: true,
        scratchFolder: "",
      },
    ),
    towers: {
      image: new LockableTower(model.imageTower, trained),
      text: new LockableTower(model.textTower, trained),
    },
    group: solo,
    seed: 0,
  } as const;
  return (precision = "float32") =>
    accumulateGradient(model, input, { ...options, precision }).loss;
}
