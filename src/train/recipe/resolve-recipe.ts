/** From what a recipe file says, plus overrides, to the resolved recipe that is saved and run. */
import { z } from "zod";

import { RecipeError } from "../../errors.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { checkSuites, checkTogether } from "./check-recipe.ts";
import { describe, explain } from "./explain-issue.ts";
import { recipeSchema, suiteSchema, type ResolvedRecipe, type SuiteRecipe } from "./recipe.ts";
import { assign } from "./set-value.ts";

export interface ResolveOptions {
  /** Assignments such as `train.batchSize=256`, applied in order; `null` unsets a key. */
  set?: readonly string[];
  /** Two steps of eight pairs, without caches: shows that a recipe runs. */
  smoke?: boolean;
}

/**
 * Fills in defaults and checks every key, then those that depend on each other.
 *
 * throws  RecipeError naming the first key that is unknown, missing, out of range or in contradiction
 */
export function resolveRecipe(recipe: unknown, options: ResolveOptions = {}): ResolvedRecipe {
  const resolved = resolveWith(recipeSchema, recipe, options);
  checkTogether(resolved);
  return freeze(resolved);
}

/**
 * A recipe with `set` and `smoke` applied, checked key by key and completed by a schema.
 *
 * throws  RecipeError naming the first key that is unknown, missing or out of range
 */
export function resolveWith<S extends z.ZodType>(
  schema: S,
  recipe: unknown,
  { set = [], smoke = false }: ResolveOptions,
): z.output<S> {
  const draft = copy(recipe);
  if (!isJsonObject(draft)) {
    throw new RecipeError("", `Expected an object for the recipe but received ${describe(draft)}`);
  }
  if (smoke) applySmoke(draft);
  for (const assignment of set) assign(draft, assignment, schema);
  const parsed = schema.safeParse(draft);
  if (!parsed.success) throw explain(parsed.error, draft, schema);
  return parsed.data;
}

/** Checks a list of suites as `evaluate.suites` of a recipe is; RecipeError names what is wrong. */
export function resolveSuites(suites: unknown): SuiteRecipe[] {
  const parsed = z.array(suiteSchema).safeParse(suites);
  if (!parsed.success) throw explain(parsed.error, suites, recipeSchema);
  checkSuites(parsed.data, "suites");
  return parsed.data;
}

function copy(recipe: unknown): unknown {
  try {
    return structuredClone(recipe);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RecipeError(
      "",
      `Expected plain data for the recipe but received something else (${reason}); ` +
        "export an object without functions",
      { cause },
    );
  }
}

function applySmoke(draft: Record<string, unknown>): void {
  const train = (draft["train"] ??= {});
  if (!isJsonObject(train)) return;
  Object.assign(train, { batchSize: 8, steps: 2, logEverySteps: 1 });
  delete train["microBatchSize"];
  delete train["minutes"];
  train["schedule"] = { kind: "constant" };
  train["checkpoint"] = {};
  dropCaches(draft);
}

/** Caches hold the whole data set, of which a smoke run reads two batches. */
function dropCaches({ data, towers }: Record<string, unknown>): void {
  if (isJsonObject(data)) delete data["cache"];
  if (!isJsonObject(towers)) return;
  for (const tower of Object.values(towers)) if (isJsonObject(tower)) delete tower["cache"];
}

export function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const child of Object.values(value)) freeze(child);
    Object.freeze(value);
  }
  return value;
}
