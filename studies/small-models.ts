/** What do small models learn from scratch in minutes, on a few cores? `limn study small-models` */
import path from "node:path";
import { defineRecipe, type Recipe } from "limn";
import { defineStudy, suiteOutcome, type Arm, type StudyContext } from "limn/study";

import type { BuiltIcons } from "../examples/icons/dataset.ts";
import { prepareIcons } from "../examples/icons/prepare.ts";
import { iconRecipe } from "../examples/icons/recipe.ts";
import { iconSource, iconTokenizer, validationSuites } from "../examples/icons/suites.ts";

/** Data for each size of picture. */
type Icons = ReadonlyMap<number, BuiltIcons>;

interface Setting {
  /** A small pair of limn's own, by name. */
  model: string;
  imageSize: number;
  /** Width x depth of both towers, for the reader. */
  width: string;
  batchSize: number;
  learningRate: number;
  minutes: number;
  /** Share of the training shards. */
  share: number;
}

const towers: readonly Omit<Setting, "minutes" | "share">[] = [
  {
    model: "ModifiedResNet-16/32px",
    imageSize: 32,
    width: "16, text 128 x 2",
    batchSize: 256,
    learningRate: 2e-3,
  },
  {
    model: "ModifiedResNet-16/64px",
    imageSize: 64,
    width: "16, text 128 x 2",
    batchSize: 256,
    learningRate: 1e-3,
  },
  {
    model: "ModifiedResNet-32/64px",
    imageSize: 64,
    width: "32, text 256 x 4",
    batchSize: 256,
    learningRate: 1e-3,
  },
  {
    model: "ViT-Ti/8-64px",
    imageSize: 64,
    width: "192, text 128 x 2",
    batchSize: 256,
    learningRate: 1e-3,
  },
];

const settings: readonly Setting[] = towers.flatMap((tower) => [
  { ...tower, minutes: 1, share: 1 },
  { ...tower, minutes: 4, share: 1 },
  { ...tower, minutes: 4, share: 0.25 },
]);

/** More than a few cores take: the minutes decide. */
const STEPS_PER_MINUTE = 1000;

const metrics = {
  "validation/name/top1": { label: "top-1", unit: "share", better: "higher" },
  "validation/name/top5": { label: "top-5", unit: "share", better: "higher" },
  "validation-unseen/name/top1": { label: "unseen top-1", unit: "share", better: "higher" },
  steps: { label: "steps", unit: "number", better: "higher" },
  pictures: { label: "pictures seen", unit: "number", better: "higher" },
  peakMemory: { label: "peak memory", unit: "bytes", better: "lower" },
} as const;

export default defineStudy<Icons>({
  name: "small-models",
  title: "Small models from scratch: what a few minutes give",
  source: "limn's own sizes, trained on icons as `examples/icons` does",
  question:
    "With some thousand pictures, two cores and a few minutes: which tower, width, batch and rate? Measured on icons " +
    "of authors that are neither trained on nor among the quick start's tests.",
  seeds: [0, 1, 2],
  secondsPerRun: 215,
  metrics,
  prepare: prepareSizes,
  arms: (icons) => settings.map((setting) => armOf(setting, icons)),
  settings: (icons) => [
    ...[...icons].map(
      ([size, { dataset }]) =>
        `${dataset.splits.train.pictures.toLocaleString("en-US")} training pictures at ${size} pixels of ` +
        `${dataset.sets.filter(({ role }) => role === "train").length} icon sets; a quarter of them are every fourth ` +
        "of their shards.",
    ),
    "AdamW, cosine over the minutes, a twentieth of them warm-up, weight decay 0.1; all else as in examples/icons/recipe.ts.",
    "Minutes are those of the steps, decoding included. How many steps they give depends on the machine.",
  ],
  tables: () => [
    {
      kind: "arms",
      title: "Pictures, minutes: tower, width, batch, rate",
      metrics: Object.keys(metrics),
    },
  ],
  figures: () => [],
  conclusions: () => [],
});

/** Builds the quick start's data at each size once, in the folder that studies share. */
async function prepareSizes({ sharedFolder, note, exclusively }: StudyContext): Promise<Icons> {
  const directory = path.resolve(sharedFolder, "icons");
  return exclusively(directory, async () => {
    const sizes = [...new Set(towers.map(({ imageSize }) => imageSize))];
    const built = new Map<number, BuiltIcons>();
    for (const imageSize of sizes) {
      built.set(imageSize, await prepareIcons({ directory, note, imageSize }));
    }
    return built;
  });
}

function armOf(setting: Setting, icons: Icons): Arm {
  const { model, minutes, share, batchSize, learningRate, width } = setting;
  const part = share === 1 ? "all" : "a quarter of the";
  return {
    name: `${model.replaceAll("/", "-")}-${minutes}min-${share === 1 ? "all" : "quarter"}`,
    label: `${part} pictures, ${minutes} min: ${model}, width ${width}, batch ${batchSize}, rate ${learningRate}`,
    factors: { ...setting },
    settings: { stamp: builtAt(setting, icons).dataset.stamp },
    recipe: (seed) => recipeOf(setting, icons, seed),
    run: async (seed, context) => {
      const result = await context.train(recipeOf(setting, icons, seed));
      const { metrics: measured, items } = suiteOutcome(result.suites);
      const wanted = (key: string): boolean => key in metrics;
      return {
        metrics: {
          ...Object.fromEntries(Object.entries(measured).filter(([key]) => wanted(key))),
          steps: result.step,
          pictures: result.examplesSeen,
          peakMemory: result.peakMemoryBytes,
        },
        items: Object.fromEntries(Object.entries(items).filter(([key]) => wanted(key))),
      };
    },
  };
}

function builtAt({ imageSize }: Setting, icons: Icons): BuiltIcons {
  const built = icons.get(imageSize);
  if (built === undefined) throw new Error(`internal: no icons of ${imageSize} pixels`);
  return built;
}

function recipeOf(setting: Setting, icons: Icons, seed: number): Recipe {
  const { model, imageSize, minutes, batchSize, learningRate, share } = setting;
  const built = builtAt(setting, icons);
  const source = iconSource(built, "train");
  const shards = source.shards.filter((_, i) => i % Math.round(1 / share) === 0);
  const base = iconRecipe({
    train: { ...source, shards },
    suites: validationSuites(built),
    tokenizer: iconTokenizer(built),
    imageSize,
    seed,
    precision: "bfloat16",
  });
  const steps = STEPS_PER_MINUTE * minutes;
  return defineRecipe({
    ...base,
    name: "small-models",
    model,
    train: {
      ...base.train,
      batchSize,
      steps,
      minutes,
      optimizer: { learningRate, weightDecay: 0.1, beta2: 0.98 },
      schedule: { kind: "cosine", warmupSteps: steps / 20 },
      checkpoint: { keepLast: 1 },
    },
  });
}
