/**
 * NeuCLIP's parts beside the global contrastive loss: the compact networks of learned prototypes that
 * stand for every example's normaliser, and how they are fitted. Known from second-hand notes only
 * (docs/objectives.md). Knows no model, recipe or schedule.
 */
import { ShapeError } from "../../errors.ts";
import {
  callInPlace,
  customGradient,
  noGrad,
  operator,
  scope,
  type Tensor,
} from "../../torch/index.ts";
import { logAddExp } from "../shared/global-contrastive.ts";

/**
 * The variational form of log(eps + g), of which a is the free variable:
 *
 *     log(eps + g) = min_a e^-a (eps + g) + a - 1,   at a = log(eps + g)
 *
 * a, logDenominators   [N] a, and log(eps + g) as a constant
 * returns              [] the mean over N. Its gradient is that of a (1 - min(e^(log(eps+g) - a), limit)),
 *                      limited so that a far too low is no infinite slope; `limit` is ours
 */
export function normalizerLoss(a: Tensor, logDenominators: Tensor, limit = 1e6): Tensor {
  const n = a.size(0);
  let slope: Tensor | null = null;
  const [loss] = customGradient(
    [a],
    () =>
      scope(() => {
        const ratio = logDenominators.sub(a).clamp(null, Math.log(limit)).exp();
        slope = ratio
          .neg()
          .add(1)
          .mul(1 / n)
          .keep();
        return [ratio.add(a).sub(1).mean()];
      }),
    ([upstream]) => {
      const passed = upstream && slope ? slope.mul(upstream) : null;
      slope?.dispose();
      return [passed];
    },
  );
  return loss as Tensor;
}

interface PrototypeNormalizerOptions {
  /** [] 1 / T > 0 */
  logitScale: Tensor;
  epsilon: number;
}

/**
 * The network: a_i = log(eps + 1/m sum_j exp((cos(e_i, W_j) - I_i.T_i) / T)), W its only weights.
 *
 * anchors      [N, D] unit rows      pairs [N] I_i.T_i      prototypes [m, D], of any length but 0
 * returns      [N]; differentiable in the prototypes
 * throws       ShapeError where the shapes do not fit
 */
export function prototypeNormalizer(
  anchors: Tensor,
  pairs: Tensor,
  prototypes: Tensor,
  { logitScale, epsilon }: PrototypeNormalizerOptions,
): Tensor {
  const [n, dim] = [anchors.size(0), anchors.size(1)];
  if (prototypes.rank !== 2 || prototypes.size(1) !== dim || pairs.shape.join() !== String(n)) {
    throw new ShapeError(
      `Expected anchors [N, D], pairs [N] and prototypes [m, D] but received [${n}, ${dim}], ` +
        `[${pairs.shape.join(", ")}] and [${prototypes.shape.join(", ")}]; use embeddings of one model`,
    );
  }
  return scope(() => {
    const unit = prototypes.div(prototypes.norm([1], true).clamp(1e-12));
    const h = anchors.mm(unit.t()).sub(pairs.unsqueeze(1)).mul(logitScale);
    const mean = h.logsumexp(1).sub(Math.log(prototypes.size(0)));
    if (epsilon === 0) return mean;
    return logAddExp(mean, mean.detach().clone().fill_(Math.log(epsilon)));
  });
}

/** The denominators of the encoders' loss: a, but no lower than log g - log(limit); [N]. */
export function limitedNormalizer(a: Tensor, logG: Tensor, limit: number): Tensor {
  return noGrad(() => scope(() => a.maximum(logG.sub(Math.log(limit)))));
}

/**
 * AdaGrad (JMLR 12, 2011): w <- w - eta G / (sqrt(sum of all G^2) + 1e-10); both in place.
 *
 * parameter, sums, gradient   of one shape
 */
export function adagradStep(
  parameter: Tensor,
  sums: Tensor,
  gradient: Tensor,
  learningRate: number,
): void {
  noGrad(() =>
    scope(() => {
      callInPlace(addcmul_, sums, gradient, gradient);
      parameter.add_(gradient.div(sums.sqrt().add(1e-10)), -learningRate);
    }),
  );
}

const addcmul_ = operator("addcmul_");
