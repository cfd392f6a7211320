/** What every objective that compares the pairs of a batch asks of the recipe. */
import { RecipeError } from "../../errors.ts";
import type { ObjectiveContext } from "./objective.ts";

/** throws  RecipeError for a batch of one pair: there is nothing to tell it apart from */
export function checkBatch(kind: string, { batchSize }: Pick<ObjectiveContext, "batchSize">): void {
  if (batchSize >= 2) return;
  throw new RecipeError(
    "train.batchSize",
    `Expected at least 2 pairs for train.batchSize with objective ${kind} but received ${batchSize}; ` +
      "a pair has nothing to be told apart from but the others of its batch",
  );
}
