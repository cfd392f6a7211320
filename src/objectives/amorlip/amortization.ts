/**
 * The losses by which AmorLIP's networks learn the log-partition function (arXiv:2505.18983, Eq. 8 to
 * 10), in log space. Knows no network and no schedule.
 */
import { ShapeError } from "../../errors.ts";
import { scope, type Tensor } from "../../torch/index.ts";

/**
 * `l2Log`          the squared difference of the logarithms
 * `kl`             f(t) = t log t, biased: see `amortizationLoss`
 * `js`             f(t) = (t log t - (t + 1) log((t + 1) / 2)) / 2
 * `generalizedKl`  f(t) = t log t - t + 1, what kl is meant to be
 */
export const amortizations = ["l2Log", "kl", "js", "generalizedKl"] as const;

export type Amortization = (typeof amortizations)[number];

export interface AmortizationOptions {
  kind: Amortization;
  /** [N] log C, the batch's own sums: the samples that the divergence is estimated with. */
  logPartition: Tensor;
  /** [N] log Z, what lambda should become; equal to logPartition unless an older network is mixed in. */
  logTarget: Tensor;
  /** Weight of the squared difference of logarithms beside a divergence; default 0.1. */
  regularization?: number;
}

/**
 * How far one modality's lambda is from its target.
 *
 *     l2Log       mean_i (log lambda_i - log Z_i)^2                       Eq. 10, without its 1/2
 *     divergence  1/N^2 sum_i C_i / Z_i f(Z_i / lambda_i)
 *                   + regularization mean_i (log lambda_i - log Z_i)^2    Eq. 8 and Appendix C
 *
 * The divergence is the mean over all N^2 pairs, as in the released code: since C, Z and lambda are
 * sums over the batch, it is of order 1/N.
 *
 * A divergence between normalised densities does not see the difference between f(t) = t log t and
 * t log t - t + 1, but nothing normalises lambda. On its own t log t is least at t = 1/e, so `kl`
 * drives log lambda to log Z + 1. With the regularization of 0.1 the shift is about 5 / N (0.0024 at
 * N = 2048). `generalizedKl`, `js` and `l2Log` are least at lambda = Z.
 *
 * Where some C_i / lambda_i exceeds e^30, as with a fresh network at a high logit scale, the
 * divergence is multiplied by one constant that makes the largest e^30: the gradient's direction is
 * kept, its length stays in float32's range, and clipping would have undone it anyway.
 *
 * logLambda   [N], in the graph of a network
 * returns     [], in the graph of logLambda alone
 * ownership   borrows all inputs; the result belongs to the caller's scope
 * throws      ShapeError where the three differ in shape; RangeError for a negative regularization
 */
export function amortizationLoss(
  logLambda: Tensor,
  { kind, logPartition, logTarget, regularization = 0.1 }: AmortizationOptions,
): Tensor {
  checkShapes(logLambda, { logPartition, logTarget });
  if (!(regularization >= 0)) {
    throw new RangeError(
      `Expected at least 0 for regularization but received ${regularization}; 0 leaves it out`,
    );
  }
  return scope(() => {
    const target = logTarget.detach();
    const squared = logLambda.sub(target).pow(2).mean();
    if (kind === "l2Log") return squared;
    const estimate = divergence(kind, logLambda, { target, sampled: logPartition.detach() });
    return regularization === 0 ? estimate : estimate.add(squared.mul(regularization));
  });
}

interface Logs {
  target: Tensor;
  sampled: Tensor;
}

function divergence(
  kind: Exclude<Amortization, "l2Log">,
  logLambda: Tensor,
  { target, sampled }: Logs,
): Tensor {
  const n = logLambda.size(0);
  const logRatio = target.sub(logLambda);
  // C f(t) / Z = e^overLambda log t - ... : both factors are kept as logarithms up to here.
  const overLambda = sampled.sub(logLambda);
  const excess = overLambda.detach().amax().sub(largestLogRatio).clamp(0, null);
  const ofLambda = overLambda.sub(excess).exp();
  const ofTarget = sampled.sub(target).sub(excess).exp();
  return summands(kind, { logRatio, ofLambda, ofTarget })
    .sum()
    .mul(1 / n ** 2);
}

interface Parts {
  /** log t */
  logRatio: Tensor;
  /** t C / Z */
  ofLambda: Tensor;
  /** C / Z */
  ofTarget: Tensor;
}

function summands(
  kind: Exclude<Amortization, "l2Log">,
  { logRatio, ofLambda, ofTarget }: Parts,
): Tensor {
  if (kind === "kl") return ofLambda.mul(logRatio);
  if (kind === "generalizedKl") return ofLambda.mul(logRatio.sub(1)).add(ofTarget);
  // log(2t / (1 + t)) and log(2 / (1 + t)), for t of any size.
  const mineOverMean = logRatio.logSigmoid().add(Math.LN2);
  const targetOverMean = logRatio.neg().logSigmoid().add(Math.LN2);
  return ofLambda.mul(mineOverMean).add(ofTarget.mul(targetOverMean)).mul(0.5);
}

function checkShapes(logLambda: Tensor, others: Record<string, Tensor>): void {
  for (const [name, { shape }] of Object.entries(others)) {
    if (shape.length === 1 && shape.join() === logLambda.shape.join()) continue;
    throw new ShapeError(
      `Expected logLambda and ${name} to have equal shape [N] but received ` +
        `[${logLambda.shape.join(", ")}] and [${shape.join(", ")}]`,
    );
  }
}

const largestLogRatio = 30;
