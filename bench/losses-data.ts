/**
 * The objectives that the bench `chunked-losses` measures, each as a function of the same unit rows:
 * value and gradient, whole or in chunks. A further objective is one more entry of `objectives`.
 */
import {
  alignContrastive,
  amorlip,
  contrastiveAccuracy,
  cyclip,
  distillation,
  globalContrastive,
  lixp,
  logPartitions,
  sigmoidContrastive,
  softmaxContrastive,
} from "../dist/src/public/objectives.js";
import * as torch from "../dist/src/public/torch.js";
import { seconds } from "./result.ts";

type Tensor = ReturnType<typeof torch.tensor>;

export const embedDim = 512;
/** Rows of the logits at a time. */
export const chunkSize = 512;

export interface LossInputs {
  /** [N, D] unit rows that want a gradient. */
  image: Tensor;
  text: Tensor;
  logitScale: Tensor;
  logitBias: Tensor;
}

interface Chunks {
  chunkSize?: number;
}

type Objective = (inputs: LossInputs, options: Chunks) => Tensor;

export const objectives: Record<string, Objective> = {
  softmax: ({ image, text, logitScale }, options) =>
    softmaxContrastive(image, text, { logitScale, ...options }),
  sigmoid: ({ image, text, logitScale, logitBias }, options) =>
    sigmoidContrastive(image, text, { logitScale, logitBias, ...options }),
  align: ({ image, text, logitScale }, options) =>
    alignContrastive(image, text, { temperature: logitScale.pow(-1), ...options }),
  cyclip: ({ image, text, logitScale }, options) => cyclip(image, text, { logitScale, ...options }),
  // Teacher and student of the same width, and far apart: each other's rows.
  distillation: ({ image, text, logitScale }, options) => {
    const teacher = { image: text.detach(), text: image.detach(), logitScale: logitScale.detach() };
    return distillation(image, text, { logitScale, teacher, ...options });
  },
  // The raw embeddings that are the context's values are the rows themselves.
  lixp: ({ image, text, logitScale }, options) =>
    lixp(image, image.mul(3), text, {
      base: "softmax",
      logitScale,
      contextLogitScale: logitScale,
      contextTemperature: logitScale.pow(-1).mul(0.3),
      ...options,
    }).loss,
  amorlip: ({ image, text, logitScale }, options) => {
    const partitions = logPartitions(image, text, {
      logitScale,
      positiveCoefficient: 1e-3,
      ...options,
    });
    const logLambda = { image: partitions.image.detach(), text: partitions.text.detach() };
    return amorlip(partitions, logLambda, { logitScale });
  },
  // SogCLR and FastCLIP: the denominators of a first visit.
  global: ({ image, text, logitScale }, options) =>
    globalContrastive(image, text, {
      logitScale,
      denominators: ({ image: i, text: t }) => ({ image: i, text: t }),
      ...options,
    }).loss,
};

export function lossInputs(batchSize: number): LossInputs {
  torch.manualSeed(7);
  const rows = (): Tensor =>
    torch
      .scope(() => {
        const numbers = torch.randn([batchSize, embedDim]);
        return numbers.mul_(numbers.norm([1], true).pow(-1));
      })
      .setRequiresGrad(true);
  return {
    image: rows(),
    text: rows(),
    logitScale: torch.tensor(20).setRequiresGrad(true),
    logitBias: torch.tensor(-10).setRequiresGrad(true),
  };
}

/** The loss; leaves no gradient behind. */
export function valueAndGradient(name: string, inputs: LossInputs, options: Chunks): number {
  const objective = objectives[name];
  if (!objective) throw new RangeError(`Expected an objective but received ${name}`);
  return torch.scope(() => {
    const loss = objective(inputs, options);
    torch.backward(loss);
    for (const input of Object.values(inputs) as Tensor[]) input.grad = null;
    return loss.item();
  });
}

/**
 * What a step does with its embeddings: loss and gradient, and on a logged step (`measure`) how often
 * the own pair is the nearest. Seconds of each.
 */
export function step(
  name: string,
  inputs: LossInputs,
  { measure, ...options }: Chunks & { measure: boolean },
): { loss: number; accuracy: number } {
  const times = { loss: seconds(() => void valueAndGradient(name, inputs, options)), accuracy: 0 };
  if (measure) {
    times.accuracy = seconds(() => void contrastiveAccuracy(inputs.image, inputs.text));
  }
  return times;
}

/**
 * Bytes by which the resident set's peak rises above what was resident with the inputs made, in a
 * whole logged step in chunks.
 */
export function peakMemory(name: string, batchSize: number): number {
  const inputs = lossInputs(batchSize);
  const before = process.memoryUsage().rss;
  step(name, inputs, { chunkSize, measure: true });
  return process.resourceUsage().maxRSS * 1024 - before;
}
