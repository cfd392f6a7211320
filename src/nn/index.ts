/** Layers. */
export { activate, type Activation } from "./activation.ts";
export { MultiHeadAttention, type AttentionOptions, type Position } from "./attention.ts";
export { BatchNorm2d, recomputed, withoutStatistics, type BatchNormOptions } from "./batch-norm.ts";
export { initializeOn } from "./initialize.ts";
export {
  Conv2d,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  Mlp,
  type Conv2dOptions,
} from "./layers.ts";
export { Buffer, Module, Parameter } from "./module.ts";
export { availablePrecisions, type Availability, type Precision } from "./precision.ts";
export { prepareForInference, type Preparation } from "./prepare.ts";
export { Block, PostNormBlock, type BlockConfig } from "./transformer.ts";
