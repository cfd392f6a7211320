/**
 * limn: train, evaluate and ship language-image models. The verbs are `train`, `pretrain`, `evaluate` and
 * `loadModel`; recipes are made with `defineRecipe`. What only some users need is in the subpaths of
 * src/public, such as `limn/torch` and `limn/data`; docs/api.md lists them.
 */
export { train, type TrainOptions, type TrainResult } from "./train/train-pair.ts";
export {
  pretrain,
  type PretrainOptions,
  type PretrainResult,
} from "./train/tower/pretrain-tower.ts";
export { definePretraining, type PretrainRecipe } from "./train/recipe/pretrain-recipe.ts";
export { defineRecipe, type Recipe, type ResolvedRecipe } from "./train/recipe/recipe.ts";
export { DivergedError } from "./train/step/updater.ts";
export { evaluate, type EvaluateOptions } from "./evaluate/evaluate-model.ts";
export { audit, type AuditOptions } from "./evaluate/audit/audit-model.ts";
export type { AuditCard } from "./evaluate/audit/audit-card.ts";
export type { Suite, SuiteResult } from "./evaluate/run-suite.ts";
export type { TaskResult } from "./evaluate/tasks/index.ts";
export { formatTable, metricsJson, type MetricRow } from "./evaluate/metric-table.ts";
export { loadModel, type LoadedModel, type LoadModelOptions } from "./inference/load-model.ts";
export { availablePrecisions, type Precision } from "./nn/precision.ts";
export { describeModel, type ModelDescription } from "./checkpoints/describe-model.ts";
export type { Family, GivenFacts } from "./checkpoints/layout.ts";
export type { SaveLayout } from "./checkpoints/layouts/writers.ts";
export { interpolateWeights } from "./checkpoints/interpolate-weights.ts";
export { loadAdapter } from "./checkpoints/adapters/load-adapter.ts";
export { saveAdapter } from "./checkpoints/adapters/save-adapter.ts";
export type { EncodedPictures, EncodeImagesOptions } from "./inference/encode-images.ts";
export type { EmbeddingBatch, SkippedInput } from "./inference/inference-model.ts";
export type { Picture } from "./inference/picture-batches.ts";
export type { SimilarityOptions, SimilarityResult } from "./inference/similarity.ts";
export type { ClassifierOptions, ZeroShotClassifier } from "./inference/zero-shot-classifier.ts";
export type { SourceSpec } from "./data/sources/source-spec.ts";
export type { SaveOptions } from "./checkpoints/checkpoint.ts";
export type { HubFetchOptions } from "./checkpoints/local-model.ts";

export * from "./errors.ts";
