/** `limn/torch`: tensors, scopes, autograd, devices: limn's face of libtorch. */
export * from "../torch/index.ts";
