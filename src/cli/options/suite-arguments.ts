/** What `limn eval` measures, from a file of suites or from flags. */
import { RecipeError, UsageError } from "../../errors.ts";
import type { Suite } from "../../evaluate/run-suite.ts";
import { resolveSuites } from "../../train/recipe/resolve-recipe.ts";
import { loadFile } from "./load-file.ts";
import { parseSource, sourceOptions } from "./source-argument.ts";
import { templatesOf } from "./template-argument.ts";

interface TaskFlags {
  classes?: string;
  answer?: string;
  templates?: string;
  retrieval?: boolean;
}

type SourceFlags = Parameters<typeof parseSource>[1];

/**
 * What to measure: the suites of a file, or one suite of a source.
 *
 * throws   UsageError for both, for neither, and for flags that then mean nothing
 */
export async function suitesOf(
  source: string | undefined,
  { suites, ...flags }: TaskFlags & SourceFlags & { suites?: string },
): Promise<Suite[]> {
  if (suites === undefined) return [suiteOf(source, flags)];
  const known = ["classes", "answer", "templates", "retrieval", ...Object.keys(sourceOptions)];
  const left = known.find((name) => Object.hasOwn(flags, name));
  if (source === undefined && left === undefined) return readSuites(suites);
  throw new UsageError(
    `Expected --suites alone but received ${left === undefined ? `the source ${source}` : `--${left}`} ` +
      "as well; the file says what is measured, and where.",
  );
}

/**
 * The suites of a recipe, or of a JSON array.
 *
 * throws   RecipeError for suites that cannot be, or none
 */
async function readSuites(file: string): Promise<Suite[]> {
  const value = await loadFile(file);
  const list = Array.isArray(value)
    ? (value as unknown)
    : (value as { evaluate?: { suites?: unknown } } | null)?.evaluate?.suites;
  const suites = resolveSuites(list);
  if (suites.length > 0) return suites;
  throw new RecipeError("evaluate.suites", `Expected suites in ${file} but received none; add one`);
}

/** One suite from a source and flags: zero-shot where there are classes, else retrieval. */
export function suiteOf(source: string | undefined, flags: TaskFlags & SourceFlags): Suite {
  if (source === undefined) {
    throw new UsageError("Expected a source or --suites after the model but received neither.");
  }
  const { classes, answer, templates, retrieval, ...rest } = flags;
  const left = Object.entries({ answer, templates, retrieval }).find(([, flag]) => flag);
  if (classes === undefined && left !== undefined) {
    throw new UsageError(`--${left[0]} means nothing without --classes; name the classes' file.`);
  }
  const zeroShot =
    classes === undefined
      ? []
      : [
          {
            kind: "zeroShot" as const,
            name: "zeroShot",
            classes,
            answer: answer ?? "label",
            templates: templatesOf(templates ?? "photo"),
          },
        ];
  const both = classes === undefined || retrieval === true;
  return {
    name: "val",
    title: source,
    source: parseSource(source, rest),
    tasks: [...zeroShot, ...(both ? [{ kind: "retrieval" as const, name: "retrieval" }] : [])],
  };
}
