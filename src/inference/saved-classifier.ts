/** A zero-shot classifier as JSON: class weights travel without the text tower's work. */
import { CheckpointError } from "../errors.ts";
import { checkEmbeddings, type Embeddings } from "../arrays/embeddings.ts";
import { classList } from "./templates.ts";
import type { DualEncoder } from "../pair/dual-encoder.ts";
import {
  checkProbabilityKind,
  logitTerms,
  type LogitTerms,
  type ProbabilityKind,
} from "./probabilities.ts";

export interface SavedClassifier {
  readonly format: "limn-zero-shot-classifier";
  readonly version: 1;
  readonly labels: readonly string[];
  readonly probabilities: ProbabilityKind;
  /** Of the model that made it; another model is told by them. */
  readonly logitScale: number;
  readonly logitBias: number;
  readonly dim: number;
  /** [C, D] float32, little-endian, base64 */
  readonly weights: string;
}

interface Parts {
  readonly labels: readonly string[];
  readonly weights: Embeddings;
  readonly probabilities: ProbabilityKind;
}

export function savedClassifier(
  { labels, weights, probabilities }: Parts,
  { scale, bias }: LogitTerms,
): SavedClassifier {
  const { data, dim } = weights;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return {
    format: "limn-zero-shot-classifier",
    version: 1,
    labels,
    probabilities,
    logitScale: scale,
    logitBias: bias,
    dim,
    weights: bytes.toString("base64"),
  };
}

/**
 * The parts of a saved classifier.
 *
 * throws  CheckpointError for what is none, or one that another model made
 */
export function readSavedClassifier(value: unknown, model: DualEncoder): Parts {
  try {
    return parse(value, model);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw unusable((cause as Error).message, { cause });
  }
}

function parse(value: unknown, model: DualEncoder): Parts {
  const saved = value as Partial<SavedClassifier> | null;
  if (saved?.format !== "limn-zero-shot-classifier" || saved.version !== 1) {
    throw unusable("it is none of version 1");
  }
  const { labels, dim, weights, logitScale, logitBias } = saved;
  const { scale, bias } = logitTerms(model);
  if (dim !== model.config.embedDim || logitScale !== scale || logitBias !== bias) {
    throw unusable(
      `another model made it (width ${dim}, logit scale ${logitScale}, bias ${logitBias} instead of ` +
        `${model.config.embedDim}, ${scale}, ${bias})`,
    );
  }
  if (!Array.isArray(labels) || typeof weights !== "string") throw unusable("parts are missing");
  const bytes = Uint8Array.from(Buffer.from(weights, "base64"));
  const data = new Float32Array(bytes.buffer, 0, bytes.length >> 2);
  const rows = { data, count: classList(labels).labels.length, dim };
  checkEmbeddings("weights", rows);
  return { labels, weights: rows, probabilities: checkProbabilityKind(saved.probabilities) };
}

function unusable(reason: string, options?: ErrorOptions): CheckpointError {
  return new CheckpointError(
    "classifier",
    `Expected a zero-shot classifier saved for this model but received another value: ${reason}; ` +
      "make it again with zeroShotClassifier",
    options,
  );
}
