/**
 * The global contrastive loss over a moving estimate of every example's normaliser: what SogCLR,
 * iSogCLR, FastCLIP and NeuCLIP share. Knows no model, recipe, or where the estimates are kept.
 */
import {
  call,
  callInPlace,
  noGrad,
  operator,
  scope,
  where,
  type Tensor,
} from "../../torch/index.ts";
import { chunksOf, closedForm, expInPlace, ownPairs, type ChunkOptions } from "./chunks.ts";
import { checkChunkSize, checkPairs } from "./pairs.ts";

/** One number for each image as anchor (against texts) and each text as anchor: [N] each. */
export interface Sides {
  image: Tensor;
  text: Tensor;
}

export interface GlobalContrastiveOptions extends ChunkOptions {
  /** 1 / T > 0: [] of all, in the graph; or [N] of each anchor, constants. */
  logitScale: Tensor | Sides;
  /** log(u + eps) of each anchor, given log g of the batch; constants, computed without a graph. */
  denominators: (logG: Sides) => Sides;
  /** [N] factor of each anchor's term, constants; 1 when absent (RGCL: its own temperature). */
  weights?: Sides;
  /** Whether the pair itself counts in g, as exp(0), still divided by N - 1; default false. */
  includePositive?: boolean;
  /** Whether the two sides' means are averaged or added; default "mean". */
  sides?: "mean" | "sum";
}

export interface GlobalContrastive {
  /** [] the surrogate; its value says little (1 where u = g), its gradient is what counts. */
  loss: Tensor;
  /** [N] log g of each anchor, constants. */
  logG: Sides;
  /** [N] sum_j exp(h_ij / T_i) h_ij / T_i / (N - 1) / (u_i + eps), constants: for dL/dT. */
  moments: Sides;
}

/**
 * The gradient estimator of sum_i T log(eps + g_i) over the whole data (FCCO):
 *
 *     L = 1/2 mean_i [ g1_i / sg(u1_i + eps) + g2_i / sg(u2_i + eps) ]
 *     g1_i = 1/(N-1) sum_{j != i} exp(h1_ij / T),   h1_ij = I_i.T_j - I_i.T_i
 *     g2_i = 1/(N-1) sum_{j != i} exp(h2_ij / T),   h2_ij = I_j.T_i - I_i.T_i
 *     SogCLR, arXiv:2202.12387, Algorithm 1; bimodal as in FastCLIP, arXiv:2407.01445, Section 4
 *
 * With u = g it has the gradient of 1/2 mean_i [log g1_i + log g2_i]: InfoNCE without the positive in
 * its denominators. Everything is computed from logarithms: exp(h / T) itself may overflow.
 *
 * image, text   [N, D] float, unit rows
 * memory        some chunkSize x N matrices (N x N whole); both forms are the same two passes, with
 *               the gradient in closed form. Usable once: a second backward throws, as does one of
 *               second order
 * ownership     borrows all inputs; the results belong to the caller's scope
 * throws        ShapeError if image and text differ in shape; RangeError if N < 2 or chunkSize < 1
 */
export function globalContrastive(
  image: Tensor,
  text: Tensor,
  options: GlobalContrastiveOptions,
): GlobalContrastive {
  checkPairs(image, text);
  const n = image.size(0);
  if (n < 2) {
    throw new RangeError(
      `Expected at least 2 pairs for the batch but received ${n}; a pair has no negatives but the others`,
    );
  }
  const { chunkSize = n, logitScale } = options;
  checkChunkSize(chunkSize);
  const found: { logG?: Sides; moments?: Sides } = {};
  const learned = isSides(logitScale) ? [] : [logitScale];
  return scope(() => {
    const loss = closedForm([image, text, ...learned], (needs) => {
      const batch = prepare(image, text, options, chunkSize);
      const { moments, gradImage, gradText } = secondPass(batch, needs);
      found.logG = kept(batch.logG);
      found.moments = kept(moments);
      const gradients: (Tensor | null)[] = [gradImage, gradText];
      if (!isSides(logitScale)) {
        gradients.push(needs[2] ? slopeByScale(batch, moments, logitScale) : null);
      }
      return { loss: surrogate(batch), gradients };
    });
    return { loss, logG: handOut(found.logG as Sides), moments: handOut(found.moments as Sides) };
  });
}

/**
 * [N] log of (1 - gamma) u + gamma g; log g where u was never set (-Infinity).
 *
 * ownership   borrows both; no gradient
 */
export function movingAverage(logU: Tensor, logG: Tensor, gamma: number): Tensor {
  if (!(gamma > 0 && gamma <= 1)) {
    throw new RangeError(
      `Expected a number above 0 and up to 1 for gamma but received ${gamma}; 1 keeps no memory`,
    );
  }
  return noGrad(() =>
    scope(() => {
      if (gamma === 1) return logG.clone();
      const mixed = logAddExp(logU.add(Math.log1p(-gamma)), logG.add(Math.log(gamma)));
      return where(logU.eq(-Infinity), logG, mixed);
    }),
  );
}

/** [N] log(u + epsilon) of log u. */
export function logWithEpsilon(logU: Tensor, epsilon: number): Tensor {
  if (epsilon === 0) return logU.clone();
  return scope(() => logAddExp(logU, logU.detach().clone().fill_(Math.log(epsilon))));
}

/**
 * RGCL-g's terms of the temperature (FastCLIP v3), to add to sg(T) x the surrogate:
 *
 *     T rho + T 1/2 mean_i [log u1_i + log u2_i],   T = 1 / logitScale
 *
 * Together dL/dT = 1/2 mean[log u1 + log u2] + rho - 1/(2T) mean sum_j w h, FastCLIP, Section 4.
 */
export function temperatureTerm(logitScale: Tensor, logU: Sides, rho: number): Tensor {
  return scope(() => {
    const average = logU.image.add(logU.text).mean().mul(0.5).detach();
    return logitScale.pow(-1).mul(average.add(rho));
  });
}

/** log(e^a + e^b); either may be -Infinity. */
export function logAddExp(a: Tensor, b: Tensor): Tensor {
  return call(logaddexp, a, b);
}

/** What the second pass needs: similarities are recomputed, the rest is [N]. */
interface Batch {
  image: Tensor;
  text: Tensor;
  chunkSize: number;
  /** [N] 1 / T of each anchor. */
  scales: Sides;
  /** [N] I_i.T_i */
  pairs: Tensor;
  logG: Sides;
  /** [N] log of each anchor's factor of exp(h / T): -log(N - 1) - log(u + eps). */
  shifts: Sides;
  /** [N] sums over the negatives: g / (u + eps), without the positive. */
  ratios: Sides;
  /** The same with the positive, where it counts. */
  values: Sides;
  weights: Sides | null;
  /** 1 / 2N, or 1 / N where sides are added. */
  factor: number;
}

function prepare(
  image: Tensor,
  text: Tensor,
  options: GlobalContrastiveOptions,
  chunkSize: number,
): Batch {
  const n = image.size(0);
  const { logitScale, includePositive = false, weights = null, sides = "mean" } = options;
  const all = (scale: Tensor): Sides => ({ image: scale.expand(n), text: scale.expand(n) });
  const scales = isSides(logitScale) ? logitScale : all(logitScale.detach());
  const pairs = image.mul(text).sum(1);
  const sums = firstPass({ image, text, pairs, scales, chunkSize });
  const count = Math.log(n - 1);
  const whole = both(sums, (sum) =>
    includePositive ? logAddExp(sum, sum.clone().zero_()) : sum.clone(),
  );
  const logG = both(whole, (sum) => sum.sub(count));
  const denominators = options.denominators(logG);
  const shifts = both(denominators, (log) => log.add(count).neg());
  return {
    image,
    text,
    chunkSize,
    scales,
    pairs,
    logG,
    shifts,
    ratios: { image: sums.image.add(shifts.image).exp(), text: sums.text.add(shifts.text).exp() },
    values: { image: whole.image.add(shifts.image).exp(), text: whole.text.add(shifts.text).exp() },
    weights,
    factor: sides === "sum" ? 1 / n : 1 / (2 * n),
  };
}

/** [N] log sum_{j != i} exp(h_ij / T_i) of both sides. */
function firstPass(batch: Pick<Batch, "image" | "text" | "pairs" | "scales" | "chunkSize">): Sides {
  const { image, text, pairs, scales, chunkSize } = batch;
  const rows = pairs.detach().clone();
  const columns = rows.clone().fill_(-Infinity);
  for (const chunk of chunksOf(image.size(0), chunkSize)) {
    scope(() => {
      const own = (of: Tensor): Tensor => of.narrow(0, chunk.start, chunk.length);
      const similarities = own(image).mm(text.t());
      const byRow = similarities.sub(own(pairs).unsqueeze(1)).mul_(own(scales.image).unsqueeze(1));
      ownPairs(byRow, chunk).fill_(-Infinity);
      own(rows).copy_(byRow.logsumexp(1));
      byRow.dispose();
      const byColumn = similarities.add_(pairs, -1).mul_(scales.text);
      ownPairs(byColumn, chunk).fill_(-Infinity);
      columns.copy_(logAddExp(columns, byColumn.logsumexp(0)));
    });
  }
  return { image: rows, text: columns };
}

interface Slopes {
  moments: Sides;
  gradImage: Tensor | null;
  gradText: Tensor | null;
}

/**
 * With P_ij = exp(h1_ij / T_i) / (N-1) / (u1_i + eps) off the diagonal and Q_ij likewise of text j:
 * dL/d(I.T^T) = f (s1_i P_ij + s2_j Q_ij), and minus their sums of row and column on the diagonal.
 */
function secondPass(batch: Batch, needs: readonly boolean[]): Slopes {
  const { image, text, chunkSize, scales, weights } = batch;
  const moments = both(batch.pairs, (like) => like.clone().zero_());
  const gradImage = needs[0] ? image.detach().clone().zero_() : null;
  const gradText = needs[1] ? text.detach().clone().zero_() : null;
  const slopes = weights
    ? { image: scales.image.mul(weights.image), text: scales.text.mul(weights.text) }
    : scales;
  const diagonal = batch.ratios.image.mul(slopes.image).add(batch.ratios.text.mul(slopes.text));
  for (const chunk of chunksOf(image.size(0), chunkSize)) {
    scope(() => {
      const own = (of: Tensor): Tensor => of.narrow(0, chunk.start, chunk.length);
      const part = own(image);
      const similarities = part.mm(text.t());
      const rows = similarities.sub(own(batch.pairs).unsqueeze(1));
      rows.mul_(own(scales.image).unsqueeze(1));
      const byRow = expInPlace(rows.add(own(batch.shifts.image).unsqueeze(1)));
      ownPairs(byRow, chunk).zero_();
      own(moments.image).copy_(rows.mul_(byRow).sum(1));
      rows.dispose();
      const columns = similarities.add_(batch.pairs, -1).mul_(scales.text);
      const byColumn = expInPlace(columns.add(batch.shifts.text));
      ownPairs(byColumn, chunk).zero_();
      moments.text.add_(columns.mul_(byColumn).sum(0));
      if (!gradImage && !gradText) return;
      const gradient = byRow.mul_(own(slopes.image).unsqueeze(1));
      gradient.add_(byColumn.mul_(slopes.text));
      ownPairs(gradient, chunk).copy_(own(diagonal).neg());
      gradient.mul_(batch.factor);
      if (gradImage) own(gradImage).copy_(gradient.mm(text));
      if (gradText) callInPlace(addmm_, gradText, gradient.t(), part);
    });
  }
  return { moments, gradImage, gradText };
}

/** [] */
function surrogate({ values, weights, factor }: Batch): Tensor {
  const weighted = weights
    ? values.image.mul(weights.image).add(values.text.mul(weights.text))
    : values.image.add(values.text);
  return weighted.sum().mul(factor);
}

/** dL/ds = f sum_i w_i moment_i / s. */
function slopeByScale({ weights, factor }: Batch, moments: Sides, logitScale: Tensor): Tensor {
  const weighted = weights
    ? moments.image.mul(weights.image).add(moments.text.mul(weights.text))
    : moments.image.add(moments.text);
  return weighted.sum().mul(factor).div(logitScale);
}

function isSides(scale: Tensor | Sides): scale is Sides {
  return "text" in scale;
}

/** Applies `change` to each side, or to one tensor for both. */
function both(of: Tensor | Sides, change: (side: Tensor) => Tensor): Sides {
  return isSides(of)
    ? { image: change(of.image), text: change(of.text) }
    : { image: change(of), text: change(of) };
}

/** Out of the scope of closedForm. */
function kept({ image, text }: Sides): Sides {
  return { image: image.keep(), text: text.keep() };
}

/** Kept tensors under new handles that the open scope owns. */
function handOut(sides: Sides): Sides {
  return both(sides, (side) => {
    const owned = side.detach();
    side.dispose();
    return owned;
  });
}

const logaddexp = operator("logaddexp");
const addmm_ = operator("addmm_");
