/**
 * limn: train, evaluate and ship language-image models. The verbs are `train`, `evaluate` and
 * `loadModel`; recipes are made with `defineRecipe`. `torch`, `nn` and `optimize` are the engine underneath.
 */
export { train, type TrainOptions, type TrainResult } from "./train/train-pair.ts";
export {
  pretrain,
  type PretrainOptions,
  type PretrainResult,
} from "./train/tower/pretrain-tower.ts";
export { definePretraining, type PretrainRecipe } from "./train/recipe/pretrain-recipe.ts";
export { defineRecipe, type Recipe, type ResolvedRecipe } from "./train/recipe/recipe.ts";
export { resolveRecipe, type ResolveOptions } from "./train/recipe/resolve-recipe.ts";
export { runReport, type RunReportOptions } from "./train/run/run-report.ts";
export {
  buildEmbeddingCache,
  openEmbeddingCache,
  type BuildOptions,
  type BuiltCache,
  type CacheLocation,
  type EmbeddingCache,
  type OpenedCache,
} from "./train/cache/embedding-cache.ts";
export { createCacheKey, type CacheKey, type CacheKeyParts } from "./train/cache/cache-key.ts";
export {
  imageFeatureCache,
  pixelCache,
  textFeatureCache,
  type CacheOptions,
  type FeatureCacheOptions,
} from "./train/cache/tower-caches.ts";
export { DivergedError } from "./train/run/diverged.ts";
export { createObjective, objectiveSchema } from "./train/objectives/index.ts";
export type {
  ObjectiveContext,
  ObjectiveInput,
  TrainingObjective,
} from "./train/objectives/objective.ts";

export { evaluate, type EvaluateOptions } from "./evaluate/evaluate-model.ts";
export type { Suite, SuiteResult, TaskResult } from "./evaluate/run-suite.ts";
export { classifierWeights } from "./inference/classifier-weights.ts";
export { retrieval, type RetrievalResult } from "./evaluate/retrieval.ts";
export { formatTable, metricsJson, type MetricRow } from "./evaluate/table.ts";
export { zeroShotClassification, type ZeroShotResult } from "./evaluate/zero-shot.ts";

export { runStudy, type StudyOptions, type StudyOutcome } from "./study/run-study.ts";
export {
  defineStudy,
  type Arm,
  type Claim,
  type Comparison,
  type ItemScores,
  type Outcome,
  type Study,
  type StudyFigure,
  type StudyMetric,
  type StudyTable,
  type Verdict,
} from "./study/define-study.ts";
export { judge } from "./study/claims.ts";
export type { RunContext, StudyContext, StudyTraining } from "./study/context.ts";
export { peakMemoryBytes, resetPeakMemory } from "./study/measurements.ts";
export type { StudyResults } from "./study/results.ts";
export type { Difference, Estimate } from "./study/statistics.ts";
export { suiteOutcome } from "./study/suite-outcome.ts";

export { loadModel, type LoadedModel, type LoadModelOptions } from "./inference/load-model.ts";
export { describeModel, type ModelDescription } from "./checkpoints/describe-model.ts";
export {
  saveCheckpoint,
  type CheckpointContents,
  type SaveOptions,
} from "./checkpoints/checkpoint.ts";
export type { Family, GivenFacts } from "./checkpoints/layout.ts";
export type { SaveLayout } from "./checkpoints/layouts/writers.ts";
export { localModel, type HubFetchOptions } from "./checkpoints/local-model.ts";
export { loadAdapter } from "./checkpoints/adapters/load-adapter.ts";
export { saveAdapter } from "./checkpoints/adapters/save-adapter.ts";
export { interpolateWeights } from "./checkpoints/interpolate-weights.ts";
export { openWeightFile, type OpenOptions } from "./checkpoints/weights/open-weight-file.ts";
export type { WeightFile, WeightInfo } from "./checkpoints/weights/weight-file.ts";
export { checkFinite, nonFiniteNames } from "./checkpoints/weights/non-finite.ts";
export {
  readSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type SafetensorsOptions,
  type WriteOptions,
} from "./checkpoints/weights/safetensors.ts";
export type { EncodedPictures, EncodeImagesOptions } from "./inference/encode-images.ts";
export type { EmbeddingBatch, SkippedInput } from "./inference/inference-model.ts";
export type { Picture } from "./inference/picture.ts";
export type { SimilarityOptions, SimilarityResult } from "./inference/similarity.ts";
export type { ClassifierOptions, ZeroShotClassifier } from "./inference/zero-shot-classifier.ts";
export { DualEncoder, type DualEncoderConfig } from "./pair/dual-encoder.ts";
export { clipConfig, clipConfigNames, type ClipConfig } from "./pair/clip-configs.ts";
export { pairConfig, pairNames } from "./pair/published-pairs.ts";

export { fetchModel, type FetchModelOptions, type HubFile } from "./hub/fetch-model.ts";
export type { FetchProgress } from "./hub/progress.ts";
export {
  formatReference,
  parseModelReference,
  type HubReference,
  type ModelReference,
} from "./hub/reference.ts";
export type { HubOptions } from "./hub/settings.ts";

export { bitResNetSizes, type BitResNetConfig } from "./towers/image/bit-resnet.ts";
export {
  efficientNetSizes,
  type EfficientNetConfig,
  type EfficientNetStage,
} from "./towers/image/efficient-net.ts";
export { mixerSizes, type MixerConfig } from "./towers/image/mixer.ts";
export { modifiedResNetSizes, type ModifiedResNetConfig } from "./towers/image/modified-resnet.ts";
export type { NaflexVisionTransformerConfig } from "./towers/image/naflex-vision-transformer.ts";
export { vitSizes, type VisionTransformerConfig } from "./towers/image/vision-transformer.ts";
export {
  resizeImagePositionEmbedding,
  resizeTextPositionEmbedding,
} from "./towers/resize-position-embedding.ts";
export { bertSizes, type BertConfig } from "./towers/text/bert-tower.ts";
export { textSizes, type TextTransformerConfig } from "./towers/text/text-transformer.ts";
export type { ImagePatches, PatchGrid } from "./towers/tower.ts";

export {
  contrastiveAccuracy,
  softmaxContrastive,
  type SoftmaxContrastiveOptions,
} from "./objectives/softmax-contrastive.ts";
export {
  sigmoidContrastive,
  type SigmoidContrastiveOptions,
} from "./objectives/sigmoid-contrastive.ts";
export { alignContrastive, type AlignContrastiveOptions } from "./objectives/align-contrastive.ts";
export { cyclip, type CyclipOptions } from "./objectives/cyclip.ts";
export {
  distillation,
  type DistillationOptions,
  type TeacherPair,
} from "./objectives/distillation.ts";
export {
  globalContrastive,
  movingAverage,
  temperatureTerm,
  type GlobalContrastive,
  type GlobalContrastiveOptions,
  type Sides,
} from "./objectives/global-contrastive.ts";
export { normalizerLoss, prototypeNormalizer } from "./objectives/neuclip.ts";

export {
  addPositives,
  amorlip,
  combineLogTargets,
  logPartitions,
  type AmorlipOptions,
  type LogPartitions,
  type LogPartitionsOptions,
  type PerPair,
} from "./objectives/amorlip.ts";
export {
  amortizationLoss,
  type Amortization,
  type AmortizationOptions,
} from "./objectives/amortization.ts";

export {
  contextAttention,
  type Context,
  type ContextAttentionOptions,
} from "./objectives/context-attention.ts";
export {
  lixp,
  type LixpBase,
  type LixpBaseOptions,
  type LixpLoss,
  type LixpOptions,
} from "./objectives/lixp.ts";

export {
  defineAdapter,
  type Adapter,
  type AdapterDescription,
  type FewShotClassifier,
  type Support,
} from "./adapt/adapter.ts";
export { sampleEpisode, sampleSupport, type Episode } from "./adapt/episode.ts";
export {
  fewShotCurve,
  type FewShotCurve,
  type FewShotCurveOptions,
  type FewShotTask,
} from "./adapt/few-shot-curve.ts";
export { nearestNeighbors, type NeighborSetting } from "./adapt/nearest-neighbors.ts";
export { prototypes, type PrototypeSetting } from "./adapt/prototypes.ts";
export { sampleEfficiency, type SampleEfficiency } from "./adapt/sample-efficiency.ts";
export { selectSetting, type SelectOptions } from "./adapt/select-setting.ts";
export { tipAdapter, type TipAdapterOptions, type TipSetting } from "./adapt/tip-adapter.ts";

export { createLoader, type Loader } from "./data/loader/loader.ts";
export type { LoaderOptions, LoaderPosition } from "./data/loader/options.ts";
export { packDataset, writeShards } from "./data/pack.ts";
export type { PictureEmbedder } from "./data/dedupe/describe-pictures.ts";
export { duplicateSheet, type DuplicateSheetOptions } from "./data/dedupe/duplicate-sheet.ts";
export {
  findDuplicates,
  type DuplicatePair,
  type DuplicateReport,
  type FindDuplicatesOptions,
} from "./data/dedupe/find-duplicates.ts";
export type { Batch, PackSample, Sample } from "./data/sample.ts";
export type { SourceSpec } from "./data/sources/source-spec.ts";
export {
  applyEvaluationTransform,
  applyNaflexTransform,
  decodeImage,
  evaluationPreset,
  type EvaluationTransform,
  naflexPreset,
  type NaflexTransform,
  type TrainingAugmentation,
} from "./data/image/index.ts";
export {
  createTokenizer,
  familyTokenizer,
  loadTokenizer,
  saveTokenizer,
  trainTokenizer,
  type FamilyTokenizerOptions,
  type LoadTokenizerOptions,
  type Tokenizer,
  type TokenizerDescription,
  type TokenizerFamily,
} from "./text/index.ts";

export { renderReport } from "./report/report.ts";
export type { ReportData } from "./report/types.ts";

export * from "./errors.ts";
export * as torch from "./torch/index.ts";
export * as nn from "./nn/index.ts";
export * as optimize from "./optimize/index.ts";
