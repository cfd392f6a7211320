/** What is asked about the held-out icons, in the form of a limn recipe's `evaluate.suites`. */
import { join } from "node:path";

import type { BuiltIcons, UsedSet } from "./dataset.ts";
import type { Part } from "./pack.ts";
import { quickstartSets, type Role } from "./sets.ts";

export interface IconSource {
  kind: "webdataset";
  shards: string[];
}

export type IconTask =
  | { kind: "zeroShot"; name: string; title: string; classes: string }
  | { kind: "retrieval"; name: string; title: string };

export interface IconSuite {
  name: string;
  title: string;
  source: IconSource;
  where?: Record<string, string | boolean>;
  tasks: IconTask[];
}

/** Which folders of a split's shards: all, or those of some sets or of a kind. */
interface Choice {
  sets?: readonly string[];
  kind?: Part["kind"];
}

/** Shards of a split as a source of a limn recipe. */
export function iconSource(built: BuiltIcons, split: Role, choice: Choice = {}): IconSource {
  const shards = partsOf(built, split, choice).flatMap((part) => part.shards);
  return { kind: "webdataset", shards: shards.map((name) => join(built.folder, name)) };
}

function partsOf({ dataset }: BuiltIcons, split: Role, { sets, kind }: Choice): Part[] {
  return dataset.splits[split].parts.filter(
    (part) =>
      (sets === undefined || sets.includes(part.set)) && (kind === undefined || part.kind === kind),
  );
}

/** The vocabulary, as a recipe's `data.tokenizer`. */
export function iconTokenizer({ folder, dataset }: BuiltIcons) {
  const file = join(folder, "tokenizer", "tokenizer.json");
  return { kind: "tokenizer.json" as const, file, contextLength: dataset.options.contextLength };
}

/** For choosing settings: authors that are neither trained on nor tested. */
export function validationSuites(built: BuiltIcons): IconSuite[] {
  return [
    ...namingSuites(built, "validation", {
      name: "validation",
      title: "Icons of authors that are kept for choosing settings",
      choice: { kind: "known" },
    }),
    ...unseenSuites(built, "validation", "validation-unseen"),
  ];
}

/** The test sets that the quick start tells of; the large data has more. */
export function askedSets({ dataset }: BuiltIcons): UsedSet[] {
  const asked = new Set(quickstartSets.map(({ prefix }) => prefix));
  return dataset.sets.filter(({ role, prefix }) => role === "test" && asked.has(prefix));
}

/**
 * For results: naming and finding icons of each set, whose author was never seen, and unseen concepts of
 * all test sets.
 */
export function testSuites(
  built: BuiltIcons,
  sets: readonly UsedSet[] = askedSets(built),
): IconSuite[] {
  return [
    ...sets.flatMap(({ prefix, name }) => {
      const choice = { sets: [prefix], kind: "known" } as const;
      const title = `${name}, a set that it never saw`;
      const named = namingSuites(built, "test", { name: prefix, title, choice });
      if (named.length === 0) return [];
      const found: IconSuite = {
        name: `${prefix}-search`,
        title: `${name}, one icon of each name`,
        source: iconSource(built, "test", choice),
        where: { first: true },
        tasks: [search],
      };
      return [...named, found];
    }),
    ...unseenSuites(built, "test", "unseen"),
  ];
}

/** All pictures, then those of them that are unlike every picture that was trained on; where there are any. */
function namingSuites(
  built: BuiltIcons,
  split: Role,
  { name, title, choice }: { name: string; title: string; choice: Choice },
): IconSuite[] {
  const parts = partsOf(built, split, choice);
  if (!parts.some(({ concepts }) => concepts > 1)) return [];
  const source = iconSource(built, split, choice);
  const all: IconSuite = { name, title, source, tasks: [naming(built, name)] };
  if (!parts.some(({ distinct }) => distinct > 0)) return [all];
  const distinct = {
    ...all,
    name: `${name}-distinct`,
    title: `${title}, without near-duplicates`,
    where: { nearDuplicate: false },
  };
  return [all, distinct];
}

function unseenSuites(built: BuiltIcons, split: Role, name: string): IconSuite[] {
  const choice = { kind: "unseen" } as const;
  if (!partsOf(built, split, choice).some(({ concepts }) => concepts > 1)) return [];
  const among = naming(built, `${split}-unseen`);
  const all = naming(built, `${split}-all`);
  return [
    {
      name,
      title: "Concepts that it never saw drawn by anyone",
      source: iconSource(built, split, choice),
      tasks: [
        { ...among, title: "Which is it, among those never seen?" },
        { ...all, name: "name-among-all", title: "Which is it, among all, seen or not?" },
      ],
    },
  ];
}

const search = { kind: "retrieval", name: "search", title: "Find the icon of a name" } as const;

function naming({ folder }: BuiltIcons, classes: string) {
  return {
    kind: "zeroShot" as const,
    name: "name",
    title: "Which icon is it?",
    classes: join(folder, "classes", `${classes}.json`),
  };
}
