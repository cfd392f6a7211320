/** A checkpoint as something that runs: weights, tokenizer and preprocessing that belong together. */
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import type { NaflexTransform } from "../data/image/naflex-transform.ts";
import type { Tokenizer } from "../text/index.ts";
import { saveTokenizer } from "../text/index.ts";
import { CheckpointError } from "../errors.ts";
import { withoutInitialValues } from "../nn/initialize.ts";
import type { Device } from "../torch/index.ts";
import {
  loadCarried,
  pairConfigOf,
  saveCheckpoint,
  type SaveOptions,
} from "../checkpoints/checkpoint.ts";
import { DualEncoder, type DualEncoderConfig, probabilityKind } from "../pair/dual-encoder.ts";
import { pairEncoder, type Encoder } from "./encoder.ts";
import type { ClassEntry } from "./class-list.ts";
import { imageEncoder, type EncodeImages } from "./encode-images.ts";
import { textEncoder, type EncodeTexts } from "./encode-texts.ts";
import type { InferenceModel } from "./inference-model.ts";
import type { Picture } from "./picture-batches.ts";
import { similarity, type SimilarityOptions, type SimilarityResult } from "./similarity.ts";
import {
  readSavedClassifier,
  ZeroShotClassifier,
  zeroShotClassifier,
  type ClassifierOptions,
} from "./zero-shot-classifier.ts";
import type { Family, GivenFacts, ModelSource } from "../checkpoints/layout.ts";
import type { HubFetchOptions } from "../checkpoints/local-model.ts";
import { checkedRows, copyRows } from "../checkpoints/load-weights.ts";
import { configurationError, modelShapes } from "../checkpoints/model-shapes.ts";
import { openModel } from "../checkpoints/open-model.ts";
import { checkFinite } from "../checkpoints/weights/check-weights.ts";

/** What a loaded model can do. */
interface InferenceMethods {
  readonly encodeImages: EncodeImages;
  readonly encodeTexts: EncodeTexts;
  /** See `zeroShotClassifier`: class weights made once, for any number of pictures. */
  zeroShotClassifier(
    labels: readonly ClassEntry[],
    options?: ClassifierOptions,
  ): Promise<ZeroShotClassifier>;
  /** The classifier behind `JSON.stringify(classifier)`, parsed. Throws CheckpointError. */
  restoreZeroShotClassifier(saved: unknown): ZeroShotClassifier;
  /** Every picture against every text. */
  similarity(
    pictures: Picture | Iterable<Picture>,
    texts: string | Iterable<string>,
    options?: SimilarityOptions,
  ): Promise<SimilarityResult>;
}

export interface LoadedModel extends InferenceMethods {
  /** Where it was loaded from. */
  readonly path: string;
  /** How it was stored, `Hugging Face CLIPModel`. */
  readonly layout: string;
  readonly family: Family;
  readonly config: DualEncoderConfig;
  /** Both towers and the logit scale, in evaluation mode. */
  readonly pair: DualEncoder;
  readonly tokenizer: Tokenizer;
  readonly evaluationTransform: EvaluationTransform;
  /** How pictures become patches of their own aspect ratio (SigLIP 2's NaFlex); else undefined. */
  readonly naflexTransform: NaflexTransform | undefined;
  /**
   * The templates that it carries for the names of classes, `{}` as their place: what its classifiers and
   * evaluations take where nothing else is asked for. Undefined where it has none.
   */
  readonly templates: readonly string[] | undefined;
  /** How logits become probabilities: over all labels, or for each alone (SigLIP). */
  readonly probabilities: "softmax" | "sigmoid";
  /** Prepared pictures and tokens to rows; what the methods run on. */
  readonly encoder: Encoder;
  /**
   * Writes the model, its preprocessing and its tokenizer into a folder, all of it or nothing.
   *
   * throws  CheckpointError as `saveCheckpoint`
   */
  save(folder: string, options?: SaveOptions): Promise<void>;
  /** Frees the weights. */
  dispose(): void;
}

export interface LoadModelOptions extends GivenFacts {
  /** Default `cpu`. */
  device?: Device;
  /** How a model of the hub is fetched. */
  hub?: HubFetchOptions;
}

/**
 * Loads a model: of the hub, `hf://organisation/name[@revision]`, or from a folder or file in any
 * layout that `openModel` knows. Draws no random numbers.
 *
 * throws  HubError for a model that cannot be fetched; CheckpointError naming the file: a missing or
 *         damaged one, weights that do not fit the configuration or are not finite, a tokenizer that
 *         does not fit the text tower, a question that the files leave open with the option that
 *         settles it; DataError for damaged tokenizer files
 */
export async function loadModel(
  reference: string,
  { device = "cpu", hub, ...given }: LoadModelOptions = {},
): Promise<LoadedModel> {
  const source = await openModel(reference, given, hub);
  try {
    return await load(source, device);
  } finally {
    source.close();
  }
}

async function load(source: ModelSource, device: Device): Promise<LoadedModel> {
  const { layout, family, contents } = source;
  const { path } = source.place;
  const config = pairConfigOf(source);
  // Names and shapes of all weights, before memory for them is taken.
  const rows = checkedRows(source, modelShapes(path, contents));
  const evaluationTransform = source.evaluationTransform();
  checkImageSize(path, config, evaluationTransform);
  const templates = source.templates();
  const tokenizer = await source.tokenizer();
  const pair = createEmpty(path, config);
  try {
    copyRows(source, rows, pair.namedState());
    checkFinite(path, pair.namedState());
    pair.to(device).train(false);
  } catch (error) {
    pair.dispose();
    throw error;
  }
  const probabilities = probabilityKind(config);
  const naflexTransform = source.naflexTransform?.();
  const encoder = pairEncoder(pair, naflexTransform ?? evaluationTransform);
  return {
    path,
    layout,
    family,
    config,
    ...{ pair, tokenizer, evaluationTransform, naflexTransform, probabilities, encoder, templates },
    ...inferenceMethods({ pair, tokenizer, encoder, templates }),
    save: (folder, options) =>
      saveLoaded({ source, pair, tokenizer, evaluationTransform }, folder, options),
    dispose: () => pair.dispose(),
  };
}

/** Borrows the model's parts; the model must outlive the methods. */
function inferenceMethods(model: InferenceModel): InferenceMethods {
  return {
    encodeImages: imageEncoder(model),
    encodeTexts: textEncoder(model),
    zeroShotClassifier: (labels, options) => zeroShotClassifier(model, labels, options),
    restoreZeroShotClassifier: (saved) =>
      new ZeroShotClassifier(model, readSavedClassifier(saved, model.pair)),
    similarity: (pictures, texts, options) => similarity(model, pictures, texts, options),
  };
}

/** A model whose memory is reserved only: its weights are read over it at once. */
function createEmpty(path: string, config: DualEncoderConfig): DualEncoder {
  try {
    return withoutInitialValues(() => new DualEncoder(config));
  } catch (cause) {
    throw configurationError(path, cause);
  }
}

function checkImageSize(
  path: string,
  { image }: DualEncoderConfig,
  { imageSize }: EvaluationTransform,
): void {
  if (imageSize === image.imageSize) return;
  throw new CheckpointError(
    path,
    `Expected pictures of ${image.imageSize} pixels for the model in ${path} but its ` +
      `preprocessing makes ${imageSize}; use both files of one model`,
  );
}

type Saved = Pick<LoadedModel, "pair" | "tokenizer" | "evaluationTransform"> & {
  source: ModelSource;
};

async function saveLoaded(
  { source, pair, tokenizer, evaluationTransform }: Saved,
  folder: string,
  options?: SaveOptions,
): Promise<void> {
  const carried = options?.layout === "limn" ? [] : loadCarried(source);
  try {
    await saveCheckpoint(
      folder,
      {
        config: pairConfigOf(source),
        weights: pair.namedState(),
        evaluationTransform,
        naflexTransform: source.naflexTransform?.(),
        templates: source.templates(),
        tokenizer: tokenizer.description,
        tokenizerFiles: (partial) => saveTokenizer(tokenizer, partial),
        carried,
      },
      options,
    );
  } finally {
    source.close();
    for (const [, tensor] of carried) tensor.dispose();
  }
}
