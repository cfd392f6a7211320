/**
 * How JSON, a recipe above all, names a model to start from or to learn from: by its path alone, or by its path
 * with the facts that its files leave open, the same that commands take as options. Opens nothing.
 */
import { z } from "zod";

import {
  parseEvaluationTransform,
  transformOfPreset,
  type EvaluationTransform,
} from "../data/image/evaluation-transform.ts";
import { SettingError } from "../errors.ts";
import { activationNames } from "../nn/activation.ts";
import type { GivenFacts } from "./layout.ts";

const transformSchema = z.custom<EvaluationTransform | string>(
  (value) => typeof value === "string" || (typeof value === "object" && value !== null),
  'how pictures are prepared, an object or a preset such as "clip:224",',
);

const describedSchema = z.strictObject({
  path: z.string().min(1).describe("a model's folder or file, or `hf://organisation/name`"),
  architecture: z
    .string()
    .optional()
    .describe("a published name, `ViT-B-32-quickgelu`, of weights without a configuration"),
  activation: z.enum(activationNames).optional().describe("of weights that do not say it"),
  tokenizer: z.string().optional().describe("the tokenizer's folder or file"),
  evaluationTransform: transformSchema
    .optional()
    .describe("how pictures are prepared: `{ imageSize, ... }`, or a preset at a size, `clip:224`"),
  contextLength: z.int().min(1).optional().describe("tokens per text"),
});

export const namedModelSchema: z.ZodUnion<readonly [z.ZodString, typeof describedSchema]> = z.union(
  [z.string().min(1), describedSchema],
  { error: "a model's path, or an object with a path and what its files leave open," },
);

export type NamedModel = z.output<typeof namedModelSchema>;

/** The path or name as the recipe writes it. */
export function pathOf(model: NamedModel): string {
  return typeof model === "string" ? model : model.path;
}

/**
 * What the recipe says of a model whose files do not.
 *
 * key     where the recipe names the model, `towers.image.pretrained`
 * throws  SettingError for pictures that cannot be prepared so
 */
export function factsOf(model: NamedModel, key: string): GivenFacts {
  if (typeof model === "string") return {};
  const { path: _, evaluationTransform: transform, ...facts } = model;
  const given = Object.entries(facts).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(given) as Omit<GivenFacts, "evaluationTransform">),
    ...(transform === undefined
      ? {}
      : { evaluationTransform: transformAt(transform, `${key}.evaluationTransform`) }),
  };
}

function transformAt(transform: EvaluationTransform | string, key: string): EvaluationTransform {
  if (typeof transform !== "string") return parseEvaluationTransform(transform, key);
  const found = transformOfPreset(transform);
  if (found !== undefined) return found;
  throw new SettingError(
    key,
    `Expected a preset at a size for ${key} but received ${JSON.stringify(transform)}; write for ` +
      'example "clip:224"',
  );
}
