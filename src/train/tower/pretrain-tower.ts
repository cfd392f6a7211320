/** Trains one tower by itself: what `limn pretrain` runs. Its folder is what a pair starts from. */
import { createLoader, type Loader } from "../../data/loader/loader.ts";
import type { LoaderOptions } from "../../data/loader/options.ts";
import {
  evaluationPreset,
  parseEvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import { createTokenizer } from "../../text/index.ts";
import { atPath, RecipeError } from "../../errors.ts";
import { openModelAt } from "../../checkpoints/open-model.ts";
import { loadNamed } from "../../checkpoints/tower-folder.ts";
import { readClasses, type NamedClass } from "../../evaluate/read-classes.ts";
import { manualSeed, type Device } from "../../torch/index.ts";
import { createImageTower, createTextTower } from "../../towers/index.ts";
import {
  imageTowerConfig,
  inRecipe,
  trainingDevice,
  textTowerConfig,
  withVocabulary,
} from "../recipe/build-model.ts";
import type { Prepared } from "../run/learner.ts";
import { openPixelCache, type Announce, type OpenCaches } from "../cache/open-caches.ts";
import { openingLine } from "../log/opening-line.ts";
import { checkHeldOut, checkTrainingData } from "../recipe/check-data.ts";
import { checkSameData, sampleData } from "../cache/run-data.ts";
import { refuseSetting } from "../recipe/check-recipe.ts";
import { announcer, runToEnd, type LoopOptions, type RunOutcome } from "../run/run.ts";
import { RunDirectory } from "../run/run-directory.ts";
import { loaderPosition, restoreTraining, type TrainingState } from "../run/run-checkpoint.ts";
import { answerCheck, Classification, classesOf } from "./classification.ts";
import { NextToken } from "./next-token.ts";
import {
  resolvePretraining,
  type ClassificationRecipe,
  type NextTokenRecipe,
  type ResolvedPretrainRecipe,
} from "../recipe/pretrain-recipe.ts";
import { TowerTrainer, type TowerTask } from "./tower-trainer.ts";

export interface PretrainOptions extends LoopOptions {
  /** What a recipe file exports (`definePretraining`); checked and completed here. */
  recipe: unknown;
  /** The run's folder. A run found there goes on where it stopped. */
  directory: string;
  /** Assignments such as `train.batchSize=256`. */
  set?: readonly string[];
  /** Two steps of eight samples. */
  smoke?: boolean;
  /** Go on with a run whose recipe or data was another. */
  allowRecipeChange?: boolean;
}

export interface PretrainResult extends RunOutcome {
  recipe: ResolvedPretrainRecipe;
}

/**
 * Pretrains one tower: an image tower by supervised classification, or a causal text tower by
 * next-token prediction on captions. `<directory>/model` is then what `towers.image.pretrained` or
 * `towers.text.pretrained` of a recipe takes.
 *
 * throws  RecipeError, DataError, CheckpointError before the first step where something does not fit;
 *         DataError later for a sample that cannot be read or answered; DivergedError when the loss
 *         leaves the numbers
 */
export async function pretrain(options: PretrainOptions): Promise<PretrainResult> {
  const recipe = withClasses(
    resolvePretraining(options.recipe, {
      set: options.set ?? [],
      smoke: options.smoke ?? false,
    }),
  );
  const directory = new RunDirectory(options.directory);
  return directory.asOnlyRun(async () => {
    if (!options.allowRecipeChange) directory.checkRecipe(recipe);
    const prepared = await prepare(recipe, directory, {
      announce: announcer(options),
      allowChange: options.allowRecipeChange ?? false,
    }).catch(refuseSetting);
    const begin = (): void => directory.saveRecipe(recipe);
    return runToEnd(prepared, { recipe, directory, options, begin }, (outcome) => ({
      ...outcome,
      recipe,
    }));
  });
}

/** With the classes of a file in its place: a run that goes on is to notice other ones. */
function withClasses(recipe: ResolvedPretrainRecipe): ResolvedPretrainRecipe {
  if (recipe.kind !== "classification" || typeof recipe.labels.classes !== "string") return recipe;
  const classes = readClasses(recipe.labels.classes).map(({ key, names }) => ({
    key,
    names: [...names],
  }));
  return { ...recipe, labels: { ...recipe.labels, classes } };
}

/** What a task brings to the loop. */
interface Made {
  task: TowerTask;
  loader: LoaderOptions;
  caches?: OpenCaches;
  /** Of the training data, where they are counted, and what one is. */
  samples: number | undefined;
  noun: "picture" | "sample";
}

async function prepare(
  recipe: ResolvedPretrainRecipe,
  directory: RunDirectory,
  { announce, allowChange }: { announce: Announce; allowChange: boolean },
): Promise<Prepared<TowerTrainer>> {
  const { seed, device: wanted } = recipe.train;
  const device = trainingDevice(wanted);
  manualSeed(seed);
  if (device !== "cpu") manualSeed(seed, device);
  const {
    task,
    loader: loaderOptions,
    caches,
    samples,
    noun,
  } = recipe.kind === "classification"
    ? await classification(recipe, device, announce)
    : await nextToken(recipe, device);
  const learner = new TowerTrainer(task, recipe.train, device);
  const parameters = task.model.parameters();
  announce?.(openingLine({ device, parameters, samples, noun, train: recipe.train }));
  let loader: Loader | undefined;
  const close = async (): Promise<void> => {
    await loader?.close();
    caches?.close();
    learner.dispose();
  };
  try {
    const latest = directory.latestCheckpoint();
    const state = latest === undefined ? undefined : restore(latest, learner, task);
    const position =
      latest === undefined || state === undefined
        ? {}
        : { position: loaderPosition(latest, state, directory.group) };
    loader = await createLoader({ ...loaderOptions, ...position });
    if (caches) loader = caches.filter(loader);
    const data = await sampleData(recipe.data.train);
    if (latest !== undefined && !allowChange) checkSameData(latest, state?.data, data);
    return { learner, loader, state, latest, data, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function restore(folder: string, learner: TowerTrainer, task: TowerTask): TrainingState {
  const weights = (): void => {
    const source = openModelAt(folder);
    try {
      loadNamed(source, [...task.model.namedState()]);
    } finally {
      source.close();
    }
  };
  return restoreTraining(folder, learner, weights);
}

async function classification(
  recipe: ClassificationRecipe,
  device: Device,
  announce: Announce,
): Promise<Made> {
  const config = imageTowerConfig(recipe.image, recipe);
  const transform = transformFor(recipe.data.transform, config.imageSize);
  const { train: source } = recipe.data;
  const given = recipe.labels.classes;
  const classes =
    given === undefined
      ? (await atPath("data.train", () => classesOf(source, recipe.labels))).map((key) => ({
          key,
          names: [key],
          label: key,
        }))
      : readClasses(given);
  checkLabels(recipe, classes);
  const samples = await checkPictures(recipe, classes);
  const tower = inRecipe("image", () => createImageTower(config, null));
  tower.run.checkpointing = recipe.train.activationCheckpointing;
  const task = new Classification({ recipe, tower, classes, transform, device });
  const caches = await openPixelCache(recipe, { transform, device, announce });
  task.pixels = caches?.sources.pixels;
  const { augmentation, maxPixels } = recipe.data;
  const loader: LoaderOptions = {
    ...commonLoader(recipe),
    transform,
    captions: "together",
    ...(maxPixels === undefined ? {} : { maxPixels }),
    ...(caches ? caches.loader : augmentation === undefined ? {} : { augmentation }),
  };
  return { task, loader, samples, noun: "picture", ...(caches ? { caches } : {}) };
}

/** Classes that come from the data need no second look. Returns the samples of `data.train`. */
async function checkPictures(
  { data, labels, evaluate }: ClassificationRecipe,
  classes: readonly NamedClass[],
): Promise<number | undefined> {
  const each = answerCheck(labels, classes);
  const isGiven = labels.classes !== undefined;
  const samples = await checkTrainingData(data, { captions: false, ...(isGiven ? { each } : {}) });
  if (evaluate.source)
    await checkHeldOut(evaluate.source, "evaluate.source", { captions: false, each });
  return samples;
}

function checkLabels({ labels }: ClassificationRecipe, classes: readonly unknown[]): void {
  if (labels.separator !== undefined && labels.smoothing > 0) {
    throw new RecipeError(
      "labels.smoothing",
      `Expected no smoothing with labels.separator for labels.smoothing but received ` +
        `${labels.smoothing}; remove one of the two`,
    );
  }
  if (classes.length >= 2) return;
  throw new RecipeError(
    "labels.answer",
    `Expected at least two classes for labels.answer but received ${classes.length}; ` +
      "choose another answer, or data with more classes",
  );
}

async function nextToken(recipe: NextTokenRecipe, device: Device): Promise<Made> {
  const { source } = recipe.evaluate;
  const texts = { captions: true, pictures: false };
  const samples = await checkTrainingData(recipe.data, texts);
  if (source) await checkHeldOut(source, "evaluate.source", texts);
  const tokenizer = await atPath("data.tokenizer", () => createTokenizer(recipe.data.tokenizer));
  const config = withVocabulary(textTowerConfig(recipe.text, recipe), tokenizer);
  const tower = inRecipe("text", () => createTextTower(config, null));
  if (!tower.causal || !tower.trimmable) {
    throw new RecipeError(
      "text",
      `Expected a causal transformer for text but received a ${config.kind} that looks both ways; ` +
        "next-token prediction needs a tower that looks back only",
    );
  }
  tower.run.checkpointing = recipe.train.activationCheckpointing;
  const task = new NextToken({ recipe, tower, tokenizer, device });
  const { captions } = recipe.data;
  const loader: LoaderOptions = {
    ...commonLoader(recipe),
    captions,
    tokenizer: tokenizer.description,
    images: "skip",
  };
  return { task, loader, samples, noun: "sample" };
}

function commonLoader({
  data,
  train,
}: ResolvedPretrainRecipe): Omit<LoaderOptions, "transform" | "captions"> {
  const { train: source, workers, prefetch, onError } = data;
  return {
    source,
    batchSize: train.batchSize,
    seed: train.seed,
    prefetch,
    onError,
    ...(workers === undefined ? {} : { workers }),
  };
}

function transformFor(
  given: Partial<EvaluationTransform> | undefined,
  imageSize: number,
): EvaluationTransform {
  const whole = { ...evaluationPreset("clip", imageSize), ...given, imageSize };
  return parseEvaluationTransform(whole, "data.transform");
}
