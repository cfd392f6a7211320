/** `limn/pair`: the dual encoder and the published sizes. */
export { DualEncoder, type DualEncoderConfig } from "../pair/dual-encoder.ts";
export { clipConfig, clipConfigNames, type ClipConfig } from "../pair/published.ts";
export { pairConfig, pairNames } from "../pair/published.ts";
