/**
 * The scale, and for sigmoid models the bias, under which the labels of a set are the most likely. Fit
 * them on items that are not those which are measured: a fit to the test set looks calibrated there.
 */
import { checkSimilarities, type LabelledSimilarities } from "./probabilities.ts";

/** What a fit found. */
export interface FittedScale {
  readonly logitScale: number;
  /** Nats an item (softmax) or a pair (sigmoid), with the fitted numbers. */
  readonly nll: number;
  readonly steps: number;
  /**
   * True where the likelihood has no maximum: every item is right by a margin, so that a larger scale is
   * always better, or the similarities say less than nothing. The numbers are then where the search ended.
   */
  readonly atLimit: boolean;
}

export interface FittedTemperature extends FittedScale {
  /** By which the model's own logits are to be divided: its logit scale / the fitted one. */
  readonly temperature: number;
}

export interface FittedSigmoid extends FittedScale {
  readonly logitBias: number;
}

/** Logit scales that a fit may give. */
const limits = { least: 1e-3, most: 1e5 } as const;
const mostSteps = 200;

/**
 * Temperature scaling: one number for all classes, by Newton's method in a bracket.
 *
 *     min over s > 0 of  mean over items of  log sum_c exp(s x_c) - s x_label
 *
 * which is convex in s.  Guo et al., arXiv:1706.04599, section 4.2. The chosen classes stay the same.
 *
 * logitScale   the model's own, by which the temperature is named; default 1
 * throws  ShapeError, RangeError for counts or labels that do not fit, or numbers that are not finite
 */
export function fitTemperature(data: LabelledSimilarities, logitScale = 1): FittedTemperature {
  checkSimilarities(data);
  let low: number = limits.least;
  let high: number = limits.most;
  if (!(logitScale > 0 && logitScale < Infinity)) {
    throw new RangeError(`Expected a logit scale above 0 but received ${logitScale}.`);
  }
  const done = (scale: number, steps: number, atLimit: boolean): FittedTemperature => ({
    logitScale: scale,
    temperature: logitScale / scale,
    nll: softmaxSlope(data, scale).nll,
    steps,
    atLimit,
  });
  if (softmaxSlope(data, high).slope <= 0) return done(high, 0, true);
  if (softmaxSlope(data, low).slope >= 0) return done(low, 0, true);
  let scale = Math.min(Math.max(logitScale, low), high);
  for (let step = 1; step <= mostSteps; step++) {
    const { slope, curvature } = softmaxSlope(data, scale);
    if (slope > 0) high = scale;
    else low = scale;
    const newton = scale - slope / curvature;
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    // Newton's last step is far shorter than the one before: what is left is rounding.
    const isLast = Math.abs(next - scale) <= 1e-10 * scale;
    scale = next;
    if (isLast) return done(scale, step, false);
  }
  return done(scale, mostSteps, false);
}

/** The mean loss of a scale, and its first two derivatives: x's mean less the label's, its variance. */
function softmaxSlope(
  { similarities, labels, classCount }: LabelledSimilarities,
  scale: number,
): { nll: number; slope: number; curvature: number } {
  const count = labels.length;
  let [nll, slope, curvature] = [0, 0, 0];
  for (let item = 0; item < count; item++) {
    const start = item * classCount;
    let most = -Infinity;
    for (let i = start; i < start + classCount; i++) most = Math.max(most, similarities[i]!);
    let [total, first, second] = [0, 0, 0];
    for (let i = start; i < start + classCount; i++) {
      // Distances from the largest: no overflow, and no loss of the small differences.
      const x = similarities[i]! - most;
      const share = Math.exp(scale * x);
      total += share;
      first += share * x;
      second += share * x * x;
    }
    const mean = first / total;
    const own = similarities[start + labels[item]!]! - most;
    nll += Math.log(total) - scale * own;
    slope += mean - own;
    curvature += Math.max(0, second / total - mean * mean);
  }
  return { nll: nll / count, slope: slope / count, curvature: curvature / count };
}

/**
 * Scale and bias of a sigmoid model, over all N x C pairs of an item and a class: logistic regression on
 * one number (Platt scaling), by Newton's method with steps that are halved until the loss falls.
 *
 *     min over s, b of  mean over pairs of  log(1 + exp(-z (s x + b))),   z = 1 for the label, else -1
 *
 * SigLIP's pairing, arXiv:2303.15343, algorithm 1, with classes as texts. Start it at the model's own.
 *
 * throws  ShapeError, RangeError for counts or labels that do not fit, numbers that are not finite, or
 *         one class only
 */
export function fitSigmoid(
  data: LabelledSimilarities,
  start: { readonly logitScale: number; readonly logitBias: number } = {
    logitScale: 10,
    logitBias: -10,
  },
): FittedSigmoid {
  checkSimilarities(data);
  if (data.classCount < 2) {
    throw new RangeError("Expected two classes or more but received one; every pair is right.");
  }
  let { logitScale: scale, logitBias: bias } = start;
  const isSeparable = separable(data);
  let here = sigmoidSlope(data, scale, bias);
  const ended = (steps: number, atLimit: boolean): FittedSigmoid => {
    return { logitScale: scale, logitBias: bias, nll: here.nll, steps, atLimit };
  };
  for (let step = 1; step <= mostSteps; step++) {
    const [byScale, byBias] = newtonStep(here);
    // What a whole step would gain, to second order: below rounding nothing is left to find.
    const gain = (here.slope[0] * byScale + here.slope[1] * byBias) / 2;
    if (gain <= 1e-15 * here.nll) return ended(step - 1, isSeparable);
    let next = here;
    let share = 1;
    for (; share > 1e-10; share /= 2) {
      next = sigmoidSlope(data, scale - share * byScale, bias - share * byBias);
      if (next.nll <= here.nll) break;
    }
    if (share <= 1e-10) return ended(step, isSeparable);
    scale -= share * byScale;
    bias -= share * byBias;
    here = next;
    const isFar = Math.abs(scale) >= limits.most || Math.abs(bias) >= limits.most;
    if (isFar) return ended(step, true);
  }
  return ended(mostSteps, true);
}

/** Whether one threshold parts the right pairs from all others. */
function separable({ similarities, labels, classCount }: LabelledSimilarities): boolean {
  const right = { least: Infinity, most: -Infinity };
  const wrong = { least: Infinity, most: -Infinity };
  for (let item = 0; item < labels.length; item++) {
    for (let index = 0; index < classCount; index++) {
      const x = similarities[item * classCount + index]!;
      const range = index === labels[item] ? right : wrong;
      range.least = Math.min(range.least, x);
      range.most = Math.max(range.most, x);
    }
  }
  return right.least > wrong.most || wrong.least > right.most;
}

interface SigmoidSlope {
  nll: number;
  /** By the scale, by the bias. */
  slope: [number, number];
  /** By scale twice, scale and bias, bias twice. */
  curvature: [number, number, number];
}

function newtonStep({ slope: [a, b], curvature: [aa, ab, bb] }: SigmoidSlope): [number, number] {
  const determinant = aa * bb - ab * ab;
  // Flat, or a curvature that rounding has made indefinite: down the slope instead.
  if (!(determinant > 1e-12 * aa * bb)) return [a / (aa + 1e-12), b / (bb + 1e-12)];
  return [(bb * a - ab * b) / determinant, (aa * b - ab * a) / determinant];
}

function sigmoidSlope(data: LabelledSimilarities, scale: number, bias: number): SigmoidSlope {
  const { similarities, labels, classCount } = data;
  const pairs = similarities.length;
  let nll = 0;
  let [a, b, aa, ab, bb] = [0, 0, 0, 0, 0];
  for (let item = 0; item < labels.length; item++) {
    const label = labels[item]!;
    for (let index = 0; index < classCount; index++) {
      const x = similarities[item * classCount + index]!;
      const logit = scale * x + bias;
      const isRight = index === label;
      // One exponential gives the probability, its complement and the loss: most of the time is here.
      const small = Math.exp(-Math.abs(logit));
      const near = 1 / (1 + small);
      const far = small * near;
      const p = logit >= 0 ? near : far;
      const isMissed = isRight ? logit < 0 : logit > 0;
      nll += (isMissed ? Math.abs(logit) : 0) + Math.log1p(small);
      const error = isRight ? (logit >= 0 ? -far : -near) : p;
      a += error * x;
      b += error;
      const width = near * far;
      aa += width * x * x;
      ab += width * x;
      bb += width;
    }
  }
  return {
    nll: nll / pairs,
    slope: [a / pairs, b / pairs],
    curvature: [aa / pairs, ab / pairs, bb / pairs],
  };
}
