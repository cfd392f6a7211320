/** The part of a recipe that says what is trained: towers, where their weights come from, the logits. */
import { z } from "zod";

import { namedModelSchema } from "../../checkpoints/named-model.ts";
import { activationNames } from "../../nn/activation.ts";
import { projectionRoles } from "../../towers/adapt-tower.ts";
import { imageTowerKinds, textTowerKinds } from "../../towers/index.ts";

const positiveInteger = z.int().min(1);
const probability = z.number().min(0).lt(1);

const imageSize = positiveInteger.optional().describe("side in pixels; positions are resized");
const patchDropout = probability
  .optional()
  .describe("share of the patches that is dropped in training (FLIP)");
const stochasticDepth = probability
  .optional()
  .describe("probability that a sample skips a branch of the last block; it rises linearly from 0");

const sizedImageSchema = z
  .strictObject({
    kind: z.literal("sized"),
    size: z.string().describe("name of a published image tower"),
    imageSize: positiveInteger.optional().describe("side of the square input in pixels"),
    patchDropout,
    stochasticDepth,
  })
  .describe("a published size with some of its values changed; the kind need not be written");

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

/** A member of a union whose kind may be left out. */
type KindLess<T extends { kind: string }> = Omit<T, "kind"> & { kind?: T["kind"] | undefined };
type WrittenImage =
  | z.input<typeof imageTowers>
  | KindLess<z.input<(typeof imageSchemas)[0]>>
  | KindLess<z.input<typeof sizedImageSchema>>;
type WrittenText = z.input<typeof textTowers> | KindLess<z.input<(typeof textSchemas)[0]>>;

/** A published size by name, or a size of your own; of the first kind when it names none. */
export const imageTowerSchema: z.ZodUnion<
  readonly [z.ZodString, z.ZodPreprocess<typeof imageTowers, WrittenImage>]
> = z.union([
  z.string(),
  z.preprocess<unknown, typeof imageTowers, WrittenImage>(
    withKind(imageSchemas[0].shape.kind.value),
    imageTowers,
  ),
]);

/** A published size by name, or a size of your own; of the first kind when it names none. */
export const textTowerSchema: z.ZodUnion<
  readonly [z.ZodString, z.ZodPreprocess<typeof textTowers, WrittenText>]
> = z.union([
  z.string(),
  z.preprocess<unknown, typeof textTowers, WrittenText>(
    withKind(textSchemas[0].shape.kind.value),
    textTowers,
  ),
]);

type Schemas<Kinds extends readonly { schema: z.ZodType }[]> = {
  -readonly [I in keyof Kinds]: Kinds[I]["schema"];
};

function schemasOf<const Kinds extends readonly { schema: z.ZodType }[]>(
  kinds: Kinds,
): Schemas<Kinds> {
  return kinds.map(({ schema }) => schema) as Schemas<Kinds>;
}

const pairSchema = z.strictObject({
  embedDim: positiveInteger.describe("width of the shared space"),
  image: imageTowerSchema.describe("an image tower: a published size by name, or one of your own"),
  text: textTowerSchema.describe("a text tower: a published size by name, or one of your own"),
  imageProjection: z
    .boolean()
    .default(true)
    .describe("false: the image tower has no head, its features are the embeddings"),
  textProjection: z
    .boolean()
    .default(true)
    .describe("false: the text tower has no head, its features are the embeddings"),
  activation: z
    .enum(activationNames)
    .default("gelu")
    .describe("of the transformers above that name none"),
  normEpsilon: z
    .number()
    .positive()
    .default(1e-5)
    .describe("of the transformers above that name none"),
});

export const modelChangesSchema = z.strictObject({
  imageSize,
  contextLength: positiveInteger
    .optional()
    .describe("tokens of a text; the table of positions is resized"),
  patchDropout,
  stochasticDepth,
});

export const modelSchema: z.ZodUnion<readonly [z.ZodString, typeof pairSchema]> = z.union([
  z.string(),
  pairSchema,
]);

const embeddingCacheSchema = z.strictObject({
  precision: z
    .enum(["float32", "float16"])
    .default("float16")
    .describe("type of the stored features"),
  views: positiveInteger
    .default(1)
    .describe("augmented versions of each picture that are stored; 1 without augmentation"),
  folder: z
    .string()
    .optional()
    .describe("where the caches lie; a folder that all runs of a user share when absent"),
});

/** LoRA (arXiv:2106.09685): the tower keeps its weights, low-rank changes beside them are trained. */
const loraSchema = z.strictObject({
  rank: positiveInteger.describe("rank of each change"),
  alpha: z.number().positive().describe("the change is scaled by alpha / rank"),
  dropout: probability.default(0).describe("of the changes' inputs"),
  targets: z
    .array(z.enum(projectionRoles))
    .min(1)
    .default(["query", "value"])
    .describe("the projections that are changed"),
  blocks: z
    .union([
      z.literal("all"),
      z.strictObject({ last: positiveInteger.describe("number of blocks nearest to the output") }),
    ])
    .default("all")
    .describe("the blocks whose projections are changed"),
  train: z
    .array(z.enum(["head", "norms"]))
    .default([])
    .describe("what of the tower's own weights is trained as well"),
});

const towerSchema = z.strictObject({
  pretrained: namedModelSchema
    .optional()
    .describe(
      "the model or tower that the weights come from, as the pair's `pretrained`; random weights when absent",
    ),
  head: z
    .enum(["random", "pretrained"])
    .default("random")
    .describe("the head's first weights; `pretrained` also locks it with the tower"),
  locked: z
    .boolean()
    .optional()
    .describe("the tower keeps its weights: it runs without gradient, as in evaluation"),
  unlockAtStep: positiveInteger
    .optional()
    .describe("steps after which a locked tower is trained after all"),
  learningRateFactor: z.number().positive().default(1).describe("multiplies the learning rate"),
  layerDecay: z
    .number()
    .positive()
    .max(1)
    .optional()
    .describe("multiplies the rate once more for each block further from the output"),
  lora: loraSchema
    .optional()
    .describe("trains low-rank changes (LoRA) in place of the tower's weights"),
  weightDecay: z.number().min(0).optional().describe("of this tower; the optimizer's when absent"),
  cache: embeddingCacheSchema
    .optional()
    .describe("computes the features of a locked tower once and keeps them on disk"),
});

export const towersSchema = z.strictObject({
  setting: z
    .string()
    .regex(/^[LUu]{2}$/, "two of the letters L, U and u, such as Lu")
    .optional()
    .describe(
      "LiT's letters for image and text: L pretrained and locked, U pretrained, u random; " +
        "see [lit.md](lit.md)",
    ),
  image: towerSchema.prefault({}).describe("the image tower"),
  text: towerSchema.prefault({}).describe("the text tower; the same keys"),
});

const scaleSchema = z.strictObject({
  init: z
    .number()
    .positive()
    .optional()
    .describe(
      "first multiplier of similarities; the pretrained pair's or the objective's when absent",
    ),
  max: z
    .number()
    .min(1)
    .nullable()
    .optional()
    .describe("the largest; null: no limit; the objective's when absent"),
  learned: z.boolean().default(true).describe("whether the scale is trained"),
  as: z
    .enum(["log", "temperature"])
    .optional()
    .describe("what is learned: the scale's logarithm, or 1 / scale; the objective's when absent"),
  learningRate: z
    .number()
    .positive()
    .optional()
    .describe("a rate of its own, constant from the first step; the run's when absent"),
  slowBelowTemperature: z
    .number()
    .positive()
    .optional()
    .describe("divides `learningRate` by 3 once 1 / scale has fallen to this"),
});

export const logitsSchema = z.strictObject({
  scale: scaleSchema.prefault({}).describe("the multiplier of similarities"),
  bias: z
    .number()
    .nullable()
    .optional()
    .describe("first value of a learned bias; null: none; as `scale.init` when absent"),
});

export type PairRecipe = z.output<typeof pairSchema>;
export type TowersRecipe = z.output<typeof towersSchema>;
export type TowerRecipe = z.output<typeof towerSchema>;
export type LoraRecipe = z.output<typeof loraSchema>;
export type ModelChangesRecipe = z.output<typeof modelChangesSchema>;
export type LogitsRecipe = z.output<typeof logitsSchema>;
