/** Optimizers, schedules, clipping and averages of weights. */
export { clipGradients, gradientNorm } from "./clip-gradients.ts";
export { Ema, type EmaOptions } from "./ema.ts";
export { parameterGroups, type GroupOptions, type ParameterGroup } from "./groups.ts";
export { Lamb, type LambOptions } from "./lamb.ts";
export { Lion, type LionOptions } from "./lion.ts";
export { Optimizer } from "./optimizer.ts";
export { AdamW, type AdamWOptions } from "./adamw.ts";
export { createSchedule, type Schedule, type ScheduleDescription } from "./schedule.ts";
