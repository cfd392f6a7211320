/** What a loaded model can do, as methods. */
import type { ClassEntry } from "./templates.ts";
import { imageEncoder, type EncodeImages } from "./encode-images.ts";
import { textEncoder, type EncodeTexts } from "./encode-texts.ts";
import type { InferenceModel } from "./inference-model.ts";
import type { Picture } from "./picture.ts";
import { readSavedClassifier } from "./saved-classifier.ts";
import { similarity, type SimilarityOptions, type SimilarityResult } from "./similarity.ts";
import {
  ZeroShotClassifier,
  zeroShotClassifier,
  type ClassifierOptions,
} from "./zero-shot-classifier.ts";

export interface InferenceMethods {
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

/** Borrows the model's parts; the model must outlive the methods. */
export function inferenceMethods(model: InferenceModel): InferenceMethods {
  return {
    encodeImages: imageEncoder(model),
    encodeTexts: textEncoder(model),
    zeroShotClassifier: (labels, options) => zeroShotClassifier(model, labels, options),
    restoreZeroShotClassifier: (saved) =>
      new ZeroShotClassifier(model, readSavedClassifier(saved, model.pair)),
    similarity: (pictures, texts, options) => similarity(model, pictures, texts, options),
  };
}
