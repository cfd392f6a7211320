/** A model with its tokenizer as an Embedder. Batches are the caller's; texts are cut into some. */
import type { PictureTransform } from "../data/image/picture-cell.ts";
import type { Tokenizer } from "../text/tokenizer-description.ts";
import { inference, type DualEncoder } from "../pair/dual-encoder.ts";
import { encodeCells } from "./encode-cells.ts";
import { fromData, scope, type Tensor } from "../torch/index.ts";
import { concatenate, type Embedder } from "./embedder.ts";
import type { Embeddings } from "../arrays/embeddings.ts";

export interface ModelEmbedderOptions {
  model: DualEncoder;
  tokenizer: Tokenizer;
  /** That of the pictures it gets. */
  transform: PictureTransform;
  precision?: "float32" | "bfloat16";
  /** Texts per forward pass. Default 256. */
  textBatchSize?: number;
}

/** Borrows the model; it is put into evaluation mode for each call. */
export function modelEmbedder({
  model,
  tokenizer,
  transform,
  precision = "float32",
  textBatchSize = 256,
}: ModelEmbedderOptions): Embedder {
  const embed = (make: () => Tensor): Embeddings =>
    scope(() => toEmbeddings(inference(model, precision, make)));

  const embedTokens: Embedder["embedTokens"] = (tokens, contextLength, lengths) =>
    embed(() => {
      const rows = fromData(tokens, [lengths.length, contextLength]);
      const longest = lengths.reduce((most, one) => Math.max(most, one), 1);
      const used = model.textTower.trimmable ? longest : contextLength;
      return model.encodeTexts(rows.narrow(1, 0, used).to("int64").to(model.device));
    });

  return {
    embedPixels: (pixels) => embed(() => encodeCells(model, pixels, transform)),
    embedTokens,
    embedTexts: (texts) => {
      const parts: Embeddings[] = [];
      for (let start = 0; start < texts.length; start += textBatchSize) {
        const { tokens, lengths } = tokenizer.encodeBatch(
          texts.slice(start, start + textBatchSize),
        );
        parts.push(embedTokens(tokens, tokenizer.contextLength, lengths));
      }
      return concatenate(parts);
    },
    similarities: (queries, candidates) =>
      scope(() => {
        const [q, c] = [queries, candidates].map(({ data, count, dim }) =>
          fromData(data, [count, dim], { device: model.device }),
        ) as [Tensor, Tensor];
        return q.mm(c.t()).toFloat32Array();
      }),
  };
}

function toEmbeddings(rows: Tensor): Embeddings {
  return { data: rows.toFloat32Array(), count: rows.size(0), dim: rows.size(1) };
}
