/**
 * Recipes: typed values, one file per run. The schema below is the one description of what a recipe
 * may hold; types, defaults and messages follow from it.
 */
import { z } from "zod";

import { taskSchema } from "../../evaluate/tasks/index.ts";
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { TrainingAugmentation } from "../../data/image/index.ts";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import type { TokenizerDescription } from "../../text/tokenizer-description.ts";
import { objectiveSchema } from "../objectives/index.ts";
import { optimizerSchema } from "../step/optimizers.ts";
import { logitsSchema, modelChangesSchema, modelSchema, towersSchema } from "./recipe-model.ts";

const positiveInteger = z.int().min(1);
const share = z.number().min(0).max(1);
const probability = z.number().min(0).lt(1);

// The data layer checks these with messages of its own; here they only get their types.
export const sourceSchema: z.ZodCustom<SourceSpec, SourceSpec> = z.custom<SourceSpec>(
  hasKind,
  "a source with a kind",
);
export const tokenizerSchema: z.ZodCustom<TokenizerDescription, TokenizerDescription> =
  z.custom<TokenizerDescription>(hasKind, "a tokenizer with a kind");
const augmentationSchema = z.custom<TrainingAugmentation>(isJsonObject, "an object");
const transformSchema = z.custom<Partial<EvaluationTransform>>(isJsonObject, "an object");

function hasKind(value: unknown): boolean {
  return isJsonObject(value) && typeof value["kind"] === "string";
}

const pixelCacheSchema = z.strictObject({
  /** Augmented versions of each picture that are stored; 1 without augmentation. */
  views: positiveInteger.default(1),
  /** Where caches lie; shared by all runs of a user when absent. */
  folder: z.string().optional(),
});

export const dataSchema = z.strictObject({
  /** Where the pairs are: shards, a table or a folder (docs/data.md). */
  train: sourceSchema,
  /** `clip-bpe` or a `tokenizer.json`; that of the folder in `pretrained` when absent. */
  tokenizer: tokenizerSchema.optional(),
  /** Resizing and normalising for evaluation; CLIP's own, or without `model` the folder's, when absent. */
  transform: transformSchema.optional(),
  /** Random changes in training; only the evaluation transform when absent. */
  augmentation: augmentationSchema.optional(),
  /** Which caption of an image an epoch uses. */
  captions: z.enum(["random", "first", "all"]).default("random"),
  workers: positiveInteger.optional(),
  prefetch: positiveInteger.default(2),
  /** Keeps the decoded pictures on disk, so that later epochs and runs decode nothing. */
  cache: pixelCacheSchema.optional(),
  /** What a sample that cannot be read does to the run. */
  onError: z.enum(["skip", "fail"]).default("skip"),
});

const scheduleSchema = z.strictObject({
  kind: z.enum(["cosine", "linear", "constant", "rsqrt"]).default("cosine"),
  warmupSteps: z.int().min(0).default(0),
  /** Steps of a final descent to `endFactor`, for constant and rsqrt. */
  cooldownSteps: z.int().min(0).default(0),
  /** The last learning rate as a share of the first. */
  endFactor: share.default(0),
  /** rsqrt: steps over which the rate falls by 1 / sqrt(2). */
  timescale: positiveInteger.default(10_000),
});

const checkpointSchema = z.strictObject({
  everySteps: positiveInteger.optional(),
  /** Newest checkpoints kept. */
  keepLast: positiveInteger.default(2),
  /**
   * Metric whose best checkpoint is kept as well, such as `val/retrieval/imageToText/recall@1`; the
   * largest is the best, of ranks the smallest. Measured with the averaged weights where there are.
   */
  keepBest: z.string().optional(),
});

export const trainSchema = z.strictObject({
  /** Pairs per optimizer step: the negatives of each are all the others. */
  batchSize: z.int().min(2),
  /** Pairs per forward pass; the gradient stays that of the whole batch. */
  microBatchSize: positiveInteger.optional(),
  steps: positiveInteger,
  seed: z.int().min(0).default(0),
  device: z.string().default("auto"),
  /** bfloat16 runs the products of the towers in bfloat16; weights stay float32. */
  precision: z.enum(["float32", "bfloat16"]).default("float32"),
  /** Recompute activations in the backward pass instead of holding them. */
  activationCheckpointing: z.boolean().default(false),
  /** Cut each batch to its longest caption where the text tower makes that exact. */
  trimCaptions: z.boolean().default(true),
  optimizer: optimizerSchema,
  schedule: scheduleSchema.prefault({}),
  /** Largest global norm of the gradient. */
  gradientClip: z.number().positive().optional(),
  /** Decay of the moving average of the weights, which is then evaluated and exported. */
  ema: probability.optional(),
  checkpoint: checkpointSchema.prefault({}),
  logEverySteps: positiveInteger.default(1),
  /** End here, evaluated and saved as after the last step, after this many minutes of steps. */
  timeLimitMinutes: z.number().positive().optional(),
});

/** One held-out set and what is measured on it. */
export const suiteSchema = z.strictObject({
  name: z.string(),
  title: z.string().optional(),
  source: sourceSchema,
  /** Only samples whose JSON has these values. */
  where: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  tasks: z.array(taskSchema).min(1),
});

const evaluateSchema = z.strictObject({
  /** 0: only at the end. */
  everySteps: z.int().min(0).default(0),
  batchSize: positiveInteger.default(64),
  suites: z.array(suiteSchema).default([]),
});

export const nameSchema: z.ZodString = z
  .string()
  .regex(/^\w[\w.-]*$/, "letters, digits, dots, dashes and underscores");

export const recipeSchema = z.strictObject({
  name: nameSchema,
  /** A published pair, such as `ViT-B/32`, or one of your own; that of `pretrained` when absent. */
  model: modelSchema.optional(),
  /** A model folder whose weights the run starts from, all of them. */
  pretrained: z.string().optional(),
  /** What differs from the model in `pretrained`, where `model` is absent. */
  modelChanges: modelChangesSchema.optional(),
  towers: towersSchema.prefault({}),
  logits: logitsSchema.prefault({}),
  data: dataSchema,
  objective: objectiveSchema.prefault({ kind: "softmax" }),
  train: trainSchema,
  evaluate: evaluateSchema.prefault({}),
});

/** What a recipe file writes; absent keys take their defaults. */
export type Recipe = z.input<typeof recipeSchema>;
/** A recipe with every default filled in, as it is saved with the run. */
export type ResolvedRecipe = z.output<typeof recipeSchema>;
export type ModelRecipe = NonNullable<ResolvedRecipe["model"]>;
export type SuiteRecipe = ResolvedRecipe["evaluate"]["suites"][number];
export type DataRecipe = ResolvedRecipe["data"];

/** Types a recipe: the compiler checks its keys and values, the file stays plain data. */
export function defineRecipe<const R extends Recipe>(recipe: R): R {
  return recipe;
}
