/** Every picture against every text. */
import { probabilityKind, type ProbabilityKind } from "../pair/probability-kind.ts";
import { encodeList } from "./encode-images.ts";
import { embedTexts } from "./encode-texts.ts";
import type { InferenceModel } from "./inference-model.ts";
import type { Picture } from "./picture.ts";
import { checkProbabilityKind, logitsOf, logitTerms, probabilitiesOf } from "./probabilities.ts";

export interface SimilarityOptions {
  /** Per forward pass; by default what is fast and fits the memory. */
  readonly batchSize?: number;
  /** Default: what the model was trained for. */
  readonly probabilities?: ProbabilityKind;
}

/** Pictures in rows, texts in columns; all three are [rows, columns], row-major. */
export interface SimilarityResult {
  /** cosines */
  readonly similarities: Float32Array;
  /** logitScale x similarities + logitBias */
  readonly logits: Float32Array;
  /** softmax over the texts of a picture, or sigmoid of each pair */
  readonly probabilities: Float32Array;
  readonly kind: ProbabilityKind;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Similarities, logits and probabilities of all pairs of pictures and texts.
 *
 * throws  DataError naming a picture that cannot be read; TypeError for other values;
 *         RangeError for an empty list
 */
export async function similarity(
  model: InferenceModel,
  pictures: Picture | Iterable<Picture>,
  texts: string | Iterable<string>,
  { batchSize, probabilities }: SimilarityOptions = {},
): Promise<SimilarityResult> {
  const { pair, encoder } = model;
  const kind = checkProbabilityKind(probabilities ?? probabilityKind(pair.config));
  const sized = batchSize === undefined ? {} : { batchSize };
  const columns = embedTexts(model, typeof texts === "string" ? [texts] : [...texts], sized);
  const { rows } = await encodeList(model, pictures, sized);
  const similarities = encoder.similarities(rows, columns);
  const logits = logitsOf(similarities, logitTerms(pair));
  return {
    similarities,
    logits,
    probabilities: probabilitiesOf(logits, columns.count, kind),
    kind,
    rows: rows.count,
    columns: columns.count,
  };
}
