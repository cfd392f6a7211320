/**
 * What is measured, as data: every held-out part with its tasks, candidates and chance.
 * Whoever evaluates reads the samples of `split` that match `where` and runs the tasks on them.
 */
import type { EmojiClasses } from "./classes.ts";
import type { Split } from "./split.ts";
import type { Style } from "./sources.ts";

/** Samples are chosen by their `meta`; every condition given must hold. */
export interface SampleFilter {
  style?: Style;
  isFlag?: boolean;
}

export interface ZeroShotTask {
  kind: "zero-shot";
  id: "name" | "name-among-unseen" | "category" | "subcategory";
  title: string;
  /** Where a sample keeps its answer: its `label`, or a key of its `meta`. */
  answer: "label" | "group" | "subgroup";
  /** Candidates: entries of classes.json; `isUnseen` restricts them to emoji never trained on. */
  candidates: { list: keyof EmojiClasses; isUnseen?: boolean };
  candidateCount: number;
  /** Accuracy of guessing evenly, in [0, 1]. */
  chance: { top1: number; top5: number };
  /** Accuracy of always naming the answer that this part holds most often, in [0, 1]. */
  majority: number;
}

export interface RetrievalTask {
  kind: "retrieval";
  id: "english";
  title: string;
  imageCount: number;
  /** All captions of a sample count as its own. */
  captionCount: number;
}

export interface EvaluationPart {
  id: string;
  /** One line for a newcomer. */
  title: string;
  split: Split;
  where: SampleFilter;
  sampleCount: number;
  tasks: (ZeroShotTask | RetrievalTask)[];
}

/** What the evaluations need to know of a packed sample. */
export interface EvaluatedSample {
  split: Split;
  style: Style;
  isFlag: boolean;
  label: string;
  group: string;
  subgroup: string;
  captions: readonly string[];
}

type PartDescription = Pick<EvaluationPart, "id" | "title" | "split" | "where">;

const parts: readonly PartDescription[] = [
  {
    id: "validation",
    title: "Known emoji, one of their two trained vendors left out (for choosing settings)",
    split: "validation",
    where: {},
  },
  {
    id: "vendor",
    title: "Known emoji as a vendor draws them that was never seen (OpenMoji, without flags)",
    split: "test-vendor",
    where: { isFlag: false },
  },
  {
    id: "vendor-flags",
    title: "Flags of countries as OpenMoji draws them",
    split: "test-vendor",
    where: { isFlag: true },
  },
  {
    id: "lines",
    title: "Known emoji as line drawings, a style that was never seen (without flags)",
    split: "test-lines",
    where: { isFlag: false },
  },
  {
    id: "unseen",
    title: "Emoji never seen in any style, as Google draws them",
    split: "test-concepts",
    where: { style: "google" },
  },
  {
    id: "unseen-twitter",
    title: "Emoji never seen in any style, as Twitter draws them",
    split: "test-concepts",
    where: { style: "twitter" },
  },
  {
    id: "unseen-vendor",
    title: "Emoji never seen in any style, by a vendor never seen (OpenMoji)",
    split: "test-concepts",
    where: { style: "openmoji" },
  },
  {
    id: "unseen-lines",
    title: "Emoji never seen in any style, as line drawings",
    split: "test-concepts",
    where: { style: "openmojiLines" },
  },
];

/** The evaluations of a packed dataset; parts without samples are left out. */
export function emojiEvaluations(
  samples: readonly EvaluatedSample[],
  classes: EmojiClasses,
): EvaluationPart[] {
  return parts.flatMap((part) => {
    const chosen = samples.filter((sample) => matches(sample, part));
    if (chosen.length === 0) return [];
    const isUnseen = part.split === "test-concepts";
    const tasks = [
      ...(isUnseen ? ["name" as const, "name-among-unseen" as const] : ["name" as const]),
      // One category only, flags, makes a question without a wrong answer.
      ...(part.where.isFlag === true ? [] : ["category" as const, "subcategory" as const]),
    ].map((id) => zeroShot(id, chosen, classes));
    return [{ ...part, sampleCount: chosen.length, tasks: [...tasks, retrieval(chosen)] }];
  });
}

/** Whether a sample belongs to a part. */
export function matches(
  sample: Pick<EvaluatedSample, "split" | "style" | "isFlag">,
  { split, where }: Pick<EvaluationPart, "split" | "where">,
): boolean {
  return (
    sample.split === split &&
    (where.style === undefined || sample.style === where.style) &&
    (where.isFlag === undefined || sample.isFlag === where.isFlag)
  );
}

const zeroShotKinds = {
  name: { title: "Which emoji is it, among all?", answer: "label", list: "emoji" },
  "name-among-unseen": {
    title: "Which emoji is it, among those never trained on?",
    answer: "label",
    list: "emoji",
  },
  category: { title: "What kind of thing is it?", answer: "group", list: "groups" },
  subcategory: {
    title: "What kind of thing is it, finely?",
    answer: "subgroup",
    list: "subgroups",
  },
} as const;

function zeroShot(
  id: ZeroShotTask["id"],
  samples: readonly EvaluatedSample[],
  classes: EmojiClasses,
): ZeroShotTask {
  const { title, answer, list } = zeroShotKinds[id];
  const amongUnseen = id === "name-among-unseen";
  const candidateCount = amongUnseen
    ? classes.emoji.filter((one) => one.isUnseen).length
    : classes[list].length;
  return {
    kind: "zero-shot",
    id,
    title,
    answer,
    candidates: amongUnseen ? { list, isUnseen: true } : { list },
    candidateCount,
    chance: { top1: 1 / candidateCount, top5: Math.min(1, 5 / candidateCount) },
    majority: majorityShare(samples.map((sample) => sample[answer])),
  };
}

function retrieval(samples: readonly EvaluatedSample[]): RetrievalTask {
  return {
    kind: "retrieval",
    id: "english",
    title: "Find the caption of a picture, and the picture of a caption",
    imageCount: samples.length,
    captionCount: samples.reduce((sum, sample) => sum + sample.captions.length, 0),
  };
}

function majorityShare(answers: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return Math.max(...counts.values()) / answers.length;
}
