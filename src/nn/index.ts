/** Layers, optimizers and schedules. */
export { activate, type Activation } from "./activation.ts";
export { MultiHeadAttention, type AttentionOptions, type Position } from "./attention.ts";
export { BatchNorm2d, recomputed, withoutStatistics, type BatchNormOptions } from "./batch-norm.ts";
export { clipGradients, gradientNorm } from "./clip-gradients.ts";
export { Ema, type EmaOptions } from "./ema.ts";
export { GroupNorm } from "./group-norm.ts";
export { initializeOn } from "./initialize.ts";
export { Conv2d, Embedding, LayerNorm, Linear, type Conv2dOptions } from "./layers.ts";
export { Mlp } from "./mlp.ts";
export { Buffer, Module, Parameter } from "./module.ts";
export { parameterGroups, type GroupOptions, type ParameterGroup } from "./optimizer-groups.ts";
export { Lamb, type LambOptions } from "./lamb.ts";
export { Lion, type LionOptions } from "./lion.ts";
export { Optimizer } from "./optimizer-base.ts";
export { AdamW, type AdamWOptions } from "./optimizer.ts";
export { createSchedule, type Schedule, type ScheduleDescription } from "./schedule.ts";
export { Block, PostNormBlock, type BlockConfig } from "./transformer.ts";
