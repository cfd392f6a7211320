/**
 * Temperatures of each example's own, as iSogCLR and FastCLIP v2 learn them: the gradient of the robust
 * global contrastive loss, and one step of each. Knows no batch, and not where temperatures are kept.
 */
import { noGrad, scope, type Tensor } from "../torch/index.ts";

/**
 * [N] dF/dT of T (log(eps + g) + rho), T >= T0, at the estimate u of g:
 *
 *     log(u + eps) + rho - sum_j w_ij h_ij / T_i,   w_ij = exp(h_ij / T_i) / (N-1) / (u_i + eps)
 *     iSogCLR, arXiv:2305.11965, Section 3; limited to +-`limit` as in both systems' code
 *
 * logDenominators   [N] log(u + eps)
 * moments           [N] the sum, from globalContrastive
 */
export function temperatureGradient(
  logDenominators: Tensor,
  moments: Tensor,
  { rho, limit }: { rho: number; limit: number },
): Tensor {
  return noGrad(() => scope(() => logDenominators.add(rho).sub(moments).clamp(-limit, limit)));
}

export interface Bounds {
  min: number;
  max: number;
}

export interface MomentumState {
  /** [N] T > 0 */
  temperature: Tensor;
  /** [N] running mean of the gradient. */
  momentum: Tensor;
}

/** iSogCLR's: m <- (1 - beta) m + beta G,  T <- clamp(T - eta m). beta weighs the new gradient. */
export function momentumStep(
  { temperature, momentum }: MomentumState,
  gradient: Tensor,
  { learningRate, beta, min, max }: { learningRate: number; beta: number } & Bounds,
): MomentumState {
  return noGrad(() =>
    scope(() => {
      const mean = momentum.mul(1 - beta).add(gradient.mul(beta));
      return {
        temperature: temperature.sub(mean.mul(learningRate)).clamp(min, max),
        momentum: mean,
      };
    }),
  );
}

export interface AdamState extends MomentumState {
  /** [N] running mean of the squared gradient. */
  squares: Tensor;
}

export interface AdamStepOptions extends Bounds {
  learningRate: number;
  beta1: number;
  beta2: number;
  /** From 0: the betas are 0 in epoch 0, and the means' bias is corrected with epoch + 1. */
  epoch: number;
}

/** FastCLIP v2's: Adam of each example, which is seen about once an epoch; denominators + 1e-8. */
export function adamStep(
  { temperature, momentum, squares }: AdamState,
  gradient: Tensor,
  { learningRate, min, max, epoch, ...betas }: AdamStepOptions,
): AdamState {
  const [beta1, beta2] = epoch === 0 ? [0, 0] : [betas.beta1, betas.beta2];
  return noGrad(() =>
    scope(() => {
      const first = momentum.mul(beta1).add(gradient.mul(1 - beta1));
      const second = squares.mul(beta2).add(gradient.mul(gradient).mul(1 - beta2));
      const mean = first.mul(1 / (1 - beta1 ** (epoch + 1)));
      const root = second.mul(1 / (1 - beta2 ** (epoch + 1))).sqrt();
      const step = mean.div(root.add(1e-8)).mul(learningRate);
      return {
        temperature: temperature.sub(step).clamp(min, max),
        momentum: first,
        squares: second,
      };
    }),
  );
}
