/** `limn/nn`: layers. */
export * from "../nn/index.ts";
