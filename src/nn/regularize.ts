/**
 * What acts in training only. Random numbers come from the device's default generator, so restoring
 * its state repeats a pass exactly.
 */
import { cat, empty, noGrad, rand, type Tensor } from "../torch/index.ts";

/**
 * Drops a residual branch for whole samples and scales the rest by 1 / (1 - probability).
 * x [N, ...]; arXiv:1603.09382.
 */
export function stochasticDepth(x: Tensor, probability: number, training: boolean): Tensor {
  if (!training || probability === 0) return x;
  const keep = 1 - probability;
  const shape = [x.size(0), ...x.shape.slice(1).map(() => 1)];
  const mask = noGrad(() =>
    empty(shape, { device: x.device, dtype: x.dtype })
      .bernoulli_(keep)
      .mul_(1 / keep),
  );
  return x.mul(mask);
}

/**
 * Keeps a random share of the patches of each sample, the class token always (FLIP,
 * arXiv:2212.00794).  tokens [N, 1 + P, W] -> [N, 1 + max(1, floor(P (1 - probability))), W]
 */
export function patchDropout(tokens: Tensor, probability: number, training: boolean): Tensor {
  if (!training || probability === 0) return tokens;
  const [n, patches, width] = [tokens.size(0), tokens.size(1) - 1, tokens.size(2)];
  const kept = Math.max(1, Math.floor(patches * (1 - probability)));
  const index = noGrad(() => {
    const [, chosen] = rand([n, patches], { device: tokens.device }).topk(kept);
    return chosen.unsqueeze(-1).expand(n, kept, width);
  });
  const classToken = tokens.narrow(1, 0, 1);
  return cat([classToken, tokens.narrow(1, 1, patches).gather(1, index)], 1);
}
