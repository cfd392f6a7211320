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

/** Shards of a split as a source of a limn recipe: all of them, or those of some sets or of a kind. */
export function iconSource(
  { folder, dataset }: BuiltIcons,
  split: Role,
  { sets, kind }: { sets?: readonly string[]; kind?: Part["kind"] } = {},
): IconSource {
  const parts = dataset.splits[split].parts.filter(
    (part) =>
      (sets === undefined || sets.includes(part.set)) && (kind === undefined || part.kind === kind),
  );
  const shards = parts.flatMap((part) => part.shards.map((name) => join(folder, name)));
  return { kind: "webdataset", shards };
}

/** The vocabulary, as a recipe's `data.tokenizer`. */
export function iconTokenizer({ folder, dataset }: BuiltIcons) {
  const file = join(folder, "tokenizer", "tokenizer.json");
  return { kind: "tokenizer.json" as const, file, contextLength: dataset.options.contextLength };
}

/** For choosing settings: authors that are neither trained on nor tested. */
export function validationSuites(built: BuiltIcons): IconSuite[] {
  return [
    ...namingSuites({
      name: "validation",
      title: "Icons of authors that are kept for choosing settings",
      source: iconSource(built, "validation", { kind: "known" }),
      tasks: [naming(built, "validation")],
    }),
    unseenSuite(built, "validation", "validation-unseen"),
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
      const source = iconSource(built, "test", { sets: [prefix], kind: "known" });
      return [
        ...namingSuites({
          name: prefix,
          title: `${name}, a set that it never saw`,
          source,
          tasks: [naming(built, prefix)],
        }),
        {
          name: `${prefix}-search`,
          title: `${name}, one icon of each name`,
          source,
          where: { first: true },
          tasks: [search],
        },
      ];
    }),
    unseenSuite(built, "test", "unseen"),
  ];
}

/** All pictures, then those of them that are unlike every picture that was trained on. */
function namingSuites(suite: IconSuite): IconSuite[] {
  return [
    suite,
    {
      ...suite,
      name: `${suite.name}-distinct`,
      title: `${suite.title}, without near-duplicates`,
      where: { nearDuplicate: false },
    },
  ];
}

function unseenSuite(built: BuiltIcons, split: Role, name: string): IconSuite {
  return {
    name,
    title: "Concepts that it never saw drawn by anyone",
    source: iconSource(built, split, { kind: "unseen" }),
    tasks: [
      { ...naming(built, `${split}-unseen`), title: "Which is it, among those never seen?" },
      {
        ...naming(built, `${split}-all`),
        name: "name-among-all",
        title: "Which is it, among all, seen or not?",
      },
    ],
  };
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
