/** Suites, their sets, and what is there of them, for people. */
import { counted } from "../../../errors.ts";
import type { CheckedSet } from "../../../evaluate/suites/check-set.ts";
import type { FetchedSet } from "../../../evaluate/suites/fetch-suite.ts";
import type { SetDefinition, SuiteDefinition } from "../../../evaluate/suites/suite.ts";
import { alignedTable } from "./aligned-table.ts";

const number = (value: number | undefined): string => value?.toLocaleString("en-US") ?? "-";

/** What can be chosen. */
export function suitesTable(suites: readonly SuiteDefinition[]): string {
  const rows = suites.map(({ name, sets, summary }) => [name, String(sets.length), summary]);
  return [
    alignedTable(["suite", "sets", "what it is"], rows, [1]),
    "",
    "limn suite list <suite> shows its sets; a JSON file of your own is a suite too.",
  ].join("\n");
}

/**
 * The sets of a suite.
 *
 * places   where each is under a root, `undefined` for one that is not there; without a root absent
 */
export function setsTable(
  suite: SuiteDefinition,
  places?: ReadonlyMap<string, string | undefined>,
): string {
  const head = ["set", "what it is", "n", "classes", "metric", "chance"];
  const rows = suite.sets.map((set) => [
    ...[set.name, set.title, number(set.samples), number(set.classes)],
    ...[metricOf(set), set.chance === undefined ? "-" : percent(set.chance)],
    ...(places === undefined ? [] : [places.get(set.name) ?? "missing"]),
  ]);
  const there = [...(places?.values() ?? [])].filter((place) => place !== undefined).length;
  return [
    `${suite.title}: ${counted(suite.sets.length, "set")}`,
    ...(suite.source.url === "" ? [] : [`${suite.source.paper}, ${suite.source.url}`]),
    ...(suite.notes ?? []),
    "",
    alignedTable(places === undefined ? head : [...head, "where"], rows, [2, 3, 5]),
    "",
    ...suite.averages.map(({ title, of }) => `${title}: mean of ${counted(of.length, "set")}`),
    ...(places === undefined ? [] : [`${there} of ${counted(suite.sets.length, "set")} are there`]),
  ].join("\n");
}

/** The metric's path, without a task's name that says no more. */
function metricOf({ main }: SetDefinition): string {
  return main?.replace(/^(zeroShot|retrieval|association|selection|multilabel)\//, "") ?? "-";
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`;
}

/** A line for each set, and what is wrong below it. */
function checkedLines({ name, state, found, expected, problems, notes }: CheckedSet): string {
  const counts =
    found === undefined
      ? []
      : [
          ...(found.shards === undefined ? [] : [counted(found.shards, "shard")]),
          counted(found.samples, "sample"),
          ...(found.classes === undefined ? [] : [counted(found.classes, "class", "classes")]),
          ...(found.templates === undefined ? [] : [counted(found.templates, "template")]),
        ];
  const published = expected.samples === undefined ? "" : " as published";
  if (state === "missing") return `missing  ${name}: ${problems.join("; ")}`;
  const whole = `ok       ${name}: ${counts.join(", ")}${published}`;
  return [
    state === "there" ? whole : `damaged  ${name}`,
    ...problems.map((text) => `           ${text}`),
    ...notes.map((text) => `           note: ${text}`),
  ].join("\n");
}

/**
 * What `limn suite check` found, and how to get what is missing.
 *
 * given   the suite as it was named
 */
export function checkedText(
  results: readonly CheckedSet[],
  { suite, given, root }: { suite: SuiteDefinition; given: string; root: string | undefined },
): string {
  const ofHub = new Set(
    suite.sets.filter(({ hub, at }) => hub ?? at?.startsWith("hf://")).map(({ name }) => name),
  );
  const canFetch = results.some(({ name, state }) => state === "missing" && ofHub.has(name));
  const count = (state: CheckedSet["state"]): number =>
    results.filter((one) => one.state === state).length;
  return [
    ...results.map(checkedLines),
    "",
    `${count("there")} of ${counted(results.length, "set")} are whole` +
      `, ${count("missing")} missing, ${count("damaged")} damaged`,
    ...(canFetch
      ? [`To fetch what is missing: limn suite fetch ${given} ${root ?? "<folder>"}`]
      : []),
  ].join("\n");
}

const fetchedWords: Record<FetchedSet["state"], string> = {
  fetched: "fetched ",
  there: "there   ",
  unpublished: "by hand ",
  failed: "failed  ",
};

/** A line for each set. */
function fetchedLine({ name, state, place, reason }: FetchedSet): string {
  return `${fetchedWords[state]} ${name}${reason === undefined ? ` in ${place}` : `: ${reason}`}`;
}

/** What `limn suite fetch` did. */
export function fetchedText(results: readonly FetchedSet[]): string {
  const count = (state: FetchedSet["state"]): number =>
    results.filter((one) => one.state === state).length;
  const parts = [
    `${count("fetched")} fetched`,
    `${count("there")} there before`,
    ...(count("unpublished") > 0 ? [`${count("unpublished")} to be put there by hand`] : []),
    ...(count("failed") > 0 ? [`${count("failed")} failed`] : []),
  ];
  return [
    ...results.map(fetchedLine),
    "",
    `${counted(results.length, "set")}: ${parts.join(", ")}`,
  ].join("\n");
}

/** `350 MB`, `11.2 GB` */
export function bytesText(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
