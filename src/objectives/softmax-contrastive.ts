/** CLIP's objective, whole and with memory linear in the batch. Knows no model, rank or recipe. */
import { ShapeError } from "../errors.ts";
import {
  arange,
  crossEntropy,
  customGradient,
  gradEnabled,
  noGrad,
  scope,
  type Tensor,
} from "../torch/index.ts";

export interface SoftmaxContrastiveOptions {
  /** [] > 0, dimensionless: the multiplier, not its logarithm. */
  logitScale: Tensor;
  /** Rows of the logits held at a time; the whole N x N matrix when absent. */
  chunkSize?: number;
}

/**
 * Symmetric InfoNCE with in-batch negatives: row i of `image` is paired with row i of `text`.
 *
 *     L = 1/2 [ CE(s I T^T, diag) + CE(s T I^T, diag) ]      CLIP, arXiv:2103.00020, Fig. 3
 *
 * image, text   [N, D] float, unit rows
 * returns       [] nats, the mean over 2N rows; ln N when every similarity is equal
 * memory        N x N numbers whole, 2 x chunkSize x N chunked; value and gradient are equal. The
 *               chunked form holds its gradient until the first backward pass, and has but that one
 * ownership     borrows all inputs; the result belongs to the caller's scope
 * throws        ShapeError if image and text differ in shape; RangeError if N = 0 or chunkSize < 1
 */
export function softmaxContrastive(
  image: Tensor,
  text: Tensor,
  { logitScale, chunkSize }: SoftmaxContrastiveOptions,
): Tensor {
  checkPairs(image, text);
  if (chunkSize === undefined) return whole(image, text, logitScale);
  if (!Number.isInteger(chunkSize) || chunkSize < 1) {
    throw new RangeError(
      `Expected a positive integer for chunkSize but received ${chunkSize}; leave it out for the whole form`,
    );
  }
  return chunked(image, text, logitScale, chunkSize);
}

/** Refuses embeddings that cannot be pairs; shared by the contrastive objectives. */
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

function whole(image: Tensor, text: Tensor, logitScale: Tensor): Tensor {
  return scope(() => {
    const logits = image.mm(text.t()).mul(logitScale);
    const diagonal = arange(image.size(0), { device: image.device });
    return crossEntropy(logits, diagonal).add(crossEntropy(logits.t(), diagonal)).mul(0.5);
  });
}

interface Normalizers {
  /** [N] logsumexp of each row and of each column of the logits. */
  rows: Tensor;
  columns: Tensor;
}

/** Two passes over row chunks: the normalisers first, then value and gradient in closed form. */
function chunked(image: Tensor, text: Tensor, logitScale: Tensor, chunkSize: number): Tensor {
  const gradients: Tensor[] = [];
  const needsGradient =
    gradEnabled() && [image, text, logitScale].some((input) => input.requiresGrad);
  const [loss] = customGradient(
    [image, text, logitScale],
    () =>
      scope(() => {
        const { rows, columns } = normalizers(image, text, logitScale, chunkSize);
        const pairs = image.mul(text).sum(1).mul(logitScale);
        if (needsGradient) {
          const found = gradientsInChunks(image, text, logitScale, { rows, columns }, chunkSize);
          gradients.push(...found.map((gradient) => gradient.keep()));
        }
        return [rows.add(columns).mul(0.5).sub(pairs).mean()];
      }),
    ([upstream]) =>
      gradients.map((gradient) => {
        const passed = upstream ? gradient.mul(upstream) : null;
        gradient.dispose();
        return passed;
      }),
  );
  return loss as Tensor;
}

function chunksOf(count: number, chunkSize: number): [number, number][] {
  const chunks: [number, number][] = [];
  for (let start = 0; start < count; start += chunkSize) {
    chunks.push([start, Math.min(chunkSize, count - start)]);
  }
  return chunks;
}

function normalizers(
  image: Tensor,
  text: Tensor,
  logitScale: Tensor,
  chunkSize: number,
): Normalizers {
  const n = image.size(0);
  const rows = logitScale.detach().expand(n).clone();
  const columns = rows.clone().fill_(-Infinity);
  for (const [start, length] of chunksOf(n, chunkSize)) {
    scope(() => {
      const logits = image.narrow(0, start, length).mm(text.t()).mul(logitScale);
      rows.narrow(0, start, length).copy_(logits.logsumexp(1));
      columns.copy_(logAddExp(columns, logits.logsumexp(0)));
    });
  }
  return { rows, columns };
}

/** log(e^a + e^b) without overflow; a may be -infinity. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  const larger = a.maximum(b);
  return a.sub(larger).exp().add(b.sub(larger).exp()).log().add(larger);
}

/**
 * With P the softmax over rows, Q over columns: dL/dlogits = (P + Q - 2 diag) / 2N, so
 * dI = s G T, dT = s G^T I, ds = sum(G * I T^T).
 */
function gradientsInChunks(
  image: Tensor,
  text: Tensor,
  logitScale: Tensor,
  { rows, columns }: Normalizers,
  chunkSize: number,
): Tensor[] {
  const n = image.size(0);
  const gradImage = image.detach().clone().zero_();
  const gradText = text.detach().clone().zero_();
  const gradScale = logitScale.detach().clone().zero_();
  for (const [start, length] of chunksOf(n, chunkSize)) {
    scope(() => {
      const part = image.narrow(0, start, length);
      const similarities = part.mm(text.t());
      const logits = similarities.mul(logitScale);
      const byRow = logits.sub(rows.narrow(0, start, length).unsqueeze(1)).exp();
      const gradient = byRow.add(logits.sub(columns).exp());
      gradient.narrow(1, start, length).diagonal().add_(-2);
      gradient.mul_(1 / (2 * n));
      gradScale.add_(gradient.mul(similarities).sum());
      gradient.mul_(logitScale);
      gradImage.narrow(0, start, length).copy_(gradient.mm(text));
      gradText.add_(gradient.t().mm(part));
    });
  }
  return [gradImage, gradText, gradScale];
}

/**
 * The share of images whose nearest text in the batch is their own, and of texts likewise: [0, 1].
 * image, text [N, D] unit rows; in chunks of rows.
 */
export function contrastiveAccuracy(image: Tensor, text: Tensor, chunkSize = 4096): number {
  return noGrad(() =>
    scope(() => {
      const n = image.size(0);
      const forward = correctRows(image, text, chunkSize);
      return (forward + correctRows(text, image, chunkSize)) / (2 * n);
    }),
  );
}

function correctRows(query: Tensor, candidates: Tensor, chunkSize: number): number {
  let correct = 0;
  for (const [start, length] of chunksOf(query.size(0), chunkSize)) {
    const nearest = query.narrow(0, start, length).mm(candidates.t()).argmax(1);
    const own = arange(length, { device: query.device }).add(start);
    correct += nearest.eq(own).sum().item();
  }
  return correct;
}
