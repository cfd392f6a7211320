/**
 * What acts in training mode only: dropout, stochastic depth, patch dropout. Their random numbers are
 * the default generator's, so putting its state back repeats them exactly.
 */
import {
  arange,
  cat,
  dropout as dropoutOfTorch,
  empty,
  noGrad,
  randn,
  scope,
  type Device,
  type Tensor,
} from "../torch/index.ts";

/** True where there is something to do. Throws RangeError unless probability is in [0, 1). */
function acts(probability: number, training: boolean): boolean {
  if (probability >= 0 && probability < 1) return training && probability > 0;
  throw new RangeError(
    `Expected at least 0 and less than 1 for probability but received ${probability}`,
  );
}

/**
 * Zeroes each element with `probability` and scales the others by 1 / (1 - probability).
 *
 * returns   x itself where nothing is dropped
 */
export function dropout(x: Tensor, probability: number, training: boolean): Tensor {
  return acts(probability, training) ? dropoutOfTorch(x, probability, true) : x;
}

/**
 * Zeroes whole samples with `probability` and scales the others by 1 / (1 - probability), at the end
 * of a residual branch: Huang et al., arXiv:1603.09382, drawn per sample as timm's `drop_path`.
 *
 * x         [N, ...]
 * returns   [N, ...]; x itself where nothing is dropped
 */
export function stochasticDepth(x: Tensor, probability: number, training: boolean): Tensor {
  if (!acts(probability, training)) return x;
  const keep = 1 - probability;
  const shape = x.shape.map((side, dim) => (dim === 0 ? side : 1));
  const mask = scope(() =>
    noGrad(() => empty(shape, { dtype: x.dtype, device: x.device }).bernoulli_(keep).div(keep)),
  );
  return x.mul(mask);
}

/**
 * Leaves out a share of the patches of each sample: Li et al., FLIP, arXiv:2212.00794. The class
 * token stays, and max(1, trunc(P (1 - p))) of the P patches, drawn for each sample by itself.
 *
 * x         [N, leading + P, W]
 * leading   tokens at the start that always stay: 1 with a class token, 0 without
 * returns   [N, leading + kept, W], patches in random order; x itself where nothing is dropped
 */
export function patchDropout(
  x: Tensor,
  probability: number,
  training: boolean,
  { leading = 1 }: { leading?: number } = {},
): Tensor {
  if (!acts(probability, training)) return x;
  const [samples, tokens, width] = x.shape as [number, number, number];
  const { device } = x;
  return scope(() => {
    const rows = noGrad(() => {
      const kept = drawPositions([samples, tokens], probability, { leading, device });
      const starts = arange(samples, { device }).mul(tokens).unsqueeze(1);
      return kept.add(starts).flatten();
    });
    // One gather over the rows of all samples, whose gradient is a sum into rows too.
    const chosen = x.reshape(-1, width).indexSelect(0, rows);
    return chosen.reshape(-1, rows.count / samples, width);
  });
}

/** The positions that stay, int64 [N, leading + kept]. */
function drawPositions(
  [samples, tokens]: readonly [number, number],
  probability: number,
  { leading, device }: { leading: number; device: Device },
): Tensor {
  const patches = tokens - leading;
  const kept = Math.max(1, Math.trunc(patches * (1 - probability)));
  const [, order] = randn([samples, patches], { device }).topk(kept);
  const rows = order.add(leading);
  if (leading === 0) return rows;
  const first = arange(leading, { device }).unsqueeze(0).expand(samples, leading);
  return cat([first, rows], 1);
}

/** Probabilities of stochastic depth for `depth` blocks: a line from 0 to `last`. */
export function depthProbabilities(last: number, depth: number): number[] {
  acts(last, true);
  return Array.from({ length: depth }, (_, i) => (depth === 1 ? 0 : (last * i) / (depth - 1)));
}
