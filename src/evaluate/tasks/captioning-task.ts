/** Captioning by retrieval: each picture gets the candidate caption that is most like it. */
import { z } from "zod";
import { concatenateRows, type Embeddings } from "../../arrays/embeddings.ts";
import { topMatches } from "../../arrays/similarities.ts";
import { atPath, counted, DataError } from "../../errors.ts";
import { readTextFile, readingReason } from "../../files/regular-file.ts";
import type { Embedder } from "../../inference/features/embed-dataset.ts";
import { bleu, ciderD, rougeL } from "../metrics/caption-text.ts";
import { captionWords } from "../metrics/caption-words.ts";
import { meanOf } from "../metrics/weighted.ts";
import {
  clustersOf,
  column,
  measuredRows,
  pick,
  taskFields,
  type ItemColumns,
  type MeasuredTask,
  type Statistic,
  type TaskFields,
  type TaskKind,
  type TaskMetric,
} from "./task.ts";

export interface CaptioningTask extends TaskFields {
  kind: "captioning";
  /** Captions to choose from, or a file with one in each line; default: all captions of the set. */
  candidates?: string | readonly string[] | undefined;
}

type MeasuredCaptioning = MeasuredTask<CaptioningTask> & { readonly kind: "captioning" };

const metrics: readonly TaskMetric[] = [
  {
    path: "recall@1",
    unit: "share",
    description: "Share of pictures whose chosen caption is one of their own, word for word.",
  },
  {
    path: "cider",
    unit: "number",
    description: "CIDEr-D of the chosen captions against the pictures' own.",
  },
  {
    path: "rougeL",
    unit: "number",
    description: "ROUGE-L of the chosen captions against the pictures' own.",
  },
];

export const captioningTask = {
  kind: "captioning",
  schema: z
    .strictObject({
      kind: z.literal("captioning"),
      ...taskFields("captioning"),
      candidates: z
        .union([z.string().min(1), z.array(z.string().min(1)).min(2)])
        .optional()
        .describe("captions to choose from, or a text file of them; all of the set's when absent"),
    })
    .describe("choosing a caption for a picture, compared with its own by words"),
  captions: true,
  metrics,
  words: { captioning: "captioning", cider: "CIDEr-D", rougeL: "ROUGE-L" },
  async check(task, outline, path): Promise<void> {
    const { candidates } = task;
    clustersOf(outline, task);
    if (candidates !== undefined)
      await atPath(`${path}.candidates`, () => readCandidates(candidates));
  },
  measure(task, { dataset, embedder, prefix, bootstrap }): MeasuredCaptioning {
    const texts =
      task.candidates === undefined ? dataset.captions : readCandidates(task.candidates);
    const rows = task.candidates === undefined ? dataset.textEmbeddings : embedAll(embedder, texts);
    const { similarities } = embedder;
    const { indices } = topMatches(dataset.imageEmbeddings, rows, 1, { similarities });
    const chosen = Array.from(indices, (index) => texts[index] as string);
    const own = dataset.keys.map((): string[] => []);
    for (const [text, image] of dataset.imageOfText.entries()) {
      own[image]?.push(dataset.captions[text] as string);
    }
    const pairs = {
      candidates: chosen.map(captionWords),
      references: own.map((captions) => captions.map(captionWords)),
    };
    const columns: ItemColumns = {
      keys: dataset.keys,
      ...clustersOf(dataset, task),
      columns: {
        hit: Uint8Array.from(chosen, (caption, i) => +(own[i]?.includes(caption) === true)),
        cider: ciderD(pairs).items,
        rougeL: rougeL(pairs).items,
      },
    };
    return {
      kind: "captioning",
      task,
      title: task.title ?? task.name,
      notes: [`the best of ${counted(texts.length, "candidate caption")} for each picture`],
      facts: { candidates: texts.length, bleu: bleu(pairs).of(), examples: examples(chosen, own) },
      rows: measuredRows({
        ...{ metrics, statistic, columns, prefix, bootstrap },
        chance: (path) => (path === "recall@1" ? chanceOf(texts, own) : NaN),
        count: () => dataset.keys.length,
      }),
      columns,
      items: {},
    };
  },
  statistic,
} satisfies TaskKind<CaptioningTask, MeasuredCaptioning>;

const columnOf = { "recall@1": "hit", cider: "cider", rougeL: "rougeL" } as const;

function statistic(items: ItemColumns, paths: readonly string[]): Statistic {
  const means = Object.values(columnOf).map((name) => meanOf(column(items, name)));
  return pick(metrics, paths, (weights) => means.map((mean) => mean(weights)));
}

function readCandidates(given: string | readonly string[]): readonly string[] {
  if (typeof given !== "string") return given;
  let lines: string[];
  try {
    lines = readTextFile(given).split(/\r\n|\r|\n/);
  } catch (cause) {
    throw new DataError(
      `Expected captions in ${given}, one in each line, but could not read them (${readingReason(cause)})`,
      { source: given },
      { cause },
    );
  }
  const captions = [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ""))];
  if (captions.length > 1) return captions;
  throw new DataError(
    `Expected at least two captions in ${given} but found ${captions.length}; write one in each line`,
    { source: given },
  );
}

/** Texts at once, so that their tokens fit the memory. */
const AT_ONCE = 256;

function embedAll(embedder: Embedder, texts: readonly string[]): Embeddings {
  const parts: Embeddings[] = [];
  for (let start = 0; start < texts.length; start += AT_ONCE) {
    parts.push(embedder.embedTexts(texts.slice(start, start + AT_ONCE)));
  }
  return concatenateRows(parts);
}

function chanceOf(texts: readonly string[], own: readonly (readonly string[])[]): number {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  const right = own.map((captions) =>
    [...new Set(captions)].reduce((sum, caption) => sum + (counts.get(caption) ?? 0), 0),
  );
  return right.reduce((sum, one) => sum + one / texts.length, 0) / own.length;
}

/** Examples in the results. */
const SHOWN = 5;

function examples(chosen: readonly string[], own: readonly (readonly string[])[]): unknown[] {
  return chosen.slice(0, SHOWN).map((caption, i) => ({ chosen: caption, own: own[i] }));
}
