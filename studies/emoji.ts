/**
 * What the studies share: pictures of emoji by vendors, small enough that a run takes seconds. Trained
 * on Google's and Twitter's drawings, measured on OpenMoji's, a vendor that no run has seen.
 */
import path from "node:path";
import { defineRecipe, type Recipe } from "limn";
import type { StudyContext, StudyMetric } from "limn/study";

import type { BuiltDataset } from "../examples/emoji/dataset.ts";
import { buildShards, installEmoji, trainVocabulary } from "../examples/emoji/prepare.ts";
import {
  emojiSuites,
  splitSource,
  type EmojiSuite,
  type SuiteSource,
} from "../examples/emoji/suites.ts";
import type { Split } from "../examples/emoji/split.ts";

export interface EmojiStudyData {
  built: BuiltDataset;
  /** Where the shards lie. */
  directory: string;
  /** Training pictures; or those of another split. */
  source(split?: Split): SuiteSource;
  /** A `tokenizer.json` trained on the captions. */
  tokenizer: string;
  contextLength: number;
  /** A smoke run stores no views: two steps do not need them. */
  smoke: boolean;
  /** Suites by name, with only the tasks named where some are: `vendor`, `lines`, `unseen`, ... */
  suites(names?: readonly string[], tasks?: readonly string[]): EmojiSuite[];
}

export interface EmojiStudyOptions {
  /** emojibase's codes, English first. Default English alone. */
  languages?: readonly string[];
  /** Default 32. */
  imageSize?: number;
  vocabSize?: number;
  contextLength?: number;
}

/** Builds pictures, shards and vocabulary once in the folder that studies share, or finds them. */
export async function prepareEmoji(
  context: StudyContext,
  options: EmojiStudyOptions = {},
): Promise<EmojiStudyData> {
  const { languages = ["en"], imageSize = 32, vocabSize = 3000, contextLength = 24 } = options;
  const { sharedFolder, note } = context;
  const folder = path.resolve(sharedFolder, `emoji-${imageSize}-${languages.join("-")}`);
  const directory = path.join(folder, "data");
  const named = path.join(folder, `tokenizer-${vocabSize}-${contextLength}`);
  return context.exclusively(path.resolve(sharedFolder, "emoji"), async () => {
    const packages = installEmoji(path.resolve(sharedFolder, "packages"), note);
    const built = await buildShards(packages, directory, note, { languages, imageSize });
    const { stamp, splits } = built.dataset;
    const source = (split: Split = "train"): SuiteSource => splitSource(directory, split, splits);
    const tokenizer = await trainVocabulary({
      folder: named,
      source: source(),
      stamp,
      vocabSize,
      contextLength,
      note,
    });
    const all = emojiSuites(directory, built.evaluations, splits);
    return {
      built,
      directory,
      source,
      tokenizer,
      contextLength,
      smoke: context.smoke,
      suites: (names = ["vendor"], tasks) => chosenSuites(all, names, tasks),
    };
  });
}

function chosenSuites(
  all: readonly EmojiSuite[],
  names: readonly string[],
  tasks: readonly string[] | undefined,
): EmojiSuite[] {
  return names.map((name) => {
    const suite = all.find((one) => one.name === name);
    if (suite === undefined) {
      const known = all.map((one) => one.name).join(", ");
      throw new Error(`Expected a suite of the emoji but received ${name}; there are: ${known}`);
    }
    const chosen = suite.tasks.filter((task) => tasks?.includes(task.name) ?? true);
    return { ...suite, tasks: chosen };
  });
}

/** The metrics of the suite `vendor` that have signal after a few hundred steps. */
export const emojiMetrics = {
  "vendor/name/top1": { label: "zero-shot top-1", unit: "share", better: "higher" },
  "vendor/name/top5": { label: "zero-shot top-5", unit: "share", better: "higher" },
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
} as const satisfies Record<string, StudyMetric>;

export interface EmojiRecipeChanges {
  name: string;
  seed: number;
  /** Default 400. */
  steps?: number;
  /** Default 128. */
  batchSize?: number;
  /** Default 2e-3 for a batch of 128. */
  learningRate?: number;
  embedDim?: number;
  image?: { width?: number; depth?: number; heads?: number; patchSize?: number };
  text?: { width?: number; depth?: number; heads?: number };
  /** Instead of a ViT and a transformer of the sizes above. */
  imageTower?: Exclude<Recipe["model"], string | undefined>["image"];
  textTower?: Exclude<Recipe["model"], string | undefined>["text"];
  objective?: Recipe["objective"];
  towers?: Recipe["towers"];
  logits?: Recipe["logits"];
  /** A model folder to start from. */
  pretrained?: string;
  /** Other pictures than all training ones. */
  train?: SuiteSource;
  /** Default: all tasks of the unseen vendor. */
  suites?: EmojiSuite[];
  /** Which caption of a picture an epoch shows: any of four, or always the name. Default random. */
  captions?: "random" | "first" | "all";
  /** Random crops and colours. Default true. */
  augmentation?: boolean;
  /** Stored views of every picture; 0: decode each time. Default 8, of pictures as they are 1. */
  cachedViews?: number;
}

/**
 * The recipe that studies vary: 32 pixels in four patches, towers of width 96, 400 steps of 128 pairs.
 * On the unseen vendor (chance 0.3 %) top-5 over names is 10 %, with `captions: "first"` 14 %, after
 * about 25 s of one core; patches of 8 take half as long again and reach 7 %.
 */
export function emojiStudyRecipe(data: EmojiStudyData, changes: EmojiRecipeChanges): Recipe {
  const { steps = 400, batchSize = 128, augmentation = true } = changes;
  const { cachedViews = data.smoke ? 0 : augmentation ? 8 : 1 } = changes;
  const { imageSize } = data.built.dataset.options;
  return defineRecipe({
    name: changes.name,
    model: {
      embedDim: changes.embedDim ?? 96,
      image: changes.imageTower ?? {
        ...{ imageSize, patchSize: 16, width: 96, depth: 2, heads: 3 },
        ...changes.image,
      },
      text: changes.textTower ?? { width: 96, depth: 1, heads: 3, ...changes.text },
    },
    ...(changes.pretrained === undefined ? {} : { pretrained: changes.pretrained }),
    ...(changes.towers === undefined ? {} : { towers: changes.towers }),
    ...(changes.logits === undefined ? {} : { logits: changes.logits }),
    ...(changes.objective === undefined ? {} : { objective: changes.objective }),
    data: {
      train: changes.train ?? data.source(),
      tokenizer: {
        kind: "tokenizer.json",
        file: data.tokenizer,
        contextLength: data.contextLength,
      },
      transform: { resizeMode: "squash", crop: "none" },
      captions: changes.captions ?? "random",
      ...(augmentation ? { augmentation: emojiAugmentation } : {}),
      ...(cachedViews === 0
        ? {}
        : { cache: { views: cachedViews, folder: path.join(data.directory, "..", "cache") } }),
    },
    train: {
      batchSize,
      steps,
      seed: changes.seed,
      optimizer: { learningRate: changes.learningRate ?? 2e-3, weightDecay: 0.1, beta2: 0.98 },
      schedule: { kind: "cosine", warmupSteps: Math.ceil(steps / 10) },
      gradientClip: 1,
      checkpoint: { keepLast: 1 },
    },
    evaluate: { batchSize: 256, suites: changes.suites ?? data.suites() },
  });
}

/** Crops and colours changed at random. */
export const emojiAugmentation: NonNullable<Recipe["data"]["augmentation"]> = {
  randomResizedCrop: { scale: [0.75, 1], ratio: [0.85, 1.18] },
  colorJitter: { probability: 0.5, brightness: 0.2, contrast: 0.2, saturation: 0.3 },
  greyscale: 0.2,
};

/** A list for a study's `settings`. */
export function emojiSettings(data: EmojiStudyData): string[] {
  const { splits, options, versions } = data.built.dataset;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Training pictures: ${splits.train.pictures} of ${splits.train.emoji} emoji as Google and Twitter draw them, ` +
      `${options.imageSize} pixels, captions in ${options.languages.join(", ")}`,
    `Test pictures: ${splits["test-vendor"].pictures} as OpenMoji draws them, without flags in the suite; ` +
      "nobody trained on any of them",
    `Packages: ${packages.join(", ")}; dataset ${data.built.dataset.stamp}`,
  ];
}
