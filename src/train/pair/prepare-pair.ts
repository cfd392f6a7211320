/** What of a pair's run must fit together before its first step: model, weights, caches, loader. */
import { join } from "node:path";

import { createLoader, type Loader } from "../../data/loader/loader.ts";
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { Tokenizer } from "../../text/tokenizer-description.ts";
import { RecipeError, UnsettledError } from "../../errors.ts";
import { loadWeights, pairConfigOf } from "../../checkpoints/checkpoint.ts";
import type { ModelSource } from "../../checkpoints/layout.ts";
import type { DualEncoder } from "../../pair/dual-encoder.ts";
import { loadPair, loadTower } from "../../checkpoints/tower-folder.ts";
import { lowRankNames } from "../../nn/low-rank.ts";
import type { Tensor } from "../../torch/index.ts";
import { trainingDevice } from "./build-model.ts";
import type { Prepared } from "../run/learner.ts";
import { openCheckpoint, openOrigins, type Origins } from "./origins.ts";
import { pairParts } from "./pair-parts.ts";
import { PairLearner } from "./pair-learner.ts";
import { openRowSources, type Announce, type OpenSources } from "../cache/row-sources.ts";
import type { ResolvedRecipe } from "../recipe/recipe.ts";
import type { RunDirectory } from "../run/run-directory.ts";
import { openTeacher, type OpenTeacher } from "./teacher.ts";
import { Trainer } from "../step/trainer.ts";
import { restoreTraining, type TrainingState } from "../run/training-checkpoint.ts";

/**
 * throws  RecipeError, DataError or CheckpointError where something does not fit; nothing stays open
 */
export async function preparePair(
  recipe: ResolvedRecipe,
  directory: RunDirectory,
  announce?: Announce,
): Promise<Prepared<PairLearner>> {
  const latest = directory.latestCheckpoint();
  const origins = latest === undefined ? await openOrigins(recipe) : openCheckpoint(latest);
  try {
    return await prepare(recipe, origins, { directory, latest, announce });
  } finally {
    origins.close();
  }
}

interface Surroundings {
  directory: RunDirectory;
  /** The checkpoint that the run goes on from, which is then the pair of the origins. */
  latest: string | undefined;
  announce: Announce | undefined;
}

async function prepare(
  recipe: ResolvedRecipe,
  origins: Origins,
  { directory, latest, announce }: Surroundings,
): Promise<Prepared<PairLearner>> {
  const { config, tokenizer, transform } = await pairParts(recipe, origins.pair);
  const device = trainingDevice(recipe.train.device);
  const open: {
    teacher?: OpenTeacher | undefined;
    trainer?: Trainer;
    rows?: OpenSources;
    loader?: Loader;
  } = {};
  const close = async (): Promise<void> => {
    await open.loader?.close();
    open.rows?.close();
    open.teacher?.close();
    open.trainer?.dispose();
  };
  try {
    if (latest === undefined) checkNormalization(recipe, origins, transform);
    open.teacher = await openTeacher(recipe, { transform, device });
    open.trainer = new Trainer({
      recipe,
      config,
      device,
      normalization: transform,
      scratchFolder: join(directory.path, "scratch"),
      ...(latest === undefined
        ? { initialize: (model) => initialize(model, origins, recipe) }
        : {}),
    });
    const state = latest === undefined ? undefined : restorePair(latest, origins, open.trainer);
    open.rows = await openRowSources(recipe, {
      trainer: open.trainer,
      transform,
      tokenizer,
      announce,
    });
    open.trainer.readFrom({ ...open.rows.sources, ...open.teacher?.source });
    const options = loaderOptions(recipe, transform, tokenizer, state);
    open.loader = open.rows.filter(await createLoader({ ...options, ...open.rows.loader }));
    const { trainer, loader } = open;
    const { adapterFolder } = directory;
    const learner = new PairLearner({ recipe, trainer, tokenizer, transform, adapterFolder });
    return { learner, loader, state, latest, close };
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
    return origin.evaluationTransform();
  } catch (error) {
    if (error instanceof UnsettledError) return undefined;
    throw error;
  }
}

function loaderOptions(
  recipe: ResolvedRecipe,
  transform: EvaluationTransform,
  tokenizer: Tokenizer,
  state: TrainingState | undefined,
): Parameters<typeof createLoader>[0] {
  const { train: source, captions, workers, prefetch, onError } = recipe.data;
  return {
    source,
    transform,
    tokenizer: tokenizer.description,
    batchSize: recipe.train.batchSize,
    seed: recipe.train.seed,
    captions,
    prefetch,
    onError,
    ...(workers === undefined ? {} : { workers }),
    ...(state === undefined ? {} : { position: state.loader as never }),
  };
}
