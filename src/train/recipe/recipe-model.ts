/** The part of a recipe that says what is trained: towers, where their weights come from, the logits. */
import { z } from "zod";

import { activationNames } from "../../nn/activation.ts";
import { projectionRoles } from "../../towers/adapt-tower.ts";
import { imageTowerKinds, textTowerKinds } from "../../towers/index.ts";

const positiveInteger = z.int().min(1);
const probability = z.number().min(0).lt(1);

/** A published size with some of its values changed. */
const sizedImageSchema = z.strictObject({
  kind: z.literal("sized"),
  size: z.string(),
  imageSize: positiveInteger.optional(),
  patchDropout: probability.optional(),
  stochasticDepth: probability.optional(),
});

/** A tower without a kind is the common one, or a published size that is named. */
function withKind(kind: string): (value: unknown) => unknown {
  return (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) && !("kind" in value)
      ? { kind: "size" in value ? "sized" : kind, ...value }
      : value;
}

const imageSchemas = schemasOf(imageTowerKinds);
const textSchemas = schemasOf(textTowerKinds);
const imageTowers = z.discriminatedUnion("kind", [...imageSchemas, sizedImageSchema]);
const textTowers = z.discriminatedUnion("kind", textSchemas);

/** A published size by name, or a size of your own; of the first kind when it names none. */
export const imageTowerSchema: z.ZodUnion<
  readonly [z.ZodString, z.ZodPreprocess<typeof imageTowers>]
> = z.union([z.string(), z.preprocess(withKind(imageSchemas[0].shape.kind.value), imageTowers)]);

/** A published size by name, or a size of your own; of the first kind when it names none. */
export const textTowerSchema: z.ZodUnion<
  readonly [z.ZodString, z.ZodPreprocess<typeof textTowers>]
> = z.union([z.string(), z.preprocess(withKind(textSchemas[0].shape.kind.value), textTowers)]);

type Schemas<Kinds extends readonly { schema: z.ZodType }[]> = {
  -readonly [I in keyof Kinds]: Kinds[I]["schema"];
};

function schemasOf<const Kinds extends readonly { schema: z.ZodType }[]>(
  kinds: Kinds,
): Schemas<Kinds> {
  return kinds.map(({ schema }) => schema) as Schemas<Kinds>;
}

/** Any image tower with any text tower; vocabulary and special tokens come from the tokenizer. */
const pairSchema = z.strictObject({
  embedDim: positiveInteger,
  image: imageTowerSchema,
  text: textTowerSchema,
  /** False: no head, the tower's features are its embeddings. */
  imageProjection: z.boolean().default(true),
  textProjection: z.boolean().default(true),
  /** Of the transformers above that name none. */
  activation: z.enum(activationNames).default("gelu"),
  normEpsilon: z.number().positive().default(1e-5),
});

/** What a run changes of the model that its folder of weights describes. */
export const modelChangesSchema = z.strictObject({
  /** Side in pixels; the table of positions is resized. */
  imageSize: positiveInteger.optional(),
  /** Tokens of a text; the table of positions is resized. */
  contextLength: positiveInteger.optional(),
  patchDropout: probability.optional(),
  stochasticDepth: probability.optional(),
});

export const modelSchema: z.ZodUnion<readonly [z.ZodString, typeof pairSchema]> = z.union([
  z.string(),
  pairSchema,
]);

const embeddingCacheSchema = z.strictObject({
  /** Of the stored features. */
  precision: z.enum(["float32", "float16"]).default("float16"),
  /** Augmented versions of each picture that are stored; 1 without augmentation. */
  views: positiveInteger.default(1),
  /** Where caches lie; shared by all runs of a user when absent. */
  folder: z.string().optional(),
});

/** LoRA (arXiv:2106.09685): the tower keeps its weights, low-rank changes beside them are trained. */
const loraSchema = z.strictObject({
  rank: positiveInteger,
  /** The change is scaled by alpha / rank. */
  alpha: z.number().positive(),
  /** Of the changes' inputs. */
  dropout: probability.default(0),
  /** The projections that are changed. */
  targets: z.array(z.enum(projectionRoles)).min(1).default(["query", "value"]),
  /** The blocks whose projections are, counted from the output. */
  blocks: z.union([z.literal("all"), z.strictObject({ last: positiveInteger })]).default("all"),
  /** What of the tower's own weights is trained as well. */
  train: z.array(z.enum(["head", "norms"])).default([]),
});

const towerSchema = z.strictObject({
  /** A model or tower folder that the weights come from; random weights when absent. */
  pretrained: z.string().optional(),
  /** The head's first weights; `pretrained` also locks it with the tower. */
  head: z.enum(["random", "pretrained"]).default("random"),
  /** The tower keeps its weights: it runs without gradient, as in evaluation. */
  locked: z.boolean().optional(),
  /** Steps after which a locked tower is trained after all. */
  unlockAtStep: positiveInteger.optional(),
  /** Multiplies the learning rate. */
  learningRateFactor: z.number().positive().default(1),
  /** Multiplies the learning rate again by this for each block further from the output. */
  layerDecay: z.number().positive().max(1).optional(),
  /** Trains low-rank changes in place of the tower's weights. */
  lora: loraSchema.optional(),
  weightDecay: z.number().min(0).optional(),
  /** Computes the features of a locked tower once and keeps them on disk. */
  cache: embeddingCacheSchema.optional(),
});

/** LiT's settings (arXiv:2111.07991): image tower first, then text tower. */
export const towersSchema = z.strictObject({
  /** L pretrained and locked, U pretrained and trained, u random and trained: `Lu` is LiT. */
  setting: z
    .string()
    .regex(/^[LUu]{2}$/, "two of the letters L, U and u, such as Lu")
    .optional(),
  image: towerSchema.prefault({}),
  text: towerSchema.prefault({}),
});

const scaleSchema = z.strictObject({
  /** The first multiplier of similarities; the pretrained pair's or the objective's when absent. */
  init: z.number().positive().optional(),
  /** The largest; null: no limit. The objective's own when absent. */
  max: z.number().min(1).nullable().optional(),
  learned: z.boolean().default(true),
  /** What is learned: the scale's logarithm, or 1 / scale. The objective's own when absent. */
  as: z.enum(["log", "temperature"]).optional(),
  /** A rate of its own, constant from the first step on; that of the run when absent. */
  learningRate: z.number().positive().optional(),
  /** Divides `learningRate` by 3 once 1 / scale has fallen to this. */
  slowBelowTemperature: z.number().positive().optional(),
});

export const logitsSchema = z.strictObject({
  scale: scaleSchema.prefault({}),
  /** The first value of a learned bias; null: none. As `scale.init` when absent. */
  bias: z.number().nullable().optional(),
});

export type PairRecipe = z.output<typeof pairSchema>;
export type TowersRecipe = z.output<typeof towersSchema>;
export type TowerRecipe = z.output<typeof towerSchema>;
export type LoraRecipe = z.output<typeof loraSchema>;
export type ModelChangesRecipe = z.output<typeof modelChangesSchema>;
export type LogitsRecipe = z.output<typeof logitsSchema>;
