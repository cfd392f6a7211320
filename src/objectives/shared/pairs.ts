/** What the contrastive objectives ask of their inputs. */
import { ShapeError } from "../../errors.ts";
import type { Tensor } from "../../torch/index.ts";

/** Refuses embeddings that cannot be pairs: row i of `image` belongs to row i of `text`. */
export function checkPairs(image: Tensor, text: Tensor): void {
  const [a, b] = [image.shape, text.shape];
  if (a.length !== 2 || a.join() !== b.join()) {
    throw new ShapeError(
      `Expected imageEmbeddings and textEmbeddings to have equal shape [N, D] but received ` +
        `[${a.join(", ")}] and [${b.join(", ")}]; set embedDim to one value and pair every image with a text`,
    );
  }
  if (a[0] === 0)
    throw new RangeError("Expected at least one pair for the batch but received none");
}

/** Refuses a chunk of no rows, or of part of one. */
export function checkChunkSize(chunkSize: number): void {
  if (Number.isInteger(chunkSize) && chunkSize >= 1) return;
  throw new RangeError(
    `Expected a positive integer for chunkSize but received ${chunkSize}; leave it out for the whole form`,
  );
}

/** Refuses a weight that is no finite number of at least 0. */
export function checkWeight(name: string, weight: number): void {
  if (Number.isFinite(weight) && weight >= 0) return;
  throw new RangeError(
    `Expected a number of at least 0 for ${name} but received ${weight}; 0 leaves the term out`,
  );
}
