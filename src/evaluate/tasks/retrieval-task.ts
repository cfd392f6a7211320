/** Retrieval as a task: captions for pictures and pictures for captions, both by cosine. */
import { z } from "zod";
import { hitsWithin } from "../metrics/accuracy.ts";
import { retrieval, weightedRecalls, type RetrievalResult } from "../retrieval.ts";
import {
  clustersOf,
  coverageOf,
  column,
  measuredRows,
  pick,
  taskFields,
  type ItemColumns,
  type MeasuredTask,
  type Statistic,
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

const bothWays: TaskMetric = {
  path: "meanRecall@1",
  unit: "share",
  description: "Mean of recall@1 of both directions, DataComp's main number of retrieval.",
};

const oneWay = directions.flatMap((direction): TaskMetric[] => [
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
    better: "smaller",
    description: "Half of the queries find their partner by this rank.",
  },
]);

const metrics = [...oneWay, bothWays];

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
    "meanRecall@1": "mean of both recalls@1",
  },
  check(task, outline): void {
    clustersOf(outline, task);
  },
  measure(task, { dataset, embedder, prefix, bootstrap }): MeasuredRetrieval {
    const { similarities } = embedder;
    const result = retrieval({ ...dataset, similarities, bootstrap: { resamples: 0 } });
    const columns: ItemColumns = {
      keys: dataset.keys,
      ...clustersOf(dataset, task),
      columns: {
        imageRank: result.imageToText.ranks,
        textRank: result.textToImage.ranks,
        imageOfText: dataset.imageOfText,
      },
    };
    const chance = chanceOf(result);
    return {
      kind: "retrieval",
      task,
      title: task.title ?? task.name,
      ...coverageOf(embedder, task, dataset.captions, "captions"),
      result,
      rows: measuredRows({
        ...{ metrics, statistic, columns, prefix, bootstrap },
        chance: (path) => chance[path] ?? NaN,
        count: (path) => (path.startsWith("textToImage") ? dataset.captions : dataset.keys).length,
      }),
      columns,
      items: recallItems(result, prefix, dataset.imageOfText),
    };
  },
  statistic,
} satisfies TaskKind<RetrievalTask, MeasuredRetrieval>;

function statistic(items: ItemColumns, paths: readonly string[]): Statistic {
  const [imageRanks, textRanks, unitOf] = [
    column(items, "imageRank"),
    column(items, "textRank"),
    column(items, "imageOfText"),
  ];
  const images = weightedRecalls({ ranks: imageRanks, unitOf: [...items.keys.keys()] });
  const texts = weightedRecalls({ ranks: textRanks, unitOf });
  return pick(metrics, paths, (weights) => {
    const [toText, toImage] = [images(weights), texts(weights)];
    return [...toText, ...toImage, ((toText[0] as number) + (toImage[0] as number)) / 2];
  });
}

function chanceOf(result: RetrievalResult): Record<string, number> {
  const chance = Object.fromEntries(
    directions.flatMap((direction) => {
      const { recallAt1, recallAt5, recallAt10, medianRank } = result[direction];
      return [
        [`${direction}/recall@1`, recallAt1.chance],
        [`${direction}/recall@5`, recallAt5.chance],
        [`${direction}/recall@10`, recallAt10.chance],
        [`${direction}/medianRank`, medianRank.chance],
      ];
    }),
  ) as Record<string, number>;
  const [toText = NaN, toImage = NaN] = directions.map((one) => chance[`${one}/recall@1`]);
  return { ...chance, [bothWays.path]: (toText + toImage) / 2 };
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
    items[`${prefix}/imageToText/recall@${k}`] = hitsWithin(imageToText.ranks, k);
  }
  for (const k of [1, 5, 10]) {
    const right = hitsWithin(textToImage.ranks, k);
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
