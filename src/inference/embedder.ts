/** What an evaluation asks of a model: embeddings as plain arrays. Knows no tower and no tensor. */
import type { Embeddings } from "../arrays/embeddings.ts";
import type { SimilarityKernel } from "../arrays/similarities.ts";

export interface Embedder {
  /** pixels uint8 [N, 3, S, S], or what else a loader makes for the model -> [N, D] unit rows */
  embedPixels(pixels: Uint8Array): Embeddings;
  /** tokens int32 [N, T] -> [N, D] unit rows; `lengths` [N] counts the tokens in use */
  embedTokens(tokens: Int32Array, contextLength: number, lengths: Int32Array): Embeddings;
  /** texts -> [N, D] unit rows */
  embedTexts(texts: readonly string[]): Embeddings;
  /** [Q, D] x [M, D] -> [Q, M], on the model's device. */
  readonly similarities: SimilarityKernel;
}

/** Stacks rows of equal width. */
export function concatenate(parts: readonly Embeddings[]): Embeddings {
  const count = parts.reduce((total, part) => total + part.count, 0);
  const dim = parts[0]?.dim ?? 0;
  const data = new Float32Array(count * dim);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, count, dim };
}
