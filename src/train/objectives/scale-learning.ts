/** What the global contrastive family asks of the model's logit scale. */
import { RecipeError } from "../../errors.ts";
import type { ObjectiveContext } from "./objective.ts";

/** throws  RecipeError where the model's scale is learned and should not be, or the reverse */
export function checkScaleLearned(
  kind: string,
  learned: boolean,
  { logitScaleLearned }: Pick<ObjectiveContext, "logitScaleLearned">,
): void {
  if (learned === logitScaleLearned) return;
  throw new RecipeError(
    "logits.scale.learned",
    `Expected ${learned} for logits.scale.learned with objective ${kind} but received ` +
      `${logitScaleLearned}; its temperature ${learned ? "is" : "is not"} the model's to learn`,
  );
}
