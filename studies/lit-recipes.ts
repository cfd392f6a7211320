/** Recipes of LiT's studies: one tower pretrained by itself, then a pair with towers in any state. */
import path from "node:path";
import { definePretraining, defineRecipe, type PretrainRecipe, type Recipe } from "limn";

import type { LitData } from "./lit-data.ts";

export interface TowerSize {
  width: number;
  depth: number;
}

/** What the locking study uses, and the middle of the size study. */
export const middleImage: TowerSize = { width: 96, depth: 2 };
export const middleText: TowerSize = { width: 64, depth: 1 };

export const steps = { pair: 200, image: 600, text: 60 };
const batchSize = 128;
const learningRate = 2e-3;
const headWidth = 32;

const augmentation = {
  randomResizedCrop: { scale: [0.6, 1], ratio: [0.8, 1.25] },
  colorJitter: { probability: 0.8, brightness: 0.3, contrast: 0.3, saturation: 0.4 },
  greyscale: 0.2,
} as const satisfies Recipe["data"]["augmentation"];
/** Stored augmented versions of every picture. */
const views = { labelled: 8, pairs: 4 };

/** What every run depends on besides its towers: other settings, other results. */
export function litSettings({ built, smoke }: LitData): Record<string, unknown> {
  return { stamp: built.dataset.stamp, steps, batchSize, learningRate, views, augmentation, smoke };
}

/** What a reader must know of data and training. */
export function litList({ built, counts }: LitData): string[] {
  const { versions } = built.dataset;
  const packages = Object.entries(versions).map(([key, version]) => `${key} ${version}`);
  return [
    `Three vendors in three roles, so that the pretrained image tower knows other pictures than the pairs hold, ` +
      "as in the paper: the image tower is pretrained on Twitter's " +
      `${counts.labelled} pictures, each emoji a class of its own (${steps.image} steps); pairs are Google's ` +
      `${counts.pairs} pictures with English captions (${steps.pair} steps); the test is OpenMoji's pictures ` +
      "without flags, which no stage has seen. All emoji of the test are among the pairs, as Google draws them; about 85 % " +
      "are among the classes of the pretraining, without their names",
    "In the paper the image tower had also been taught most classes of the test by other pictures; here the " +
      "overlap is larger, so a gain from pretraining is easier to have",
    `Zero-shot is asked among the names of all ${built.classes.emoji.length} emoji: guessing gives ` +
      `${((100 * 5) / built.classes.emoji.length).toFixed(2)} % in the top 5`,
    `Pretrained text tower: next-token prediction on the captions of the pairs, ${steps.text} steps`,
    `Batches of ${batchSize}, AdamW, learning rate ${learningRate} with cosine, ViT of patch 16 on 32 pixels, ` +
      `crops and colours changed at random (${views.labelled} stored versions of each picture in pretraining, ${views.pairs} in pairs; of locked towers, their features)`,
    `Packages: ${packages.join(", ")}; dataset ${built.dataset.stamp}`,
  ];
}

export const chosenOn =
  "Patch size and width were chosen in a few runs with seed 9 on Twitter pictures that no stage trains on, without " +
  "OpenMoji's. Learning rate and augmentation are common ones and were not tuned; the numbers of steps " +
  "follow from the time there was. Times of runs were taken beside much other work and say little";

function imageTower(data: LitData, { width, depth }: TowerSize) {
  const { imageSize } = data;
  return {
    imageSize,
    patchSize: 16,
    width,
    depth,
    heads: width / headWidth,
    pooling: "mean" as const,
  };
}

function textTower({ width, depth }: TowerSize) {
  return { width, depth, heads: width / headWidth };
}

function training(seed: number, count: number) {
  return {
    batchSize,
    steps: count,
    seed,
    optimizer: { learningRate, weightDecay: 0.1 },
    schedule: { kind: "cosine" as const, warmupSteps: Math.ceil(count / 10) },
    gradientClip: 1,
    checkpoint: { keepLast: 1 },
    logEverySteps: 1,
  };
}

function pictures(data: LitData, which: keyof typeof views) {
  return {
    transform: { resizeMode: "squash", crop: "none" } as const,
    augmentation,
    workers: 1,
    ...(data.smoke ? {} : { cache: { views: views[which], folder: data.cacheFolder } }),
  };
}

/** The image tower learns to name Twitter's pictures, each a class of its own. */
export function imagePretraining(data: LitData, size: TowerSize, seed: number): PretrainRecipe {
  return definePretraining({
    kind: "classification",
    name: "lit-image-tower",
    image: imageTower(data, size),
    data: { train: data.labelled, ...pictures(data, "labelled") },
    labels: { answer: "label", smoothing: 0.1 },
    train: training(seed, steps.image),
  });
}

/** The text tower learns to go on with the captions of the pairs. */
export function textPretraining(data: LitData, size: TowerSize, seed: number): PretrainRecipe {
  const { pairs, tokenizer: file, contextLength } = data;
  return definePretraining({
    kind: "nextToken",
    name: "lit-text-tower",
    text: textTower(size),
    data: {
      train: pairs,
      tokenizer: { kind: "tokenizer.json", file, contextLength },
      workers: 1,
    },
    train: training(seed, steps.text),
  });
}

export interface PairChoice {
  /** LiT's letters, such as `Lu`. */
  setting: string;
  seed: number;
  image: TowerSize;
  text: TowerSize;
  /** Folders of the pretrained towers, as far as the letters ask for them. */
  pretrained: { image?: string; text?: string };
  /** Instead of the unseen vendor. */
  validate?: boolean;
}

/** Contrastive training on Google's pictures and captions. */
export function pairRecipe(data: LitData, choice: PairChoice): Recipe {
  const { setting, seed, image, text, pretrained } = choice;
  const locked = setting.startsWith("L");
  const { cache, ...plain } = { cache: undefined, ...pictures(data, "pairs") };
  const keep = cache === undefined ? {} : { cache };
  return defineRecipe({
    name: "lit",
    model: { embedDim: 96, image: imageTower(data, image), text: textTower(text) },
    towers: {
      setting,
      image: {
        ...(setting[0] === "u" ? {} : { pretrained: path.join(pretrained.image ?? "", "model") }),
        ...(locked ? keep : {}),
      },
      text: setting[1] === "u" ? {} : { pretrained: path.join(pretrained.text ?? "", "model") },
    },
    data: {
      train: data.pairs,
      tokenizer: {
        ...{ kind: "tokenizer.json", file: data.tokenizer },
        contextLength: data.contextLength,
      },
      ...plain,
      ...(locked ? {} : keep),
    },
    train: training(seed, steps.pair),
    evaluate: { batchSize: 256, suites: [choice.validate ? data.validation : data.test] },
  });
}
