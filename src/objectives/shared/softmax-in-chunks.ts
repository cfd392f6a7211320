/** The two passes of the softmax objectives over chunks of rows; memory linear in the batch. */
import { scope, type Tensor } from "../../torch/index.ts";
import {
  addProductInPlace,
  chunksOf,
  closedForm,
  expInPlace,
  logitsOf,
  ownPairs,
  pullBack,
  type Chunk,
  type LogitInputs,
} from "./chunks.ts";

/** log sum exp of every row and column of the logits, as greatest entry and sum beside it. */
interface Normalizers {
  /** [N] the greatest logit of each row, and sum_j exp(logit_ij - greatest). */
  rowMax: Tensor;
  rowSum: Tensor;
  columnMax: Tensor;
  columnSum: Tensor;
  /** [N] the logits of the pairs themselves. */
  pairs: Tensor;
}

/**
 * CE(logits, diag) + CE(logits^T, diag), halved, with the targets (1 - e) diag + e / N.
 *
 *     G = dL/dlogits = (P + Q) / 2N - (1 - e) diag / N - e / N^2
 *
 * with P the softmax over rows, Q over columns. The normalisers come first, then the gradient; the
 * smoothing's share needs the mean embeddings only.
 */
export function softmaxInChunks(
  image: Tensor,
  text: Tensor,
  logitScale: Tensor,
  { chunkSize, labelSmoothing = 0 }: { chunkSize: number; labelSmoothing?: number },
): Tensor {
  return closedForm([image, text, logitScale], (wanted) => {
    const inputs = { image, text, logitScale };
    const normalizers = normalizersOf(inputs, chunkSize);
    const keep = 1 - labelSmoothing;
    let loss = softmaxValue(normalizers);
    let gradients: (Tensor | null)[] = [null, null, null];
    if (wanted.includes(true)) {
      const [forImage = false, forText = false, forScale = false] = wanted;
      const needs = { image: forImage, text: forText, logitScale: forScale };
      const factor = 1 / (2 * image.size(0));
      gradients = pullBack(inputs, needs, { chunkSize, factor }, (logits, chunk) => {
        const gradient = bothSoftmaxes(logits, normalizers, chunk);
        ownPairs(gradient, chunk).add_(-2 * keep);
        return gradient;
      });
    }
    if (labelSmoothing > 0) loss = smooth(loss, inputs, gradients, normalizers, labelSmoothing);
    return { loss, gradients: gradients.slice(0, 3) };
  });
}

/** [] the mean over 2N of log sum exp - own logit. */
export function softmaxValue(normalizers: Normalizers): Tensor {
  const { rowMax, rowSum, columnMax, columnSum, pairs } = normalizers;
  // Differences before logarithms: near a logit of 100 float32 has five decimals.
  const rows = rowMax.sub(pairs).add(rowSum.log());
  return rows.add(columnMax.sub(pairs)).add(columnSum.log()).mul(0.5).mean();
}

/** Adds the uniform share of the targets: e (mean of the pairs - mean of all logits). */
function smooth(
  loss: Tensor,
  { image, text, logitScale }: LogitInputs,
  gradients: (Tensor | null)[],
  { pairs }: Normalizers,
  labelSmoothing: number,
): Tensor {
  const [meanImage, meanText] = [image.mean(0), text.mean(0)];
  const meanCosine = meanImage.mul(meanText).sum();
  const share = logitScale.mul(-labelSmoothing / image.size(0));
  const [gradImage, gradText, gradScale] = gradients;
  gradImage?.add_(meanText.mul(share));
  gradText?.add_(meanImage.mul(share));
  gradScale?.add_(meanCosine.mul(-labelSmoothing));
  const uniform = pairs.mean().sub(meanCosine.mul(logitScale));
  return loss.add(uniform.mul(labelSmoothing));
}

/** The first pass. Columns are gathered chunk by chunk under a growing greatest entry. */
export function normalizersOf(inputs: LogitInputs, chunkSize: number): Normalizers {
  const n = inputs.image.size(0);
  const made = (): Tensor => inputs.logitScale.detach().expand(n).clone();
  const [rowMax, rowSum, pairs] = [made(), made(), made()];
  const [columnMax, columnSum] = [made().fill_(-Infinity), made().zero_()];
  for (const chunk of chunksOf(n, chunkSize)) {
    scope(() => {
      const logits = logitsOf(inputs, chunk);
      const own = (of: Tensor): Tensor => of.narrow(0, chunk.start, chunk.length);
      own(pairs).copy_(ownPairs(logits, chunk));
      own(rowMax).copy_(logits.amax(1));
      const shifted = logits.sub(own(rowMax).unsqueeze(1));
      own(rowSum).copy_(expInPlace(shifted).sum(1));
      shifted.dispose();
      const greatest = columnMax.maximum(logits.amax(0));
      columnSum.mul_(columnMax.sub(greatest).exp());
      columnSum.add_(expInPlace(logits.add_(greatest, -1)).sum(0));
      columnMax.copy_(greatest);
    });
  }
  return { rowMax, rowSum, columnMax, columnSum, pairs };
}

/** [length, N] P + Q of a chunk; overwrites the logits. */
export function bothSoftmaxes(logits: Tensor, by: Normalizers, chunk: Chunk): Tensor {
  const own = (of: Tensor): Tensor => of.narrow(0, chunk.start, chunk.length).unsqueeze(1);
  const rows = expInPlace(logits.sub(own(by.rowMax))).mul_(own(by.rowSum).pow(-1));
  expInPlace(logits.add_(by.columnMax, -1));
  return addProductInPlace(rows, logits, by.columnSum.pow(-1));
}
