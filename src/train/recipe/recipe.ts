/**
 * Recipes: typed values, one file per run. The schema below is the one description of what a recipe
 * may hold; types, defaults and messages follow from it.
 */
import { z } from "zod";

import { namedModelSchema } from "../../checkpoints/named-model.ts";
import { taskSchema } from "../../evaluate/tasks/index.ts";
import { templatesSchema } from "../../evaluate/tasks/zero-shot-task.ts";
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { TrainingAugmentation } from "../../data/image/index.ts";
import { sourceSchema } from "../../data/sources/source-spec.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import type { TokenizerDescription } from "../../text/tokenizer-description.ts";
import { objectiveSchema } from "../../objectives/index.ts";
import { optimizerSchema } from "../../optimize/optimizers.ts";
import { logitsSchema, modelChangesSchema, modelSchema, towersSchema } from "./recipe-model.ts";

const positiveInteger = z.int().min(1);
const share = z.number().min(0).max(1);
const probability = z.number().min(0).lt(1);

// The data layer checks these with messages of its own; here they only get their types.
export const tokenizerSchema: z.ZodCustom<TokenizerDescription, TokenizerDescription> =
  z.custom<TokenizerDescription>(hasKind, "a tokenizer with a kind");
const augmentationSchema = z.custom<TrainingAugmentation>(isJsonObject, "an object");
const transformSchema = z.custom<Partial<EvaluationTransform>>(isJsonObject, "an object");

function hasKind(value: unknown): boolean {
  return isJsonObject(value) && typeof value["kind"] === "string";
}

const pixelCacheSchema = z.strictObject({
  views: positiveInteger
    .default(1)
    .describe("augmented versions of each picture that are stored; 1 without augmentation"),
  folder: z
    .string()
    .optional()
    .describe("where the caches lie; a folder that all runs of a user share when absent"),
});

export const dataSchema = z.strictObject({
  train: sourceSchema.describe("see the tables of sources"),
  tokenizer: tokenizerSchema
    .optional()
    .describe(
      "`clip-bpe` or `tokenizer.json`, see [data.md](data.md); that of `pretrained` when absent",
    ),
  transform: transformSchema
    .optional()
    .describe(
      "resizing and normalising for evaluation, see [data.md](data.md); CLIP's when absent, or " +
        "without `model` the folder's",
    ),
  augmentation: augmentationSchema
    .optional()
    .describe("random changes in training, see [data.md](data.md); none when absent"),
  captions: z
    .enum(["random", "first", "all"])
    .default("random")
    .describe("of a picture with several: one drawn per epoch, the first, or all in turn"),
  workers: positiveInteger.optional().describe("decoding threads; one per core when absent"),
  prefetch: positiveInteger.default(2).describe("batches that are made ahead"),
  cache: pixelCacheSchema
    .optional()
    .describe("keeps decoded pictures on disk, so that later epochs and runs decode nothing"),
  maxPixels: positiveInteger
    .optional()
    .describe(
      "a larger picture is a bad sample; 67,108,864 (8,192 x 8,192) when absent, which bounds the " +
        "memory of a decoding thread to about 0.6 GB",
    ),
  onError: z
    .enum(["skip", "fail"])
    .default("skip")
    .describe("a sample that cannot be read is counted and named, or stops the run"),
});

const scheduleSchema = z.strictObject({
  kind: z
    .enum(["cosine", "linear", "constant", "rsqrt"])
    .default("cosine")
    .describe("how the learning rate falls after the warm-up"),
  warmupSteps: z.int().min(0).default(0).describe("steps over which the rate rises linearly"),
  cooldownSteps: z
    .int()
    .min(0)
    .default(0)
    .describe("`constant`, `rsqrt`: last steps, over which the rate falls to `endFactor`"),
  endFactor: share.default(0).describe("the last learning rate as a share of the first"),
  timescale: positiveInteger
    .default(10_000)
    .describe("`rsqrt`: steps after which the rate has fallen by 1 / sqrt(2)"),
});

const checkpointSchema = z.strictObject({
  everySteps: positiveInteger
    .optional()
    .describe("steps from one checkpoint to the next; only at the end when absent"),
  keepLast: positiveInteger.default(2).describe("newest checkpoints that are kept"),
  keepBest: z
    .string()
    .optional()
    .describe("metric whose best checkpoint is kept too: the largest, of ranks the smallest"),
});

export const trainSchema = z.strictObject({
  batchSize: z
    .int()
    .min(2)
    .describe("pairs per optimizer step: the negatives of each are all the others"),
  microBatchSize: positiveInteger
    .optional()
    .describe("pairs per forward pass; the gradient stays that of the whole batch"),
  steps: positiveInteger.describe("optimizer steps of the run, at most"),
  minutes: z
    .number()
    .positive()
    .optional()
    .describe(
      "minutes of training, at most: schedules follow whichever of time and steps is further on",
    ),
  seed: z.int().min(0).default(0).describe("all random numbers of the run come from it"),
  device: z
    .string()
    .default("auto")
    .describe("`cpu`, `cuda:0`, ...; `auto`: a GPU where there is one"),
  precision: z
    .enum(["float32", "bfloat16"])
    .default("float32")
    .describe("of the towers' matrix products; weights stay float32"),
  activationCheckpointing: z
    .boolean()
    .default(false)
    .describe("computes activations again in the backward pass instead of holding them"),
  trimCaptions: z
    .boolean()
    .default(true)
    .describe("cuts each batch to its longest caption where the text tower makes that exact"),
  optimizer: optimizerSchema.describe("see the tables of optimizers"),
  schedule: scheduleSchema.prefault({}).describe("the learning rate of each step"),
  gradientClip: z.number().positive().optional().describe("largest global norm of the gradient"),
  ema: probability
    .optional()
    .describe("decay of a moving average of the weights, which is then evaluated and exported"),
  checkpoint: checkpointSchema.prefault({}).describe("when checkpoints are written and kept"),
  logEverySteps: positiveInteger.default(1).describe("steps from one line of metrics to the next"),
});

export const suiteSchema = z
  .strictObject({
    name: z.string().describe("names the suite's metrics"),
    title: z.string().optional().describe("heading in the report"),
    source: sourceSchema.describe("held-out samples, see the tables of sources"),
    where: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .describe("only samples whose JSON has these values"),
    tasks: z.array(taskSchema).min(1).describe("what is measured, see the tables of tasks"),
  })
  .describe("one held-out set and what is measured on it");

const evaluateSchema = z.strictObject({
  everySteps: z
    .int()
    .min(0)
    .default(0)
    .describe("steps from one evaluation to the next; 0: only at the end"),
  batchSize: positiveInteger.default(64).describe("samples per forward pass"),
  suites: z.array(suiteSchema).default([]).describe("held-out sets"),
});

export const nameSchema: z.ZodString = z
  .string()
  .regex(/^\w[\w.-]*$/, "letters, digits, dots, dashes and underscores");

export const recipeSchema = z.strictObject({
  name: nameSchema.describe("names the run and its folder"),
  model: modelSchema
    .optional()
    .describe("a published pair by name, or one of your own; that of `pretrained` when absent"),
  pretrained: namedModelSchema
    .optional()
    .describe(
      "the model to start from: a path, `hf://...`, or `{ path }` with what its files leave open, see " +
        "[fine-tuning.md](fine-tuning.md)",
    ),
  modelChanges: modelChangesSchema
    .optional()
    .describe("what differs from the model in `pretrained`, where `model` is absent"),
  towers: towersSchema
    .prefault({})
    .describe("where each tower's weights come from, and what is trained"),
  logits: logitsSchema.prefault({}).describe("scale and bias of the logits"),
  templates: templatesSchema
    .optional()
    .describe(
      "what names of classes are put into, kept with the model, see " +
        "[inference.md](inference.md#templates); those of `pretrained` when absent",
    ),
  data: dataSchema.describe("pairs, and what is done to them"),
  objective: objectiveSchema
    .prefault({ kind: "softmax" })
    .describe("the loss, see [objectives.md](objectives.md); CLIP's when absent"),
  train: trainSchema.describe("steps, optimizer, checkpoints"),
  evaluate: evaluateSchema.prefault({}).describe("what is measured, and when"),
});

/** What a recipe file writes; absent keys take their defaults. */
export type Recipe = z.input<typeof recipeSchema>;
/** A recipe with every default filled in, as it is saved with the run. */
export type ResolvedRecipe = z.output<typeof recipeSchema>;
export type ModelRecipe = NonNullable<ResolvedRecipe["model"]>;
export type SuiteRecipe = ResolvedRecipe["evaluate"]["suites"][number];
export type DataRecipe = ResolvedRecipe["data"];

/**
 * Types a recipe: the compiler refuses unknown keys and wrong values, the file stays plain data. Not
 * generic, as a type parameter would take every further key.
 */
export function defineRecipe(recipe: Recipe): Recipe {
  return recipe;
}
