/**
 * What an optimizer declares of itself for recipes, and the keys that several have. `optimizers.ts`
 * lists the declarations.
 */
import { z } from "zod";

import type { ParameterGroup } from "./groups.ts";
import type { Optimizer } from "./optimizer.ts";

/** What every optimizer takes beside its own keys. */
interface OptimizerKeys {
  kind: string;
  learningRate: number;
  weightDecay: number;
}

export interface OptimizerKind<Schema extends z.ZodType<OptimizerKeys> = z.ZodType<OptimizerKeys>> {
  readonly kind: z.output<Schema>["kind"];
  /** What a recipe may write; the documentation's table is made from it. */
  readonly schema: Schema;
  /** Parameters are borrowed; the moments are the optimizer's. */
  create(recipe: z.output<Schema>, groups: readonly ParameterGroup[]): Optimizer;
}

/** Types a declaration. */
export function optimizerKind<Schema extends z.ZodType<OptimizerKeys>>(
  kind: OptimizerKind<Schema>,
): OptimizerKind<Schema> {
  return kind;
}

export const learningRate = z
  .number()
  .positive()
  .describe("the full rate, which the schedule changes");
export const epsilon = z.number().positive().default(1e-6).describe("added to the denominator");
export const decay = z.number().min(0).lt(1);
export const weightDecay = (share: number): z.ZodDefault<z.ZodNumber> =>
  z
    .number()
    .min(0)
    .default(share)
    .describe("share of a weight that is taken off per unit of learning rate");
/** What a decay is of. */
export const mean = "decay of the gradients' running mean";
export const squares = "decay of the squared gradients' running mean";
