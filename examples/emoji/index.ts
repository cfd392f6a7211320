/** The emoji example: real pictures with real names, and held-out parts that ask for more each. */
export { buildEmojiDataset } from "./dataset.ts";
export type { BuiltDataset, EmojiDataset, SplitSummary } from "./dataset.ts";
export { defaultOptions } from "./options.ts";
export type { EmojiDatasetOptions, ResolvedOptions, ShardSample, WriteShards } from "./options.ts";
export { emojiEvaluations, matches } from "./evaluation.ts";
export type {
  EvaluatedSample,
  EvaluationPart,
  RetrievalTask,
  SampleFilter,
  ZeroShotTask,
} from "./evaluation.ts";
export type { CategoryClass, EmojiClass, EmojiClasses } from "./classes.ts";
export { packageNames, installedVersions } from "./sources.ts";
export { emojiSuites, splitSource } from "./suites.ts";
export type { EmojiSuite, SuiteSource, SuiteTask } from "./suites.ts";
