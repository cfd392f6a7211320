/** What an evaluation asks of a model: embeddings as plain arrays. Knows no tower and no tensor. */
import type { Embeddings } from "../arrays/embeddings.ts";
import type { SimilarityKernel } from "../arrays/similarities.ts";
import type { Tokenizer } from "../text/tokenizer-description.ts";
import type { Encoder, EncodeOptions, TokenRows } from "./encoder.ts";

export interface Embedder {
  /** Pictures as a loader makes them for the model, uint8 [N, cellBytes] -> [N, D] unit rows */
  encodeImages(cells: Uint8Array): Embeddings;
  /** Tokens as a loader makes them -> [N, D] unit rows */
  encodeTexts(rows: TokenRows): Embeddings;
  /** All at once -> [N, D] unit rows */
  embedTexts(texts: readonly string[]): Embeddings;
  /** [Q, D] x [M, D] -> [Q, M], on the model's device. */
  readonly similarities: SimilarityKernel;
}

/** An encoder with its tokenizer as an Embedder. Batches are the caller's. */
export function embedderOf(
  encoder: Encoder,
  tokenizer: Tokenizer,
  options: EncodeOptions = {},
): Embedder {
  const { contextLength } = tokenizer;
  return {
    encodeImages: (cells) => encoder.encodeImages(cells, options),
    encodeTexts: (rows) => encoder.encodeTexts(rows, options),
    embedTexts: (texts) => {
      const { tokens, lengths } = tokenizer.encodeBatch(texts);
      return encoder.encodeTexts({ tokens, lengths, contextLength }, options);
    },
    similarities: (queries, candidates) => encoder.similarities(queries, candidates),
  };
}
