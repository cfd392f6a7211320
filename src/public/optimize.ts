/** `limn/optimize`: optimizers, schedules, clipping and averages of weights. */
export * from "../optimize/index.ts";
