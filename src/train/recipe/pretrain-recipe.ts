/** Recipes of `limn pretrain`: one tower, trained so that it can be locked or fine-tuned in a pair. */
import { z } from "zod";

import { checkSteps } from "./check-recipe.ts";
import { imageTowerSchema, textTowerSchema } from "./recipe-model.ts";
import { dataSchema, nameSchema, sourceSchema, tokenizerSchema, trainSchema } from "./recipe.ts";
import { freeze, resolveWith, type ResolveOptions } from "./resolve-recipe.ts";

const towerShape = {
  /** Of a transformer that is written out without an activation of its own. */
  activation: z.enum(["quickGelu", "gelu", "geluTanh"]).default("gelu"),
  normEpsilon: z.number().positive().default(1e-5),
};

const evaluateSchema = z.strictObject({
  /** Held-out samples; nothing is measured when absent. */
  source: sourceSchema.optional(),
  /** 0: only at the end. */
  everySteps: z.int().min(0).default(0),
  batchSize: z.int().min(1).default(64),
});

/** Supervised image classification. */
const classificationSchema = z.strictObject({
  kind: z.literal("classification"),
  name: nameSchema,
  image: imageTowerSchema,
  ...towerShape,
  data: dataSchema.omit({ tokenizer: true, captions: true }),
  labels: z
    .strictObject({
      /** Where a sample keeps its class: its label, or a key of its JSON. */
      answer: z.string().default("label"),
      /** Splits an answer into several classes, each learned as a yes or no of its own. */
      separator: z.string().min(1).optional(),
      /** The classes in order; all that the training data hold, sorted, when absent. */
      classes: z.array(z.string()).min(2).optional(),
      /** Share of the target spread evenly over all classes; not with a separator. */
      smoothing: z.number().min(0).lt(1).default(0),
    })
    .prefault({}),
  train: trainSchema.omit({ trimCaptions: true, microBatchSize: true }),
  evaluate: evaluateSchema.prefault({}),
});

/** Next-token prediction of a causal text tower on captions. */
const nextTokenSchema = z.strictObject({
  kind: z.literal("nextToken"),
  name: nameSchema,
  text: textTowerSchema,
  ...towerShape,
  data: dataSchema
    .omit({ transform: true, augmentation: true, cache: true })
    .extend({ tokenizer: tokenizerSchema }),
  train: trainSchema.omit({ microBatchSize: true }),
  evaluate: evaluateSchema.prefault({}),
});

const pretrainSchema = z.discriminatedUnion("kind", [classificationSchema, nextTokenSchema]);

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
  return freeze(resolved);
}

/** Types a recipe of `limn pretrain`: the compiler checks its keys and values. */
export function definePretraining<const R extends PretrainRecipe>(recipe: R): R {
  return recipe;
}
