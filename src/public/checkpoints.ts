/** `limn/checkpoints`: model folders and weight files, read and written. */
export { saveCheckpoint, type CheckpointContents } from "../checkpoints/checkpoint.ts";
export { openModel } from "../checkpoints/open-model.ts";
export type { ModelSource } from "../checkpoints/layout.ts";
export { openWeightFile, type OpenOptions } from "../checkpoints/weights/open-weight-file.ts";
export type { WeightFile, WeightInfo } from "../checkpoints/weights/weight-file.ts";
export { checkFinite, nonFiniteNames } from "../checkpoints/weights/check-weights.ts";
export {
  readSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type SafetensorsOptions,
  type WriteOptions,
} from "../checkpoints/weights/safetensors.ts";
