/** What `limn suite run` measures, and how: the suite, which of its sets, statistics and the cache. */
import path from "node:path";

import type { BootstrapOptions } from "../../arrays/bootstrap.ts";
import { UsageError } from "../../errors.ts";
import type { SuiteDefinition } from "../../evaluate/suites/suite.ts";
import { defaultCacheRoot } from "../../inference/features/identity.ts";
import type { OptionSpecs, OptionValues } from "../command.ts";
import { namedSuite, onlyOption } from "./named-suite.ts";
import { templateOption } from "./template-argument.ts";

/** All but those of the model and the pictures. */
export const suiteRunOptions = {
  suite: { type: "string", value: "<suite>", help: "a name, see limn suite list; or a JSON file" },
  ...onlyOption,
  out: {
    type: "string",
    value: "<folder>",
    help: "write results.json, results.csv and report.html",
  },
  ...templateOption,
  languages: {
    type: "string",
    value: "<folder>",
    help: "class names and templates of other languages, as CLIP_benchmark has them",
  },
  "calibrate-on": {
    type: "string",
    value: "<split>",
    help: "fit temperatures on this split; default each half of a set for the other half",
  },
  cache: {
    type: "string",
    value: "<folder>",
    help: "where embeddings are kept; default the user's cache",
  },
  "no-cache": { type: "boolean", help: "keep no embeddings" },
  resamples: { type: "integer", least: 0, value: "<n>", help: "of the bootstrap; default 1000" },
  level: {
    type: "number",
    least: 0.5,
    most: 0.999,
    value: "<share>",
    help: "coverage of intervals; default 0.95",
  },
  seed: { type: "integer", value: "<n>", help: "of the resamples; default 0" },
  "batch-size": { type: "integer", least: 1, value: "<n>", help: "pictures at once; default 64" },
} as const satisfies OptionSpecs;

type Options = OptionValues<typeof suiteRunOptions>;

/**
 * The suite with the sets that `--only` names; its averages stay those of all sets.
 *
 * throws  DataError for an unknown suite or a file that is none; UsageError for none, and for a set that it
 *         has not
 */
export async function chosenSuite({
  suite: name,
  only,
}: Pick<Options, "suite" | "only">): Promise<SuiteDefinition> {
  if (name === undefined) {
    throw new UsageError("Expected --suite <suite> but received nothing; see: limn suite list");
  }
  return namedSuite(name, only);
}

export function bootstrapOf({ resamples, level, seed }: Options): BootstrapOptions {
  return {
    ...(resamples !== undefined && { resamples }),
    ...(level !== undefined && { level }),
    ...(seed !== undefined && { seed }),
  };
}

/** The folder of the features' cache; null for none. throws  UsageError for both flags */
export function cacheOf({ cache, "no-cache": none = false }: Options): string | null {
  if (cache !== undefined && none) {
    throw new UsageError("Expected --cache or --no-cache but received both; leave one out.");
  }
  return none ? null : path.resolve(cache ?? defaultCacheRoot("features"));
}
