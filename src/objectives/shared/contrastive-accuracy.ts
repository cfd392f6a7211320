/** How often an objective's own pairs are the most similar ones of a batch. Knows no loss. */
import { arange, noGrad, scope, stack, type Tensor } from "../../torch/index.ts";
import { chunksOf } from "./chunks.ts";

/**
 * The share of images whose nearest text in the batch is their own, and of texts likewise: [0, 1].
 * image, text [N, D] unit rows; in chunks of rows.
 */
export function contrastiveAccuracy(image: Tensor, text: Tensor, chunkSize = 4096): number {
  return noGrad(() =>
    scope(() => {
      const counts = [
        ...correctRows(image, text, chunkSize),
        ...correctRows(text, image, chunkSize),
      ];
      // One transfer, and so one wait, for all chunks.
      return stack(counts).sum().item() / (2 * image.size(0));
    }),
  );
}

/** [] for each chunk of queries: how many have their own candidate as the most similar one. */
function correctRows(query: Tensor, candidates: Tensor, chunkSize: number): Tensor[] {
  return chunksOf(query.size(0), chunkSize).map(({ start, length }) =>
    scope(() => {
      const nearest = query.narrow(0, start, length).mm(candidates.t()).argmax(1);
      const own = arange(length, { device: query.device }).add(start);
      return nearest.eq(own).sum();
    }),
  );
}
