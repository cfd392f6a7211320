/** `limn/objectives`: the papers' losses as functions of tensors, and objectives as the trainer uses them. */
export { createObjective, objectiveSchema } from "../train/objectives/index.ts";
export type {
  ObjectiveContext,
  ObjectiveInput,
  TrainingObjective,
} from "../train/objectives/objective.ts";
export {
  contrastiveAccuracy,
  softmaxContrastive,
  type SoftmaxContrastiveOptions,
} from "../objectives/softmax-contrastive.ts";
export {
  sigmoidContrastive,
  type SigmoidContrastiveOptions,
} from "../objectives/sigmoid-contrastive.ts";
export { alignContrastive, type AlignContrastiveOptions } from "../objectives/align-contrastive.ts";
export { cyclip, type CyclipOptions } from "../objectives/cyclip.ts";
export {
  distillation,
  type DistillationOptions,
  type TeacherPair,
} from "../objectives/distillation.ts";
export {
  globalContrastive,
  movingAverage,
  temperatureTerm,
  type GlobalContrastive,
  type GlobalContrastiveOptions,
  type Sides,
} from "../objectives/global-contrastive.ts";
export { normalizerLoss, prototypeNormalizer } from "../objectives/neuclip.ts";
export {
  addPositives,
  amorlip,
  combineLogTargets,
  logPartitions,
  type AmorlipOptions,
  type LogPartitions,
  type LogPartitionsOptions,
  type PerPair,
} from "../objectives/amorlip.ts";
export {
  amortizationLoss,
  type Amortization,
  type AmortizationOptions,
} from "../objectives/amortization.ts";
export {
  contextAttention,
  type Context,
  type ContextAttentionOptions,
} from "../objectives/context-attention.ts";
export {
  lixp,
  type LixpBase,
  type LixpBaseOptions,
  type LixpLoss,
  type LixpOptions,
} from "../objectives/lixp.ts";
