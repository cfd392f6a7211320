/** A model folder as something that runs: weights, tokenizer and preprocessing that belong together. */
import { join } from "node:path";

import {
  applyEvaluationTransform,
  type EvaluationTransform,
} from "../data/image/evaluation-transform.ts";
import { createTokenizer, loadTokenizer, type Tokenizer } from "../data/tokenize/index.ts";
import { CheckpointError } from "../errors.ts";
import { fromData, randomState, scope, setRandomState } from "../torch/index.ts";
import type { Device, Tensor } from "../torch/index.ts";
import { existingFolder } from "./atomic-write.ts";
import {
  checkCheckpoint,
  loadWeights,
  readCheckpointConfig,
  readCheckpointTransform,
} from "./checkpoint.ts";
import { DualEncoder, inference, pixelsToTensor, type DualEncoderConfig } from "./dual-encoder.ts";

export interface LoadedModel {
  readonly folder: string;
  readonly config: DualEncoderConfig;
  /** In evaluation mode. */
  readonly model: DualEncoder;
  readonly tokenizer: Tokenizer;
  readonly evaluationTransform: EvaluationTransform;
  /**
   * Encoded pictures (bytes of JPEG, PNG, ... files) to imageEmbeddings [N, D] float32, unit rows;
   * one batch. The caller owns the result.
   */
  encodeImages(files: readonly Uint8Array[]): Promise<Tensor>;
  /** Texts to textEmbeddings [N, D] float32, unit rows; one batch. The caller owns the result. */
  encodeTexts(texts: readonly string[]): Tensor;
  /** Frees the weights. */
  dispose(): void;
}

export interface LoadModelOptions {
  /** Default `cpu`. */
  device?: Device;
}

/**
 * Loads a model folder, in Hugging Face's `CLIPModel` layout or limn's own. Draws no random numbers.
 *
 * throws  CheckpointError naming the file: a missing or damaged one, weights that do not fit
 *         config.json, a tokenizer that does not fit the text tower; DataError for damaged tokenizer
 *         files
 */
export async function loadModel(
  folder: string,
  { device = "cpu" }: LoadModelOptions = {},
): Promise<LoadedModel> {
  const config = readCheckpointConfig(folder);
  const evaluationTransform = readCheckpointTransform(folder);
  checkCheckpoint(folder, config);
  checkImageSize(folder, config, evaluationTransform);
  const tokenizer = await fittingTokenizer(folder, config);
  const model = createWithoutRandomness(folder, config);
  try {
    loadWeights(folder, model);
    model.to(device).train(false);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return {
    folder,
    config,
    model,
    tokenizer,
    evaluationTransform,
    encodeImages: (files) => encodeImages(model, evaluationTransform, files),
    encodeTexts: (texts) => encodeTexts(model, tokenizer, texts),
    dispose: () => model.dispose(),
  };
}

/** A model whose initial values, soon replaced, leave the default generator as it was. */
function createWithoutRandomness(folder: string, config: DualEncoderConfig): DualEncoder {
  const state = randomState();
  try {
    return new DualEncoder(config);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CheckpointError(join(folder, "config.json"), cause.message, { cause });
  } finally {
    setRandomState(state);
    state.dispose();
  }
}

function checkImageSize(
  folder: string,
  { image }: DualEncoderConfig,
  { imageSize }: EvaluationTransform,
): void {
  if (imageSize === image.imageSize) return;
  throw new CheckpointError(
    folder,
    `Expected pictures of ${image.imageSize} pixels for the model in ${folder} but its ` +
      `preprocessing makes ${imageSize}; use both files of one model`,
  );
}

/** The folder's tokenizer, its rows no longer than the text tower reads. */
export async function fittingTokenizer(
  folder: string,
  { text }: Pick<DualEncoderConfig, "text">,
): Promise<Tokenizer> {
  const tokenizer = await loadTokenizer(existingFolder(folder));
  const { vocabSize, endId, contextLength, description } = tokenizer;
  const readAtEnd = text.kind === "transformer" && text.pooling !== "last";
  const eotTokenId = readAtEnd ? text.eotTokenId : undefined;
  if (vocabSize > text.vocabSize || (eotTokenId !== undefined && endId !== eotTokenId)) {
    throw new CheckpointError(
      folder,
      `Expected a tokenizer of at most ${text.vocabSize} ids that ends texts with ` +
        `${eotTokenId ?? "any"} for the model in ${folder} but received one of ${vocabSize} ids that ` +
        `ends them with ${endId ?? "nothing"}; copy the tokenizer's files from where the model came from`,
    );
  }
  // Files may name a longer limit, or none; the tower has one position per token.
  return contextLength > text.contextLength
    ? createTokenizer({ ...description, contextLength: text.contextLength })
    : tokenizer;
}

async function encodeImages(
  model: DualEncoder,
  transform: EvaluationTransform,
  files: readonly Uint8Array[],
): Promise<Tensor> {
  const { imageSize } = transform;
  const slot = 3 * imageSize ** 2;
  const pixels = new Uint8Array(files.length * slot);
  for (const [i, bytes] of files.entries()) {
    const out = pixels.subarray(i * slot, (i + 1) * slot);
    await applyEvaluationTransform(bytes, transform, { out });
  }
  return scope(() =>
    inference(model, "float32", () =>
      model.encodeImages(pixelsToTensor(pixels, imageSize, transform, model.device)),
    ),
  );
}

function encodeTexts(model: DualEncoder, tokenizer: Tokenizer, texts: readonly string[]): Tensor {
  const { tokens, lengths } = tokenizer.encodeBatch(texts);
  const longest = lengths.reduce((most, length) => Math.max(most, length), 1);
  return scope(() =>
    inference(model, "float32", () => {
      const rows = fromData(tokens, [texts.length, tokenizer.contextLength]);
      // Where the tower says so, the padding behind the longest text changes nothing.
      const used = model.textTower.trimmable ? longest : tokenizer.contextLength;
      return model.encodeTexts(rows.narrow(1, 0, used).to(model.device));
    }),
  );
}
