/**
 * AmorLIP (arXiv:2505.18983) and what it is compared with, over batch sizes at equal examples seen:
 * accuracy on a vendor that no run has seen, and what each objective adds to a step of CLIP.
 *
 * Run:     limn study amorlip
 */
import path from "node:path";
import type { Recipe } from "limn";
import {
  defineStudy,
  suiteOutcome,
  type Arm,
  type Outcome,
  type RunContext,
  type StudyMetric,
} from "limn/study";

import { objectiveMemory, stepCost } from "./amorlip-cost.ts";
import { methods, type Method } from "./amorlip-methods.ts";
import {
  amorlipClaims,
  amorlipFigures,
  amorlipTables,
  armName,
  batchSizes,
  costName,
  limitedMethods,
  limitedName,
} from "./amorlip-page.ts";
import { emojiSettings, emojiStudyRecipe, prepareEmoji, type EmojiStudyData } from "./emoji.ts";

const examples = 40_960;
/** At 128 pairs; with the root of the batch size up to 256 pairs, for every method. */
const learningRate = 1.5e-3;
const largestScaled = 256;

const sizes = {
  embedDim: 128,
  image: { kind: "vit", patchSize: 16, width: 64, depth: 1, heads: 2 },
  text: { kind: "transformer", width: 64, depth: 1, heads: 2 },
} as const;

interface Plan {
  method: Method;
  batchSize: number;
  /** Largest norm of the gradient; 1 when absent, null for none. */
  limit?: number | null;
}

/** Steps and learning rate: the same for every method. */
function paceOf(batchSize: number): { steps: number; rate: number } {
  const scaled = learningRate * Math.sqrt(Math.min(batchSize, largestScaled) / 128);
  return { steps: Math.round(examples / batchSize), rate: Number(scaled.toPrecision(3)) };
}

/** What an arm is, but for seed and data. */
function choicesOf({ method, batchSize }: Plan): {
  steps: number;
  rate: number;
  objective: NonNullable<Recipe["objective"]>;
  logits?: NonNullable<Recipe["logits"]>;
} {
  const pace = paceOf(batchSize);
  return { ...pace, ...method.settings(batchSize, pace.steps) };
}

function recipeOf(plan: Plan, seed: number, data: EmojiStudyData): Recipe {
  const { steps, rate, objective, logits } = choicesOf(plan);
  const { imageSize } = data.built.dataset.options;
  const recipe = emojiStudyRecipe(data, {
    name: armName(plan.method.name, plan.batchSize),
    ...{ seed, steps, objective },
    batchSize: plan.batchSize,
    learningRate: rate,
    ...(logits === undefined ? {} : { logits }),
    embedDim: sizes.embedDim,
    imageTower: { ...sizes.image, imageSize, pooling: "mean", classToken: false },
    textTower: sizes.text,
    captions: "first",
    augmentation: false,
    suites: data.suites(["vendor"], ["name", "english"]),
  });
  const { limit } = plan;
  if (limit === undefined) return recipe;
  const { gradientClip: _, ...train } = recipe.train;
  return { ...recipe, train: { ...train, ...(limit === null ? {} : { gradientClip: limit }) } };
}

async function runArm(
  plan: Plan,
  seed: number,
  { data, context }: { data: EmojiStudyData; context: RunContext },
): Promise<Outcome> {
  const result = await context.train(recipeOf(plan, seed, data));
  const { metrics, items } = suiteOutcome(result.suites);
  const known = <T>(record: Record<string, T>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).filter(([key]) => key in metricTable));
  return {
    metrics: { ...known(metrics), logitScale: result.logitScale ?? NaN },
    items: known(items),
  };
}

/** What a step takes is measured apart from training, with towers that have hardly learned. */
async function runCost(
  plan: Plan,
  { data, context }: { data: EmojiStudyData; context: RunContext },
): Promise<Outcome> {
  const [method] = methods;
  if (method === undefined) throw new Error("internal: no method");
  const recipe = recipeOf({ method, batchSize: 128 }, 0, data);
  const towers = await context.artifact(
    "towers",
    async (directory) => {
      const set = ["train.steps=2", "train.schedule.warmupSteps=0"];
      await context.train({ ...recipe, evaluate: { suites: [] } }, { directory, set });
    },
    { of: { sizes, stamp: data.built.dataset.stamp } },
  );
  const { objective, logits } = choicesOf(plan);
  const options = {
    ...{ model: path.join(towers, "model"), objective, batchSize: plan.batchSize },
    scaleLearned: logits?.scale?.learned ?? true,
    examples: data.built.dataset.splits.train.pictures,
    scratchFolder: path.join(context.folder, "scratch"),
    smoke: context.smoke,
  };
  const { step, overhead } = await stepCost(options);
  const time = { "cost/step": step, "cost/overhead": overhead };
  // Hardly a matter of chance: once is enough.
  if (plan.batchSize !== Math.max(...batchSizes) || context.seed !== 0) return { metrics: time };
  return { metrics: { ...time, "cost/memory": await objectiveMemory(options) } };
}

const share = (label: string, better: "higher" | "lower" = "higher"): StudyMetric => ({
  ...{ label, better },
  unit: "share",
});

const metricTable: Record<string, StudyMetric> = {
  "vendor/name/top1": share("zero-shot top-1"),
  "vendor/name/top5": share("zero-shot top-5"),
  "vendor/english/imageToText/recall@10": share("image to text R@10"),
  "vendor/english/textToImage/recall@10": share("text to image R@10"),
  "cost/step": { label: "CPU time of a step", unit: "seconds", better: "lower" },
  "cost/overhead": share("time beyond CLIP's step", "lower"),
  "cost/memory": { label: "memory at 4,096 pairs", unit: "bytes", better: "lower" },
  logitScale: { label: "final logit scale", unit: "number", better: "higher" },
};

function settings(data: EmojiStudyData): string[] {
  const rates = batchSizes.map((batchSize) => {
    const { rate, steps } = paceOf(batchSize);
    return `${batchSize} pairs: ${steps} steps, ${rate}`;
  });
  return [
    ...emojiSettings(data),
    `Every run sees ${examples.toLocaleString("en")} examples, ` +
      `${(examples / data.built.dataset.splits.train.pictures).toFixed(1)} passes; captions are the names; ` +
      "no augmentation",
    "Image tower: ViT of 32 pixels in four patches, width 64, one block, mean pooling; text tower: one block of " +
      "width 64, 12 tokens; embeddings of 128",
    "AdamW, weight decay 0.1, beta2 0.98, gradient norm at most 1, warm-up over a tenth, then a cosine to 0; the " +
      `same learning rate for every method, with the root of the batch size up to ${largestScaled} pairs ` +
      `(${rates.join("; ")}), chosen for CLIP. At 1,024 pairs CLIP learned nothing at 8.5e-3 and, like AmorLIP, less ` +
      "at 4.2e-3. The logit scale is learned with the run's rate",
    "Settings of methods were tried with seed 9 on 255 validation pictures of known vendors (Twitter's drawings " +
      "held back), one run each, as many examples, AmorLIP's networks updated in every step; nothing was chosen on the " +
      "tested vendor",
    ...methods.map(({ name, label, settings: of, tried }) => {
      const { kind, ...options } = of(128, examples / 128).objective;
      const given = JSON.stringify(options).replaceAll('"', "").replaceAll(",", ", ");
      return `${label} (arms \`${name}-*\`): ${kind}, at 128 pairs ${given}; tried: ${tried}`;
    }),
    "Time: CPU seconds of one thread for towers, objective, backward pass and AdamW, in turn with CLIP's step in one " +
      "process, the best of 8 to 30 rounds; a seed is a repetition; the figure of CLIP itself shows the noise. Memory: highest resident set above what was there " +
      "before one forward and backward pass of the objective alone, unchunked, 4,096 pairs of 128 dimensions",
  ];
}

export default defineStudy({
  name: "amorlip",
  title: "AmorLIP, its baselines and NeuCLIP over batch sizes",
  question:
    "AmorLIP learns a small network per modality that predicts each example's partition function, so that a small " +
    "batch is weighed against all the data. At equal examples seen, its authors find **AmorLIP > FastCLIP > SogCLR > " +
    "CLIP** on ImageNet and its shifts (Table 1: 18.9 / 17.7 / 17.0 / 14.0 with RN50 on CC3M at 1,024 pairs, SigLIP 15.1; " +
    "24.2 / 22.2 / 22.0 / 20.5 with ViT-B/32 on CC12M at 2,048, SigLIP 21.0), both of its objectives about equal, at 0.2 " +
    "to 4.5 % more time per step (Table 2). NeuCLIP's authors, on the same data, find **NeuCLIP > FastCLIP v3 > AmorLIP > " +
    "CLIP** (known to us from notes on their paper). All are meant to need smaller batches than CLIP does.",
  source: "AmorLIP, arXiv:2505.18983; FastCLIP, arXiv:2407.01445; NeuCLIP (ICLR 2026)",
  seeds: [0, 1, 2],
  secondsPerRun: 15,
  metrics: metricTable,
  prepare: (context) => prepareEmoji(context, { contextLength: 12 }),
  arms: (data) => {
    const plans = methods.flatMap((method) =>
      batchSizes.map((batchSize): Plan => ({ method, batchSize })),
    );
    const { stamp } = data.built.dataset;
    const trained = plans.map((plan): Arm => {
      const { method, batchSize } = plan;
      return {
        name: armName(method.name, batchSize),
        label: `${method.label}, ${batchSize}`,
        factors: { method: method.label, batchSize },
        settings: { ...choicesOf(plan), sizes, stamp },
        run: (seed, context) => runArm(plan, seed, { data, context }),
      };
    });
    const timed = plans.map((plan): Arm => {
      const { method, batchSize } = plan;
      return {
        name: costName(method.name, batchSize),
        label: `${method.label}, a step of ${batchSize}`,
        factors: { method: method.label, timed: batchSize },
        settings: { ...choicesOf(plan), sizes, stamp },
        run: (_seed, context) => runCost(plan, { data, context }),
      };
    });
    const limited = methods
      .filter(({ name }) => limitedMethods.includes(name))
      .map((method): Arm => {
        const batchSize = Math.max(...batchSizes);
        // CLIP's gradient is larger by the logit scale, which starts at 1 / 0.07.
        const limit = method.name === "clip" ? null : 0.07;
        const plan = { method, batchSize, limit };
        return {
          name: limitedName(method.name),
          label: `${method.label}, ${batchSize}, ${limit === null ? "no limit" : `limit ${limit}`}`,
          factors: { method: method.label, limited: batchSize },
          settings: { ...choicesOf(plan), limit, sizes, stamp },
          run: (seed, context) => runArm(plan, seed, { data, context }),
        };
      });
    return [...trained, ...limited, ...timed];
  },
  settings,
  tables: amorlipTables,
  figures: amorlipFigures,
  conclusions: amorlipClaims,
});
