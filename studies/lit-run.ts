/** One run of LiT's studies: pretrained towers made once per seed, a pair trained, what it shows. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pretrain, type PretrainRecipe } from "limn";
import {
  suiteOutcome,
  type Outcome,
  type RunContext,
  type StudyMetric,
  type StudyTraining,
} from "limn/study";

import type { LitData } from "./lit-data.ts";
import {
  imagePretraining,
  litSettings,
  pairRecipe,
  textPretraining,
  type TowerSize,
} from "./lit-recipes.ts";

export const litMetrics = {
  "vendor/name/top5": { label: "zero-shot top-5", unit: "share", better: "higher" },
  "vendor/name/top1": { label: "zero-shot top-1", unit: "share", better: "higher" },
  "vendor/category/top1": { label: "category top-1", unit: "share", better: "higher" },
  "vendor/english/imageToText/recall@10": {
    label: "image to text R@10",
    unit: "share",
    better: "higher",
  },
  "vendor/english/textToImage/recall@10": {
    label: "text to image R@10",
    unit: "share",
    better: "higher",
  },
  "train/finalLoss": { label: "training loss", unit: "number", better: "lower" },
  "vendor/loss": { label: "loss on the unseen vendor", unit: "number", better: "lower" },
} as const satisfies Record<string, StudyMetric>;

export interface LitRun {
  /** LiT's letters. */
  setting: string;
  image: TowerSize;
  text: TowerSize;
}

/** Trains a pair under `setting`, its towers pretrained with the run's seed where the letters say so. */
export async function runLit(data: LitData, run: LitRun, context: RunContext): Promise<Outcome> {
  const { setting, image, text } = run;
  const { seed } = context;
  const pretrained: { image?: string; text?: string } = {};
  if (setting[0] !== "u") {
    const recipe = imagePretraining(data, image, seed);
    pretrained.image = await tower(`image-${name(image)}`, data, recipe, context);
  }
  if (setting[1] !== "u") {
    const recipe = textPretraining(data, text, seed);
    pretrained.text = await tower(`text-${name(text)}`, data, recipe, context);
  }
  const training = await context.train(pairRecipe(data, { ...run, seed, pretrained }));
  const { metrics, items } = suiteOutcome(training.suites);
  return {
    metrics: {
      ...metrics,
      "train/finalLoss": finalLoss(training.directory),
      "vendor/loss": contrastiveLoss(training),
    },
    items,
  };
}

function name({ width, depth }: TowerSize): string {
  return `${width}x${depth}`;
}

async function tower(
  what: string,
  data: LitData,
  recipe: PretrainRecipe,
  context: RunContext,
): Promise<string> {
  const { seed } = context;
  // Assignments of the command line are for the pair's recipe.
  const loop = { ...context.loop, set: [] };
  const of = { ...litSettings(data), seed };
  const make = async (directory: string): Promise<void> => {
    context.completed(await pretrain({ recipe, directory, ...loop }));
  };
  return context.artifact(`${what}-seed-${seed}`, make, { of });
}

/** Mean of the training loss over the last tenth of the steps. */
function finalLoss(directory: string): number {
  const losses = readFileSync(path.join(directory, "metrics.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line.includes('"train/loss"'))
    .map((line) => (JSON.parse(line) as { "train/loss": number })["train/loss"]);
  return mean(losses.slice(-Math.max(1, Math.round(losses.length / 10))));
}

const lossBatch = 128;

/**
 * The training objective on the unseen vendor's pictures, each with its first caption, in whole batches
 * of the size trained with: mean_i -log softmax(s v_i . t_j)_i, both ways (CLIP).
 */
function contrastiveLoss({ suites, logitScale }: StudyTraining): number {
  const [suite] = suites;
  if (suite === undefined) return NaN;
  const { imageEmbeddings: images, textEmbeddings: texts, imageOfText } = suite.dataset;
  const firstText = new Map<number, number>();
  imageOfText.forEach((image, text) => {
    if (!firstText.has(image)) firstText.set(image, text);
  });
  const size = Math.min(lossBatch, images.count);
  const losses: number[] = [];
  for (let start = 0; start + size <= images.count; start += size) {
    const logits = Array.from({ length: size }, (_, i) =>
      Float64Array.from({ length: size }, (_, j) => {
        const text = firstText.get(start + j) ?? 0;
        return logitScale * dot(images, start + i, texts, text);
      }),
    );
    for (const [i, row] of logits.entries()) {
      const column = logits.map((one) => one.at(i) ?? NaN);
      losses.push((logSumExp(row) + logSumExp(column)) / 2 - (row.at(i) ?? NaN));
    }
  }
  return mean(losses);
}

type Rows = { readonly data: Float32Array; readonly dim: number };

function dot(a: Rows, i: number, b: Rows, j: number): number {
  const other = b.data.subarray(j * b.dim, (j + 1) * b.dim);
  return a.data
    .subarray(i * a.dim, (i + 1) * a.dim)
    .reduce((sum, value, k) => sum + value * (other.at(k) ?? NaN), 0);
}

function logSumExp(values: ArrayLike<number>): number {
  const all = Array.from(values);
  const most = Math.max(...all);
  return most + Math.log(all.reduce((sum, value) => sum + Math.exp(value - most), 0));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
