/** What `limn eval` measures, from a file of suites or from flags. */
import { RecipeError, UsageError } from "../errors.ts";
import type { Suite } from "../evaluate/run-suite.ts";
import { resolveSuites } from "../train/resolve-recipe.ts";
import { loadFile } from "./load-file.ts";
import { parseSource } from "./source-argument.ts";

/**
 * The suites of a recipe, or of a JSON array.
 *
 * throws   RecipeError for suites that cannot be, or none
 */
export async function readSuites(file: string): Promise<Suite[]> {
  const value = await loadFile(file);
  const list = Array.isArray(value)
    ? (value as unknown)
    : (value as { evaluate?: { suites?: unknown } } | null)?.evaluate?.suites;
  const suites = resolveSuites(list);
  if (suites.length > 0) return suites;
  throw new RecipeError("evaluate.suites", `Expected suites in ${file} but received none; add one`);
}

interface TaskFlags {
  classes?: string;
  answer?: string;
  templates?: "bare" | "photo" | "simple";
}

/** One suite from a source and flags: retrieval, and zero-shot where there are classes. */
export function suiteOf(
  source: string | undefined,
  flags: TaskFlags & Parameters<typeof parseSource>[1],
): Suite {
  if (source === undefined) {
    throw new UsageError("Expected a source or --suites after the model but received neither.");
  }
  const { classes, answer = "label", templates = "photo" } = flags;
  const zeroShot = classes
    ? [{ kind: "zeroShot" as const, name: "zeroShot", classes, answer, templates }]
    : [];
  const { classes: _c, answer: _a, templates: _t, ...rest } = flags;
  return {
    name: "val",
    title: source,
    source: parseSource(source, rest),
    tasks: [...zeroShot, { kind: "retrieval", name: "retrieval" }],
  };
}
