/** What an objective takes beside CLIP's: time of a whole step, and memory at a large batch. */
import { loadModel, type LoadedModel, type Recipe } from "limn";
import {
  createObjective,
  objectiveSchema,
  type ObjectiveInput,
  type TrainingObjective,
} from "limn/objectives";
import * as optimize from "limn/optimize";
import { peakMemoryBytes, resetPeakMemory } from "limn/study";
import * as torch from "limn/torch";

type Tensor = torch.Tensor;
type Objective = NonNullable<Recipe["objective"]>;

export interface CostOptions {
  /** A finished model: its towers are what a step runs. */
  model: string;
  objective: Objective;
  /** Whether the recipe learns the logit scale. */
  scaleLearned: boolean;
  batchSize: number;
  /** Pictures of the training set, which an objective may remember one by one. */
  examples: number;
  /** A folder for files of the objective. */
  scratchFolder: string;
  /** Fewer rounds. */
  smoke: boolean;
}

export interface StepCost {
  /** CPU seconds of one step: towers, objective, backward pass, AdamW. */
  step: number;
  /** More than CLIP's step, as a share of that. */
  overhead: number;
}

/**
 * Times a step against CLIP's in turn, in one process with the same towers and batch, and takes the
 * best of several rounds of each: what else the machine does only ever slows. CPU time of one thread:
 * on a machine that others use, time on the clock measures them.
 */
export async function stepCost(options: CostOptions): Promise<StepCost> {
  const loaded = await loadModel(options.model);
  const threads = torch.threadCount();
  torch.setThreadCount(1);
  const clip = stepsOf(loaded, { ...options, objective: { kind: "softmax" }, scaleLearned: true });
  const own = stepsOf(loaded, options);
  const group = intervalOf(options.objective);
  const seconds = ({ run }: Steps): number => cpuSeconds(run, group);
  try {
    // The first steps fill memory pools; AmorLIP's older network comes with the second.
    for (const steps of [clip, own]) cpuSeconds(steps.run, 2);
    const [clips, owns] = [[seconds(clip)], [seconds(own)]];
    const once = Math.min(...clips) + Math.min(...owns);
    const rounds = options.smoke ? 1 : Math.min(30, Math.max(8, Math.round(1.5 / once)));
    for (let round = 0; round < rounds; round++) {
      // Whoever is second finds memory and caches as the first left them.
      if (round % 2 === 0) clips.push(seconds(clip));
      owns.push(seconds(own));
      if (round % 2 === 1) clips.push(seconds(clip));
    }
    const [clipBest, ownBest] = [Math.min(...clips), Math.min(...owns)];
    return { step: ownBest / group, overhead: ownBest / clipBest - 1 };
  } finally {
    clip.dispose();
    own.dispose();
    loaded.dispose();
    torch.setThreadCount(threads);
  }
}

/** Steps after which what a step does comes round again. */
function intervalOf(objective: Objective): number {
  return objective.kind === "amorlip" ? (objective.onlineInterval ?? 1) : 1;
}

/** Pairs at which memory is measured: matrices of 67 MB, beside which nothing else counts. */
export const memoryPairs = 4096;

/**
 * Highest resident memory above what was there before, over one forward and backward pass of the
 * objective alone (no towers, no chunks). NaN where the system does not say.
 */
export async function objectiveMemory(options: CostOptions): Promise<number> {
  const size = options.smoke ? 64 : memoryPairs;
  const { embedDim } = (await configOf(options.model)) ?? { embedDim: 128 };
  const objective = create(options, embedDim, size);
  const { image, text } = torch.scope(() => {
    const rows = (): Tensor => {
      const x = torch.randn([size, embedDim]);
      return x
        .div(x.norm([1], true))
        .detach()
        .setRequiresGrad(true)
        .keep();
    };
    return { image: rows(), text: rows() };
  });
  const logitScale = torch.tensor(14.3).setRequiresGrad(options.scaleLearned);
  const run = (step: number): void =>
    torch.scope(() => {
      const ids = Array.from({ length: size }, (_, i) => `example ${i}`);
      const rows = { image, text, rawImage: image, rawText: text };
      const input = {
        ...rows,
        logitScale,
        logitBias: biasOf(options),
        ids,
        step,
        position: step,
        epoch: step,
      };
      torch.backward(objective.compute(input).loss);
    });
  try {
    run(0);
    resetPeakMemory();
    const before = process.memoryUsage.rss();
    run(1);
    return Math.max(0, peakMemoryBytes() - before);
  } finally {
    objective.dispose();
    for (const tensor of [image, text, logitScale]) tensor.dispose();
  }
}

async function configOf(model: string): Promise<{ embedDim: number } | undefined> {
  const loaded = await loadModel(model);
  try {
    return { embedDim: loaded.config.embedDim };
  } finally {
    loaded.dispose();
  }
}

function create(options: CostOptions, embedDim: number, batchSize: number): TrainingObjective {
  return createObjective(objectiveSchema.parse(options.objective), {
    device: "cpu",
    embedDim,
    batchSize,
    steps: 1_000_000,
    hasLogitBias: options.objective.kind === "sigmoid",
    logitScaleInit: 14.3,
    logitScaleLearned: options.scaleLearned,
    scratchFolder: options.scratchFolder,
  });
}

function biasOf({ objective }: CostOptions): Tensor | null {
  return objective.kind === "sigmoid" ? torch.tensor(-5).setRequiresGrad(true) : null;
}

interface Steps {
  run: () => void;
  dispose: () => void;
}

/** Steps on noise: what they take depends on the sizes alone. */
function stepsOf({ pair: model, tokenizer, config }: LoadedModel, options: CostOptions): Steps {
  const { batchSize, examples } = options;
  const objective = create(options, config.embedDim, batchSize);
  const groups = optimize.parameterGroups(model, { weightDecay: 0 });
  const optimizer = new optimize.AdamW(groups);
  const side = config.image.imageSize;
  const pixels = torch.randn([batchSize, 3, side, side]);
  const names = Array.from({ length: batchSize }, () => "smiling face with sunglasses");
  const { tokens } = tokenizer.encodeBatch(names);
  const ids = torch.fromData(tokens, [batchSize, tokenizer.contextLength]);
  const logitBias = biasOf(options);
  // From the second epoch on, as AmorLIP's older network comes in there.
  let step = "epochSteps" in options.objective ? (options.objective.epochSteps ?? 1) - 1 : 0;
  const run = (): void =>
    torch.scope(() => {
      const [image, text] = [model.encodeImages(pixels), model.encodeTexts(ids)];
      const logitScale = options.scaleLearned ? model.logitScale() : model.logitScale().detach();
      const input: ObjectiveInput = {
        ...{ image, text, rawImage: image, rawText: text, logitScale, logitBias },
        ids: Array.from({ length: batchSize }, (_, i) => `${(step * batchSize + i) % examples}`),
        ...{ step, position: step, epoch: Math.floor((step * batchSize) / examples) },
      };
      step++;
      torch.backward(objective.compute(input).loss);
      optimizer.step(1e-9);
      optimizer.zeroGrad();
    });
  return {
    run,
    dispose: () => {
      objective.dispose();
      optimizer.dispose();
      for (const tensor of [pixels, ids, ...(logitBias ? [logitBias] : [])]) tensor.dispose();
    },
  };
}

function cpuSeconds(run: () => void, times: number): number {
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
