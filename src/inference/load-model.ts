/** A checkpoint as something that runs: weights, tokenizer and preprocessing that belong together. */
import type { EvaluationTransform } from "../data/image/evaluation-transform.ts";
import type { NaflexTransform } from "../data/image/naflex-transform.ts";
import type { Tokenizer } from "../text/index.ts";
import { saveTokenizer } from "../text/index.ts";
import { CheckpointError } from "../errors.ts";
import { withoutInitialValues } from "../nn/initialize.ts";
import { checkPrecision, type Precision } from "../nn/precision.ts";
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
import { modelIdentity, type ModelIdentity } from "./features/identity.ts";
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
import type { WeightRow } from "../checkpoints/weights/key-table.ts";
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
  /** Both towers and the logit scale, in evaluation mode; prepared for inference unless told not to. */
  readonly pair: DualEncoder;
  /** What pictures are computed in. */
  readonly precision: Precision;
  /** What its embeddings are told apart by; undefined unless `identify` was asked for. */
  readonly identity: ModelIdentity | undefined;
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
   * Writes the model, its preprocessing and its tokenizer into a folder, all of it or nothing. The
   * weights are those of its files, read again where it is prepared for inference.
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
  /** What is computed in; `availablePrecisions` tells what this machine has. Default `float32`. */
  precision?: Precision | undefined;
  /**
   * False leaves the weights as they are, to be read, changed or trained: slower, and in float32 only.
   * Default true: they are laid out for inference once, and `pair` can only compute.
   */
  prepare?: boolean;
  /** Whether `identity` is computed: 350 MB of weights take about half a second. Default false. */
  identify?: boolean;
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
 *         settles it; DataError for damaged tokenizer files; RangeError for a precision that this
 *         machine does not have
 */
export async function loadModel(
  reference: string,
  {
    device = "cpu",
    precision = "float32",
    prepare = true,
    identify = false,
    hub,
    ...given
  }: LoadModelOptions = {},
): Promise<LoadedModel> {
  checkPrecision(precision, device);
  if (!prepare && precision !== "float32") {
    throw new RangeError(
      `Expected float32 for precision with prepare: false but received ${precision}; ` +
        "only prepared weights are held in another one",
    );
  }
  const source = await openModel(reference, given, hub);
  try {
    return await load(source, { device, precision, prepare, identify });
  } finally {
    source.close();
  }
}

type Use = Required<Pick<LoadModelOptions, "device" | "prepare" | "identify">> & {
  precision: Precision;
};

async function load(
  source: ModelSource,
  { device, precision, prepare, identify }: Use,
): Promise<LoadedModel> {
  const { layout, family, contents } = source;
  const { path } = source.place;
  const config = pairConfigOf(source);
  // Names and shapes of all weights, before memory for them is taken.
  const rows = checkedRows(source, modelShapes(path, contents));
  const evaluationTransform = source.evaluationTransform();
  checkImageSize(path, config, evaluationTransform);
  const templates = source.templates();
  const tokenizer = await source.tokenizer();
  const naflexTransform = source.naflexTransform?.();
  const transform = naflexTransform ?? evaluationTransform;
  const pair = readPair(source, rows);
  let identity: ModelIdentity | undefined;
  try {
    if (identify) identity = await modelIdentity(pair, { transform, tokenizer, precision });
    pair.to(device).train(false);
    if (prepare) pair.prepareForInference(precision);
  } catch (error) {
    pair.dispose();
    throw error;
  }
  const probabilities = probabilityKind(config);
  const encoder = pairEncoder(pair, transform);
  return {
    path,
    layout,
    family,
    config,
    ...{ pair, precision, tokenizer, evaluationTransform, naflexTransform, probabilities },
    ...{ encoder, templates, identity },
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

/** The pair with its weights, on the CPU. */
function readPair(source: ModelSource, rows: WeightRow[]): DualEncoder {
  const { path } = source.place;
  const pair = createEmpty(path, pairConfigOf(source));
  try {
    copyRows(source, rows, pair.namedState());
    checkFinite(path, pair.namedState());
    return pair;
  } catch (error) {
    pair.dispose();
    throw error;
  }
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
  const { path } = source.place;
  const whole =
    pair.preparedAs === null
      ? pair
      : readPair(source, checkedRows(source, modelShapes(path, source.contents)));
  try {
    await saveCheckpoint(
      folder,
      {
        config: pairConfigOf(source),
        weights: whole.namedState(),
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
    if (whole !== pair) whole.dispose();
  }
}
