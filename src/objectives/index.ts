/** The objectives that a recipe may name: one line for each. */
import { z } from "zod";

import type { NamedModel } from "../checkpoints/named-model.ts";
import { alignObjective } from "./align.ts";
import { amorlipObjective } from "./amorlip/training.ts";
import { clipObjective } from "./clip.ts";
import { cyclipObjective } from "./cyclip.ts";
import { distillationObjective } from "./distillation.ts";
import { fastclipObjective } from "./fastclip.ts";
import { isogclrObjective } from "./isogclr.ts";
import { lixpObjective } from "./lixp/training.ts";
import { neuclipObjective } from "./neuclip/training.ts";
import type {
  LogitDefaults,
  ObjectiveContext,
  ObjectiveDeclaration,
  TrainingObjective,
} from "./objective.ts";
import { siglipObjective } from "./siglip.ts";
import { sogclrObjective } from "./sogclr.ts";

export const objectives = [
  clipObjective,
  siglipObjective,
  alignObjective,
  cyclipObjective,
  distillationObjective,
  lixpObjective,
  amorlipObjective,
  sogclrObjective,
  isogclrObjective,
  fastclipObjective,
  neuclipObjective,
] as const;

type Schemas<List extends readonly { schema: unknown }[]> = {
  [Index in keyof List]: List[Index]["schema"];
};

export const objectiveSchema = z.discriminatedUnion(
  "kind",
  // `map` forgets which schema stands where.
  objectives.map(({ schema }) => schema) as unknown as Schemas<typeof objectives>,
);

export type ObjectiveRecipe = z.output<typeof objectiveSchema>;

const byKind = new Map<string, ObjectiveDeclaration>(
  objectives.map((objective) => [objective.schema.shape.kind.value, objective]),
);

function declarationOf({ kind }: ObjectiveRecipe): ObjectiveDeclaration {
  const found = byKind.get(kind);
  if (!found) throw new Error(`internal: objective ${kind} is not in the list`);
  return found;
}

/** throws RecipeError where the options do not fit the run */
export function createObjective(
  recipe: ObjectiveRecipe,
  context: ObjectiveContext,
): TrainingObjective {
  return declarationOf(recipe).create(recipe, context);
}

/** How the objective's logits begin, where neither the recipe nor a pretrained pair says. */
export function logitDefaults(recipe: ObjectiveRecipe): LogitDefaults {
  return declarationOf(recipe).logits(recipe);
}

/** The pair that teaches, as the recipe names it; undefined where the objective has no teacher. */
export function teacherOf(recipe: ObjectiveRecipe): NamedModel | undefined {
  return declarationOf(recipe).teacher?.(recipe);
}
