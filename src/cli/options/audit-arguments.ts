/** What `limn audit` is asked, from flags. */
import path from "node:path";

import type { SourceSpec } from "../../data/sources/source-spec.ts";
import { UsageError } from "../../errors.ts";
import type { AuditQuestions } from "../../evaluate/audit/audit-plan.ts";
import { hasObjectives } from "../../evaluate/audit/fairface.ts";
import { benchmarkFolderOf } from "../../evaluate/benchmark-folder.ts";
import { isBenchmarkSet, openBenchmarkSet } from "../../evaluate/suites/benchmark-set.ts";
import { fetchSet } from "../../evaluate/suites/hub-set.ts";
import { suites } from "../../evaluate/suites/index.ts";
import { isDatasetReference, parseDatasetReference } from "../../hub/reference.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { readingReason, readJsonFile, readTextFile } from "../../files/regular-file.ts";
import type { OptionSpecs, OptionValues } from "../command.ts";
import { hubFetching } from "./model-options.ts";
import { parseSource, type sourceOptions } from "./source-argument.ts";
import { templateOption, templatesOf } from "./template-argument.ts";

export const auditOptions = {
  groups: {
    type: "string",
    multiple: true,
    value: "<key,key>",
    help: "a key of the samples' metadata, several to cross them",
  },
  classes: {
    type: "string",
    value: "<file>",
    help: "the classes, for accuracy: JSON, lines, or a folder of CLIP_benchmark; default those beside the shards",
  },
  answer: {
    type: "string",
    value: "<key>",
    help: "where a sample keeps its class; default label",
  },
  "unknown-labels": {
    type: "string",
    choices: ["skip", "fail"],
    help: "leave out pictures of no class; default fail",
  },
  ...templateOption,
  protocol: {
    type: "string",
    choices: ["fairface"],
    value: "<name>",
    help: "what faces are taken for, by DataComp's prompts; needs age, gender and race of each",
  },
  positive: {
    type: "string",
    value: "<class>",
    help: "compare rates of this class; of two classes the second",
  },
  income: { type: "string", value: "<key>", help: "an amount of money, for the slope of accuracy" },
  cluster: {
    type: "string",
    value: "<key>",
    help: "what samples share, such as a household: drawn as a whole for intervals",
  },
  least: {
    type: "integer",
    least: 1,
    value: "<n>",
    help: "suppress groups of fewer samples; default 30",
  },
  unknown: {
    type: "string",
    choices: ["skip", "fail"],
    help: "samples without a key: left out and counted (default), or an error",
  },
  names: {
    type: "string",
    value: "<file>",
    help: 'words for values, JSON: {"gender": ["man", "woman"]} or {"gender": {"0": "man"}}',
  },
  queries: {
    type: "string",
    value: "<file>",
    help: "neutral queries, one in each line; default Berg et al.'s about people",
  },
  without: {
    type: "string",
    multiple: true,
    choices: ["queries", "associations", "projections"],
    help: "leave a part out",
    value: "<part>",
  },
  "npy-columns": {
    type: "string",
    value: "<key,key>",
    help: "names of the numbers in a shard's .npy; known of faces and of published sets",
  },
  resamples: {
    type: "integer",
    least: 0,
    value: "<n>",
    help: "bootstrap resamples; default 1000",
  },
} as const satisfies OptionSpecs;

type AuditFlags = OptionValues<typeof auditOptions>;

/** What DataComp's sets of faces have in `key.npy` (FairFaceEvaluator of its fairness_eval.py). */
const faceColumns = ["age", "gender", "race", "race_binary"];

export interface AskedAudit extends AuditQuestions {
  readonly source: SourceSpec;
  readonly title: string;
}

/**
 * The source, which may lie on the hub, and the questions of the flags.
 *
 * note    takes what is unusual about the set
 * throws  UsageError for files that cannot be read and flags that say nothing; DataError as openBenchmarkSet;
 *         HubError for a set of the hub that cannot be fetched
 */
export async function auditOf(
  operand: string,
  flags: AuditFlags & OptionValues<typeof sourceOptions> & { offline?: boolean },
  note: (text: string) => void,
): Promise<AskedAudit> {
  const { groups, classes, answer, templates, protocol, positive, income, cluster } = flags;
  const { least, unknown, names, queries, without = [], resamples } = flags;
  const { "unknown-labels": unknownLabels, "npy-columns": columns } = flags;
  // Wrong files are told before anything is fetched.
  const asked = {
    templates: templatesOf(templates),
    valueNames: names === undefined ? undefined : readNames(names),
    queries: queriesOf(queries, without),
  };
  const given = columns === undefined ? undefined : keysOf(columns, "--npy-columns");
  const isOfHub = isDatasetReference(operand);
  const place = isOfHub
    ? await fetchSet(operand, hubFetching({ offline: flags.offline ?? false }, note))
    : operand;
  const name = isOfHub ? parseDatasetReference(operand).name : undefined;
  const { source, beside, npyColumns } = sourceOf({ place, name }, flags, note);
  const faces = protocol === "fairface" ? faceColumns : undefined;
  return {
    ...asked,
    source: withColumns(source, given, npyColumns ?? faces),
    title: operand,
    groups: groups?.map((one) => keysOf(one, "--groups")),
    classes: classes ?? beside,
    answer,
    unknownLabels,
    protocol,
    positive,
    income,
    cluster,
    least,
    unknown,
    associations: !without.includes("associations"),
    debias: !without.includes("projections"),
    bootstrap: resamples === undefined ? undefined : { resamples },
  };
}

function queriesOf(file: string | undefined, without: readonly string[]): "people" | string[] {
  if (without.includes("queries")) return [];
  return file === undefined ? "people" : readLines(file);
}

interface PlacedSource {
  readonly source: SourceSpec;
  /** Where classes lie. */
  readonly beside: string | undefined;
  /** Of a published set. */
  readonly npyColumns?: readonly string[] | undefined;
}

/**
 * A folder of CLIP_benchmark with what lies in it, or any other source.
 *
 * name  of a set that does not lie in a folder of its name
 */
function sourceOf(
  { place, name }: { place: string; name: string | undefined },
  flags: OptionValues<typeof sourceOptions>,
  note: (text: string) => void,
): PlacedSource {
  if (isBenchmarkSet(place)) {
    const { notes, classes, folder, source } = openBenchmarkSet(place);
    for (const text of notes) note(text);
    const isFaces = hasObjectives(classes.map(({ names: [first = ""] }) => first));
    return {
      source: parseSource(JSON.stringify(source), flags),
      beside: classes.length > 0 ? folder : undefined,
      npyColumns: isFaces
        ? faceColumns
        : publishedColumns(name ?? path.basename(path.resolve(folder))),
    };
  }
  const source = parseSource(place, flags);
  if (source.kind !== "webdataset") return { source, beside: undefined };
  const first = typeof source.shards === "string" ? source.shards : source.shards[0];
  return { source, beside: benchmarkFolderOf(first ?? "") };
}

/** What sets of the suites have in `key.npy`, told by the name of their folder. */
function publishedColumns(name: string): readonly string[] | undefined {
  const sets = suites.flatMap((suite) => suite.sets);
  return sets.find(({ folders, npyColumns }) => npyColumns && folders.includes(name))?.npyColumns;
}

function withColumns(
  source: SourceSpec,
  given: readonly string[] | undefined,
  known: readonly string[] | undefined,
): SourceSpec {
  if (source.kind !== "webdataset") {
    if (given === undefined) return source;
    throw new UsageError(
      `--npy-columns means nothing for a source of kind ${source.kind}; it names numbers in shards.`,
    );
  }
  const npyColumns = given ?? source.npyColumns ?? known;
  return npyColumns === undefined ? source : { ...source, npyColumns: [...npyColumns] };
}

function keysOf(text: string, flag: string): string[] {
  const keys = text.split(",").map((key) => key.trim());
  if (keys.every((key) => key !== "") && new Set(keys).size === keys.length) return keys;
  throw new UsageError(
    `Expected different keys for ${flag}, such as gender,race, but received "${text}".`,
  );
}

function readLines(file: string): string[] {
  const lines = reading(file, "--queries", () => readTextFile(file))
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (lines.length > 0) return lines;
  throw new UsageError(
    `Expected queries in ${file} for --queries but received none; write one in each line.`,
  );
}

/** `{ key: ["of 0", "of 1"] }` or `{ key: { value: "its word" } }`. */
function readNames(file: string): Record<string, Record<string, string>> {
  const value = reading(file, "--names", () => readJsonFile(file));
  const wrong = (what: string): UsageError =>
    new UsageError(
      `Expected words for values in ${file} for --names but received ${what}; write ` +
        '{"gender": ["man", "woman"]} or {"gender": {"0": "man"}}.',
    );
  if (!isJsonObject(value)) throw wrong("no object");
  return Object.fromEntries(
    Object.entries(value).map(([key, words]): [string, Record<string, string>] => {
      if (typeof words !== "object" || words === null) throw wrong(`no list for ${key}`);
      const named = Object.entries(words);
      const other = named.find(([, word]) => typeof word !== "string");
      if (other !== undefined) throw wrong(`no text for ${other[0]} of ${key}`);
      return [key, Object.fromEntries(named) as Record<string, string>];
    }),
  );
}

function reading<T>(file: string, flag: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new UsageError(
      `Expected a file for ${flag} but cannot read ${file} (${readingReason(cause)}); check the file.`,
      { cause },
    );
  }
}
