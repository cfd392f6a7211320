/** The optimizers that a recipe may name. A new one is a file of its own and a line in the list. */
import { z } from "zod";

import { adamw } from "./adamw.ts";
import type { ParameterGroup } from "./groups.ts";
import { lamb } from "./lamb.ts";
import { lion } from "./lion.ts";
import type { OptimizerKind } from "./optimizer-kind.ts";
import type { Optimizer } from "./optimizer.ts";

export const optimizerKinds = [adamw, lamb, lion] as const;

type Schemas<List extends readonly { schema: unknown }[]> = {
  [Index in keyof List]: List[Index]["schema"];
};

/** `kind` is `adamw` when absent. */
export const optimizerSchema = z.discriminatedUnion(
  "kind",
  // `map` forgets which schema stands where.
  optimizerKinds.map(({ schema }) => schema) as unknown as Schemas<typeof optimizerKinds>,
);

const byKind = new Map<string, OptimizerKind>(optimizerKinds.map((one) => [one.kind, one]));

/** Parameters are borrowed; the moments are the optimizer's. */
export function createOptimizer(
  recipe: z.output<typeof optimizerSchema>,
  groups: readonly ParameterGroup[],
): Optimizer {
  const found = byKind.get(recipe.kind);
  if (!found) throw new Error(`internal: optimizer ${recipe.kind} is not in the list`);
  return found.create(recipe, groups);
}
