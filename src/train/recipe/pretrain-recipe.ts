/** Recipes of `limn pretrain`: one tower, trained so that it can be locked or fine-tuned in a pair. */
import { z } from "zod";

import { activationNames } from "../../nn/activation.ts";
import { sourceSchema } from "../../data/sources/source-spec.ts";
import { classSchema } from "../../evaluate/tasks/zero-shot-task.ts";
import { checkKeepBest, checkSteps } from "./check-recipe.ts";
import { imageTowerSchema, textTowerSchema } from "./recipe-model.ts";
import { dataSchema, nameSchema, tokenizerSchema, trainSchema } from "./recipe.ts";
import { freeze, resolveWith, type ResolveOptions } from "./resolve-recipe.ts";

const towerShape = {
  activation: z
    .enum(activationNames)
    .default("gelu")
    .describe("of a transformer of your own that names none"),
  normEpsilon: z
    .number()
    .positive()
    .default(1e-5)
    .describe("of a transformer of your own that names none"),
};

const evaluateSchema = z.strictObject({
  source: sourceSchema
    .optional()
    .describe("held-out samples, see the tables of sources; nothing is measured without"),
  everySteps: z
    .int()
    .min(0)
    .default(0)
    .describe("steps from one evaluation to the next; 0: only at the end"),
  batchSize: z.int().min(1).default(64).describe("samples per forward pass"),
});

const name = nameSchema.describe("names the run and its folder");
const data = "samples, and what is done to them: the keys of `data` above that apply";
const train = "steps, optimizer, checkpoints: the keys of `train` above that apply";
const evaluate = evaluateSchema.prefault({}).describe("what is measured, and when");

const labelsSchema = z.strictObject({
  answer: z
    .string()
    .default("label")
    .describe("where a sample keeps its class: its label, or a key of its JSON"),
  separator: z
    .string()
    .min(1)
    .optional()
    .describe("splits an answer into several classes, each learned as a yes or no of its own"),
  classes: z
    .union([z.string(), z.array(classSchema).min(2)])
    .optional()
    .describe("the classes in order, or a file of them; absent: all that the data hold, sorted"),
  smoothing: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("share of the target spread evenly over all classes; not with a separator"),
});

const classificationSchema = z
  .strictObject({
    kind: z.literal("classification"),
    name,
    image: imageTowerSchema.describe("the tower, by its published name or of your own sizes"),
    ...towerShape,
    data: dataSchema.omit({ tokenizer: true, captions: true }).describe(data),
    labels: labelsSchema.prefault({}).describe("the classes of the samples"),
    train: trainSchema.omit({ trimCaptions: true, microBatchSize: true }).describe(train),
    evaluate,
  })
  .describe("an image tower learns to name classes");

const nextTokenSchema = z
  .strictObject({
    kind: z.literal("nextToken"),
    name,
    text: textTowerSchema.describe("a `transformer` of causal attention"),
    ...towerShape,
    data: dataSchema
      .omit({ transform: true, augmentation: true, cache: true, maxPixels: true })
      .extend({ tokenizer: tokenizerSchema.describe("see [data.md](data.md)") })
      .describe(data),
    train: trainSchema.omit({ microBatchSize: true }).describe(train),
    evaluate,
  })
  .describe("a causal text tower learns to predict the next token of captions");

export const pretrainSchema = z.discriminatedUnion("kind", [classificationSchema, nextTokenSchema]);

/** What a recipe file of `limn pretrain` writes; absent keys take their defaults. */
export type PretrainRecipe = z.input<typeof pretrainSchema>;
export type ResolvedPretrainRecipe = z.output<typeof pretrainSchema>;
export type ClassificationRecipe = z.output<typeof classificationSchema>;
export type NextTokenRecipe = z.output<typeof nextTokenSchema>;

/**
 * Fills in defaults and checks every key of a recipe of `limn pretrain`.
 *
 * throws  RecipeError naming the first key that is unknown, missing or out of range
 */
export function resolvePretraining(
  recipe: unknown,
  options: ResolveOptions = {},
): ResolvedPretrainRecipe {
  const resolved = resolveWith(pretrainSchema, recipe, options);
  checkSteps(resolved.train);
  // Of the loss the smallest would be the best, which is kept of ranks alone.
  const metrics = resolved.evaluate.source === undefined ? [] : ["val/accuracy"];
  checkKeepBest(resolved.train.checkpoint.keepBest, metrics, "evaluate.source");
  return freeze(resolved);
}

/** Types a recipe of `limn pretrain`: the compiler refuses unknown keys and wrong values. */
export function definePretraining(recipe: PretrainRecipe): PretrainRecipe {
  return recipe;
}
