/** Every picture against every text, and how logits become probabilities. */
import { probabilityKind, type ProbabilityKind, type DualEncoder } from "../pair/dual-encoder.ts";
import { encodeList } from "./encode-images.ts";
import { embedTexts } from "./encode-texts.ts";
import type { InferenceModel } from "./inference-model.ts";
import type { Picture } from "./picture-batches.ts";
import { softmax } from "../arrays/similarities.ts";
import { scope } from "../torch/index.ts";

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

/** logits = scale x similarities + bias */
export interface LogitTerms {
  readonly scale: number;
  /** 0 where the model has none. */
  readonly bias: number;
}

/** throws  RangeError for another word */
export function checkProbabilityKind(value: unknown): ProbabilityKind {
  if (value === "softmax" || value === "sigmoid") return value;
  throw new RangeError(
    `Expected "softmax" or "sigmoid" for probabilities but received ${JSON.stringify(value)}`,
  );
}

export function logitTerms(model: DualEncoder): LogitTerms {
  return scope(() => ({
    scale: model.logitScale().item(),
    bias: model.logitBias?.tensor.item() ?? 0,
  }));
}

export function logitsOf(similarities: Float32Array, { scale, bias }: LogitTerms): Float32Array {
  return similarities.map((similarity) => scale * similarity + bias);
}

/** logits [N, M] -> probabilities [N, M], softmax over each row of M or sigmoid of each. */
export function probabilitiesOf(
  logits: Float32Array,
  columns: number,
  kind: ProbabilityKind,
): Float32Array {
  if (kind === "sigmoid") return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  const out = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += columns) {
    out.set(softmax(logits.subarray(start, start + columns)), start);
  }
  return out;
}
