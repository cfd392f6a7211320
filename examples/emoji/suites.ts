/** The evaluations in the form of a limn recipe's `evaluate.suites`. */
import { join } from "node:path";
import type { EmojiClasses } from "./classes.ts";
import type { EvaluationPart, ZeroShotTask } from "./evaluation.ts";
import type { SplitSummary } from "./dataset.ts";
import type { Split } from "./split.ts";

export interface SuiteSource {
  kind: "webdataset";
  shards: string[];
}

export type SuiteTask =
  | {
      kind: "zeroShot";
      name: string;
      title: string;
      /** A JSON file of `{ key, names }`. */
      classes: string;
      answer: ZeroShotTask["answer"];
      /** Captions are bare names, so the question is one too. */
      templates: "bare";
    }
  | { kind: "retrieval"; name: string; title: string };

export interface EmojiSuite {
  name: string;
  title: string;
  source: SuiteSource;
  where?: Record<string, string | boolean>;
  tasks: SuiteTask[];
}

/** A candidate as limn's zero-shot tasks read it. */
interface Candidate {
  key: string;
  names: string[];
}

/** The class files by name: what `buildEmojiDataset` writes under `classes/`. */
export function classFiles(classes: EmojiClasses): Record<string, Candidate[]> {
  const byLabel = (list: EmojiClasses["emoji"]): Candidate[] =>
    list.map(({ label }) => ({ key: label, names: [label] }));
  return {
    "emoji.json": byLabel(classes.emoji),
    "emoji-unseen.json": byLabel(classes.emoji.filter((one) => one.isUnseen)),
    "groups.json": classes.groups,
    "subgroups.json": classes.subgroups,
  };
}

/** Where the shards of a split lie, as a source of a limn recipe. */
export function splitSource(
  directory: string,
  split: Split,
  splits: Readonly<Record<Split, Pick<SplitSummary, "shards">>>,
): SuiteSource {
  const shards = splits[split].shards.map((name) => join(directory, split, name));
  return { kind: "webdataset", shards };
}

/** Suites for a dataset in `directory`; metric keys become `vendor/name/top1` and the like. */
export function emojiSuites(
  directory: string,
  evaluations: readonly EvaluationPart[],
  splits: Readonly<Record<Split, Pick<SplitSummary, "shards">>>,
): EmojiSuite[] {
  return evaluations.map(({ id, title, split, where, tasks }) => ({
    name: id,
    title,
    source: splitSource(directory, split, splits),
    ...(Object.keys(where).length === 0 ? {} : { where: { ...where } }),
    tasks: tasks.map((task): SuiteTask => {
      if (task.kind === "retrieval") return { kind: "retrieval", name: task.id, title: task.title };
      const file = task.candidates.isUnseen ? "emoji-unseen.json" : `${task.candidates.list}.json`;
      return {
        kind: "zeroShot",
        name: task.id,
        title: task.title,
        classes: join(directory, "classes", file),
        answer: task.answer,
        templates: "bare",
      };
    }),
  }));
}
