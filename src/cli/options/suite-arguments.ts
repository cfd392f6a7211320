/** What `limn eval` measures, from a file of suites or from flags. */
import { basename, dirname, resolve } from "node:path";

import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { RecipeError, UsageError } from "../../errors.ts";
import { benchmarkFolderOf } from "../../evaluate/benchmark-folder.ts";
import type { Suite } from "../../evaluate/run-suite.ts";
import { isBenchmarkSet, openBenchmarkSet } from "../../evaluate/suites/benchmark-set.ts";
import { fetchSet } from "../../evaluate/suites/hub-set.ts";
import { isDatasetReference, parseDatasetReference } from "../../hub/reference.ts";
import { resolveSuites } from "../../train/recipe/resolve-recipe.ts";
import type { OptionSpecs, OptionValues } from "../command.ts";
import { loadFile } from "./load-file.ts";
import { hubFetching } from "./model-options.ts";
import { parseSource, sourceOptions } from "./source-argument.ts";
import { templateOption, templatesOf } from "./template-argument.ts";

/** What is measured on a source. */
export const taskOptions = {
  classes: {
    type: "string",
    value: "<file>",
    help: "the classes, for zero-shot: JSON, or a text file with one in each line",
  },
  answer: {
    type: "string",
    value: "<key>",
    help: "where a sample keeps its class, by name or number; default label",
  },
  "unknown-labels": {
    type: "string",
    choices: ["skip", "fail"],
    help: "leave out pictures whose label is none of the classes; default fail",
  },
  ...templateOption,
  retrieval: { type: "boolean", help: "measure retrieval, with --classes as well" },
} as const satisfies OptionSpecs;

type TaskFlags = OptionValues<typeof taskOptions>;

type SourceFlags = Parameters<typeof parseSource>[1];

/**
 * What to measure: the suites of a file, or one suite of a source, which may lie on the hub.
 *
 * note     takes what is unusual about a source
 * throws   UsageError for both, for neither, and for flags that then mean nothing; HubError for a set of the hub
 *          that cannot be fetched
 */
export async function suitesOf(
  source: string | undefined,
  { suites, offline, ...flags }: TaskFlags & SourceFlags & { suites?: string; offline?: boolean },
  note: (text: string) => void = () => undefined,
): Promise<Suite[]> {
  if (suites === undefined && source !== undefined && isDatasetReference(source)) {
    const { name, subfolder } = parseDatasetReference(source);
    const fetching = hubFetching(offline === undefined ? {} : { offline }, note);
    const place = await fetchSet(source, fetching);
    const suite = suiteOf(place, flags, note);
    return [{ ...suite, name: subfolder === "" ? name : suite.name, title: source }];
  }
  if (suites === undefined) return [suiteOf(source, flags, note)];
  const known = [...Object.keys(taskOptions), ...Object.keys(sourceOptions)];
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

/**
 * One suite from a source and flags: zero-shot where there are classes, which may lie beside the shards, else
 * retrieval. Its name is that of the file or folder.
 */
export function suiteOf(
  source: string | undefined,
  flags: TaskFlags & SourceFlags,
  note: (text: string) => void = () => undefined,
): Suite {
  if (source === undefined) {
    throw new UsageError("Expected a source or --suites after the model but received neither.");
  }
  const { classes: given, answer, templates, retrieval, ...others } = flags;
  const { "unknown-labels": unknownLabels = "fail", ...rest } = others;
  const set = isBenchmarkSet(source) ? openBenchmarkSet(source) : undefined;
  for (const text of set?.notes ?? []) note(text);
  const spec = parseSource(set === undefined ? source : JSON.stringify(set.source), rest);
  const beside = (): string | undefined =>
    set !== undefined && set.classes.length > 0 ? set.folder : classesBeside(spec);
  const classes = given ?? (retrieval ? undefined : beside());
  const ofClasses = { answer, templates, "unknown-labels": flags["unknown-labels"] };
  const useless = Object.entries(ofClasses).find(([, flag]) => flag !== undefined)?.[0];
  if (classes === undefined && useless !== undefined) {
    throw new UsageError(`--${useless} means nothing without --classes; name the classes' file.`);
  }
  const named = { classes: classes ?? "", templates: templatesOf(templates) };
  const oneLabel = {
    ...{ kind: "zeroShot" as const, name: "zeroShot", ...named },
    ...{ answer: answer ?? "label", unknownLabels },
  };
  const severalLabels = {
    ...{ kind: "multilabel" as const, name: "multilabel", ...named },
    answer: answer ?? "npy",
  };
  const byClasses = set?.type === "multilabel" ? severalLabels : oneLabel;
  const both = classes === undefined || retrieval === true;
  return {
    name: set === undefined ? nameOf(spec) : basename(resolve(source)),
    title: source,
    source: spec,
    tasks: [
      ...(classes === undefined ? [] : [byClasses]),
      ...(both ? [{ kind: "retrieval" as const, name: "retrieval" }] : []),
    ],
  };
}

function firstFile(spec: SourceSpec): string {
  if (spec.kind === "table") return spec.file;
  if (spec.kind === "folder") return spec.directory;
  const files = spec.kind === "webdataset" ? spec.shards : spec.files;
  return (typeof files === "string" ? files : files[0]) ?? "";
}

/** Shards in a folder as CLIP_benchmark lays them out are classified by the names beside them. */
function classesBeside(spec: SourceSpec): string | undefined {
  return spec.kind === "webdataset" ? benchmarkFolderOf(firstFile(spec)) : undefined;
}

/**
 * What a source's metrics are called by: its file without endings, of several files without their numbers
 * (`test` of `sets/test-{00..12}.tar`), or the folder of files that have nothing but numbers.
 */
function nameOf(spec: SourceSpec): string {
  if (spec.kind === "folder") return basename(resolve(spec.directory));
  const first = firstFile(spec);
  const [stem = ""] = basename(first).split(/[.{*?[]/);
  const name =
    spec.kind === "table" ? stem : stem.replace(/(^|[-_])\d+(-of-\d+)?$/, "").replace(/[-_]+$/, "");
  return name === "" || isList(spec) ? basename(resolve(dirname(first))) : name;
}

/** As shards of a folder are. */
function isList(spec: SourceSpec): boolean {
  return Array.isArray("shards" in spec ? spec.shards : "files" in spec && spec.files);
}
