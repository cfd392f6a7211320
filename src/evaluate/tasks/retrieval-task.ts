/** Retrieval as a task: captions for pictures and pictures for captions, both by cosine. */
import { z } from "zod";
import { retrieval, type RetrievalResult } from "../retrieval.ts";
import type { MetricRow } from "../metric-table.ts";
import {
  metricRows,
  taskFields,
  within,
  type MeasuredTask,
  type TaskFields,
  type TaskItems,
  type TaskKind,
  type TaskMetric,
} from "./task.ts";

export interface RetrievalTask extends TaskFields {
  kind: "retrieval";
}

export interface MeasuredRetrieval extends MeasuredTask<RetrievalTask> {
  readonly kind: "retrieval";
  readonly result: RetrievalResult;
}

const directions = ["imageToText", "textToImage"] as const;

const metrics = directions.flatMap((direction): TaskMetric[] => [
  {
    path: `${direction}/recall@1`,
    unit: "share",
    description: "Share of queries whose partner is found first.",
  },
  ...[5, 10].map((k): TaskMetric => ({
    path: `${direction}/recall@${k}`,
    unit: "share",
    description: `Share of queries whose partner is among the first ${k} found.`,
  })),
  {
    path: `${direction}/medianRank`,
    unit: "rank",
    description: "Half of the queries find their partner by this rank.",
  },
]);

export const retrievalTask = {
  kind: "retrieval",
  schema: z
    .strictObject({ kind: z.literal("retrieval"), ...taskFields("retrieval") })
    .describe("finding the caption of a picture, and the picture of a caption"),
  captions: true,
  metrics,
  words: {
    imageToText: "image to text",
    textToImage: "text to image",
    medianRank: "median rank",
  },
  check: () => undefined,
  measure(task, { dataset, embedder, prefix, bootstrap }): MeasuredRetrieval {
    const result = retrieval({ ...dataset, similarities: embedder.similarities, bootstrap });
    return {
      kind: "retrieval",
      task,
      title: task.title ?? task.name,
      notes: [],
      facts: {},
      result,
      rows: retrievalRows(result, prefix),
      items: recallItems(result, prefix, dataset.imageOfText),
    };
  },
} satisfies TaskKind<RetrievalTask, MeasuredRetrieval>;

/** Rows `<prefix>/imageToText/recall@1`, ... `/medianRank`, then the same for `textToImage`. */
export function retrievalRows(result: RetrievalResult, prefix: string): MetricRow[] {
  const numbers = directions.flatMap((direction) => {
    const { queryCount: count, recallAt1, recallAt5, recallAt10, medianRank } = result[direction];
    return [recallAt1, recallAt5, recallAt10, medianRank].map((metric) => ({ count, ...metric }));
  });
  return metricRows(metrics, prefix, numbers);
}

/** Captions of one picture are one item of text-to-image recall. */
function recallItems(
  { imageToText, textToImage }: RetrievalResult,
  prefix: string,
  imageOfText: Int32Array,
): Record<string, TaskItems> {
  const count = imageToText.ranks.length;
  const items: Record<string, TaskItems> = {};
  for (const k of [1, 5, 10]) {
    items[`${prefix}/imageToText/recall@${k}`] = within(imageToText.ranks, k);
  }
  for (const k of [1, 5, 10]) {
    const right = within(textToImage.ranks, k);
    items[`${prefix}/textToImage/recall@${k}`] = perImage(right, imageOfText, count);
  }
  return items;
}

function perImage(right: Uint8Array, imageOfText: Int32Array, count: number): TaskItems {
  const [sums, counts] = [new Uint8Array(count), new Uint8Array(count)];
  for (const [text, image] of imageOfText.entries()) {
    sums[image] = (sums[image] as number) + (right[text] as number);
    counts[image] = (counts[image] as number) + 1;
  }
  return { sums, counts };
}
