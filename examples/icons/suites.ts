/** What is asked about the held-out icons, in the form of a limn recipe's `evaluate.suites`. */
import { join } from "node:path";

import type { BuiltIcons } from "./dataset.ts";
import type { Role } from "./sets.ts";

export interface IconSource {
  kind: "webdataset";
  shards: string[];
}

export type IconTask =
  | { kind: "zeroShot"; name: string; title: string; classes: string; templates: "bare" }
  | { kind: "retrieval"; name: string; title: string };

export interface IconSuite {
  name: string;
  title: string;
  source: IconSource;
  where: Record<string, string | boolean>;
  tasks: IconTask[];
}

/** The shards of a split, as a source of a limn recipe. */
export function splitSource({ folder, dataset }: BuiltIcons, split: Role): IconSource {
  const shards = dataset.splits[split].shards.map((name) => join(folder, split, name));
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
    ...namingSuites(built, "validation", {
      name: "validation",
      title: "Icons of authors that are kept for choosing settings",
      where: { known: true },
    }),
    unseenSuite(built, "validation", "validation-unseen"),
  ];
}

/** For results: naming and finding icons of each set whose author was never seen, and unseen concepts. */
export function testSuites(built: BuiltIcons): IconSuite[] {
  const sets = built.dataset.sets.filter(({ role }) => role === "test");
  return [
    ...sets.flatMap(({ prefix, name }) => [
      ...namingSuites(built, "test", {
        name: prefix,
        title: `${name}, a set that it never saw`,
        where: { set: prefix, known: true },
      }),
      suite(built, "test", {
        name: `${prefix}-search`,
        title: `${name}, one icon of each name`,
        where: { set: prefix, known: true, first: true },
        tasks: [{ kind: "retrieval", name: "search", title: "Find the icon of a name" }],
      }),
    ]),
    unseenSuite(built, "test", "unseen"),
  ];
}

/** All pictures, then those of them that are unlike every picture that was trained on. */
function namingSuites(
  built: BuiltIcons,
  split: Role,
  { name, title, where }: Pick<IconSuite, "name" | "title" | "where">,
): IconSuite[] {
  const tasks = [naming(built, name)];
  return [
    suite(built, split, { name, title, where, tasks }),
    suite(built, split, {
      name: `${name}-distinct`,
      title: `${title}, without near-duplicates`,
      where: { ...where, nearDuplicate: false },
      tasks,
    }),
  ];
}

function unseenSuite(built: BuiltIcons, split: Role, name: string): IconSuite {
  return suite(built, split, {
    name,
    title: "Concepts that it never saw drawn by anyone",
    where: { unseen: true },
    tasks: [
      { ...naming(built, `${split}-unseen`), title: "Which is it, among those never seen?" },
      {
        ...naming(built, `${split}-all`),
        name: "name-among-all",
        title: "Which is it, among all, seen or not?",
      },
    ],
  });
}

function suite(built: BuiltIcons, split: Role, rest: Omit<IconSuite, "source">): IconSuite {
  return { ...rest, source: splitSource(built, split) };
}

function naming({ folder }: BuiltIcons, classes: string) {
  return {
    kind: "zeroShot" as const,
    name: "name",
    title: "Which icon is it?",
    classes: join(folder, "classes", `${classes}.json`),
    // Captions are bare names, so the question is one too.
    templates: "bare" as const,
  };
}
