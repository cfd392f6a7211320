/** What of a pair's run must fit together before its first step: model, weights, caches, loader. */
import { createLoader, type Loader, type LoaderOptions } from "../../data/loader/loader.ts";
import { convertedFirst, type EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { RecipeError, UnsettledError } from "../../errors.ts";
import { loadWeights, pairConfigOf } from "../../checkpoints/checkpoint.ts";
import type { ModelSource } from "../../checkpoints/layout.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { loadPair, loadTower } from "../../checkpoints/tower-folder.ts";
import { lowRankNames } from "../../nn/low-rank.ts";
import type { Tensor } from "../../torch/index.ts";
import { checkSuite } from "../../evaluate/check-suite.ts";
import { openingLine } from "../log/opening-line.ts";
import { checkTrainingData } from "../recipe/check-data.ts";
import { trainingDevice } from "../recipe/build-model.ts";
import type { Prepared } from "../run/learner.ts";
import { openCheckpoint, openOrigins, type Origins } from "./origins.ts";
import { pairParts } from "./pair-parts.ts";
import { PairLearner } from "./pair-learner.ts";
import { openCaches, type Announce, type OpenCaches } from "../cache/open-caches.ts";
import { checkSameData, sampleData } from "../cache/run-data.ts";
import type { ProcessGroup } from "../process-group.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";
import type { RunDirectory } from "../run/run-directory.ts";
import { openTeacher, type OpenTeacher } from "./teacher.ts";
import type { Trainer } from "../step/trainer.ts";
import { loaderPosition, restoreTraining, type TrainingState } from "../run/run-checkpoint.ts";

/**
 * throws  RecipeError, DataError or CheckpointError where something does not fit; nothing stays open
 */
export async function preparePair(
  recipe: ResolvedRecipe,
  directory: RunDirectory,
  { announce, allowChange = false }: { announce?: Announce; allowChange?: boolean } = {},
): Promise<Prepared<PairLearner>> {
  const samples = directory.group.isFirst ? await lookAtData(recipe) : undefined;
  const latest = directory.latestCheckpoint();
  const origins = latest === undefined ? await openOrigins(recipe) : openCheckpoint(latest);
  try {
    return await prepare(recipe, origins, { directory, latest, announce, allowChange, samples });
  } finally {
    origins.close();
  }
}

/** Looks at data and suites before anything is built. Returns the samples of `data.train`, where counted. */
export async function lookAtData({ data, evaluate }: ResolvedRecipe): Promise<number | undefined> {
  const samples = await checkTrainingData(data, { captions: true });
  for (const [i, suite] of evaluate.suites.entries()) {
    await checkSuite(suite, `evaluate.suites.${i}`);
  }
  return samples;
}

interface Surroundings {
  directory: RunDirectory;
  /** The checkpoint that the run goes on from, which is then the pair of the origins. */
  latest: string | undefined;
  announce: Announce | undefined;
  /** Goes on with other data than before. */
  allowChange: boolean;
  /** Of the training data, where they are counted. */
  samples: number | undefined;
}

async function prepare(
  recipe: ResolvedRecipe,
  origins: Origins,
  { directory, latest, announce, allowChange, samples }: Surroundings,
): Promise<Prepared<PairLearner>> {
  const { config, tokenizer, transform, templates } = await pairParts(recipe, origins.pair);
  const device = trainingDevice(recipe.train.device);
  const { group } = directory;
  const open: {
    teacher?: OpenTeacher | undefined;
    learner?: PairLearner;
    caches?: OpenCaches;
    loader?: Loader;
  } = {};
  const close = async (): Promise<void> => {
    await open.loader?.close();
    open.caches?.close();
    open.teacher?.close();
    open.learner?.dispose();
  };
  try {
    if (latest === undefined) checkNormalization(recipe, origins, transform);
    open.teacher = await openTeacher(recipe, { transform, device });
    open.learner = new PairLearner({
      recipe,
      config,
      device,
      tokenizer,
      transform,
      templates,
      adapterFolder: directory.adapterFolder,
      scratchFolder: directory.scratchFolder,
      group,
      ...(latest === undefined
        ? { initialize: (model) => initialize(model, origins, recipe) }
        : {}),
    });
    announce?.(
      openingLine({
        device,
        parameters: open.learner.model.parameters(),
        // With all captions, an epoch is more than its pictures.
        samples: recipe.data.captions === "all" ? undefined : samples,
        noun: "picture",
        train: recipe.train,
      }),
    );
    const state = latest === undefined ? undefined : restorePair(latest, origins, open.learner);
    open.caches = await openCaches(recipe, {
      model: open.learner.model,
      device,
      transform,
      tokenizer,
      announce,
      group,
    });
    open.learner.readFrom({ ...open.caches.sources, ...open.teacher?.source });
    const options = {
      ...loaderOptions(recipe, { transform, tokenizer, group }),
      ...(latest === undefined || state === undefined
        ? {}
        : { position: loaderPosition(latest, state, group) }),
    };
    open.loader = open.caches.filter(await createLoader({ ...options, ...open.caches.loader }));
    const data = group.isFirst ? await sampleData(recipe.data.train) : undefined;
    if (data && latest !== undefined && !allowChange) checkSameData(latest, state?.data, data);
    const { learner, loader } = open;
    return { learner, loader, state, latest, data, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function restorePair(folder: string, { pair }: Origins, trainer: Trainer): TrainingState {
  // A checkpoint's model has the low-rank changes merged; what is exact lies beside it.
  const apart = lowRankNames(trainer.model);
  const namedState = function* (): Generator<[string, Tensor]> {
    for (const entry of trainer.model.namedState()) if (!apart.has(entry[0])) yield entry;
  };
  return restoreTraining(folder, trainer, () => {
    loadWeights(pair as ModelSource, { namedState });
  });
}

/** Pretrained weights: of the whole pair, then of single towers; but scale and bias as recipes say. */
function initialize(
  model: DualEncoder,
  origins: Origins,
  { towers, logits }: ResolvedRecipe,
): void {
  const { pair } = origins;
  if (pair !== undefined) {
    // A pair without a bias begins with the objective's, where that has one.
    const hasBias = pairConfigOf(pair).logitBiasInit !== undefined;
    const own = {
      scale: logits.scale.init !== undefined,
      bias: logits.bias !== undefined || !hasBias,
    };
    loadPair(pair, model, own);
  }
  for (const side of ["image", "text"] as const) {
    const origin = origins[side];
    if (origin === undefined) continue;
    const tower = side === "image" ? model.imageTower : model.textTower;
    loadTower(origin, side, tower, { head: towers[side].head });
  }
}

/**
 * A pretrained image tower knows pictures of one mean and deviation. Throws RecipeError where the run
 * would give it others without saying so.
 */
function checkNormalization(
  { data }: ResolvedRecipe,
  { image, pair }: Origins,
  { mean, std }: EvaluationTransform,
): void {
  const origin = image ?? pair;
  if (origin === undefined || data.transform?.mean || data.transform?.std) return;
  const theirs = knownTransform(origin);
  if (theirs === undefined) return;
  const show = (all: readonly number[]): string => `[${all.join(", ")}]`;
  if (show(theirs.mean) === show(mean) && show(theirs.std) === show(std)) return;
  throw new RecipeError(
    "data.transform",
    `Expected the pictures that the tower in ${origin.place.path} knows for data.transform but received none ` +
      `with its mean and std; write mean: ${show(theirs.mean)}, std: ${show(theirs.std)}, or others`,
  );
}

/** Undefined where the checkpoint does not say how pictures are prepared. */
function knownTransform(origin: ModelSource): EvaluationTransform | undefined {
  try {
    return convertedFirst(origin.evaluationTransform());
  } catch (error) {
    if (error instanceof UnsettledError) return undefined;
    throw error;
  }
}

/** The recipe's `batchSize` is of all ranks; each loads its share. */
function loaderOptions(
  recipe: ResolvedRecipe,
  {
    transform,
    tokenizer,
    group: { rank, size },
  }: { transform: EvaluationTransform; tokenizer: Tokenizer; group: ProcessGroup },
): LoaderOptions {
  const { train: source, captions, workers, prefetch, maxPixels, onError } = recipe.data;
  const { batchSize, seed } = recipe.train;
  if (batchSize % size !== 0) {
    throw new RecipeError(
      "train.batchSize",
      `Expected a multiple of the ${size} processes for train.batchSize but received ${batchSize}; ` +
        "every process takes an equal share",
    );
  }
  return {
    source,
    transform,
    tokenizer: tokenizer.description,
    batchSize: batchSize / size,
    seed,
    captions,
    prefetch,
    onError,
    ...(workers === undefined ? {} : { workers }),
    ...(maxPixels === undefined ? {} : { maxPixels }),
    ...(size === 1 ? {} : { share: { rank, size } }),
  };
}
