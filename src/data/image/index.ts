/** Images for models: decoding, exact resizing, evaluation and training transforms. */
export type { ColorJitter } from "./color-jitter.ts";
export { centerCrop } from "./crop.ts";
export {
  decodeImage,
  type DecodeOptions,
  type ImageOrigin,
  MAX_PIXELS,
  MAX_TRAINING_PIXELS,
  type RgbImage,
} from "./decode/decode.ts";
export {
  applyEvaluationTransform,
  type EvaluationOptions,
  type EvaluationPreset,
  evaluationPreset,
  type EvaluationTransform,
  NORMALIZATIONS,
  normalizePixels,
  parseEvaluationTransform,
  resizeForEvaluation,
} from "./evaluation-transform.ts";
export {
  type HeaderProblem,
  type ImageFormat,
  type ImageHeader,
  type PixelLayout,
  readImageHeader,
} from "./decode/image-header.ts";
export {
  applyNaflexTransform,
  naflexGrid,
  type NaflexPatches,
  naflexPreset,
  type NaflexTransform,
  normalizePatches,
  parseNaflexTransform,
  toNaflexPatches,
} from "./naflex-transform.ts";
export {
  type Interpolation,
  type Region,
  resizeImage,
  type ResizeOptions,
} from "./resize/resize.ts";
export {
  applyTrainingTransform,
  drawView,
  parseTrainingAugmentation,
  type TrainingAugmentation,
  type TrainingTransform,
  type TrainingView,
  type UniformSource,
} from "./training-transform.ts";
