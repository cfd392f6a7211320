/** `limn/objectives`: the papers' losses as functions of tensors, and objectives as the trainer uses them. */
export { createObjective, objectiveSchema } from "../objectives/index.ts";
export type {
  ObjectiveContext,
  ObjectiveInput,
  TrainingObjective,
} from "../objectives/objective.ts";
export { contrastiveAccuracy } from "../objectives/shared/contrastive-accuracy.ts";
export { softmaxContrastive, type SoftmaxContrastiveOptions } from "../objectives/clip.ts";
export { sigmoidContrastive, type SigmoidContrastiveOptions } from "../objectives/siglip.ts";
export { alignContrastive, type AlignContrastiveOptions } from "../objectives/align.ts";
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
} from "../objectives/shared/global-contrastive.ts";
export { normalizerLoss, prototypeNormalizer } from "../objectives/neuclip/loss.ts";
export {
  addPositives,
  amorlip,
  combineLogTargets,
  logPartitions,
  type AmorlipOptions,
  type LogPartitions,
  type LogPartitionsOptions,
  type PerPair,
} from "../objectives/amorlip/loss.ts";
export {
  amortizationLoss,
  type Amortization,
  type AmortizationOptions,
} from "../objectives/amorlip/amortization.ts";
export {
  contextAttention,
  type Context,
  type ContextAttentionOptions,
} from "../objectives/lixp/context-attention.ts";
export {
  lixp,
  type LixpBase,
  type LixpBaseOptions,
  type LixpLoss,
  type LixpOptions,
} from "../objectives/lixp/loss.ts";
