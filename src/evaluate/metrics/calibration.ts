/**
 * Whether a model is right as often as it says: calibration errors, Brier score, log loss and the
 * reliability curve, from the numbers of each item that itemProbabilities gives.
 */
import type { ItemProbabilities } from "./probabilities.ts";
import { checkCount, checkSome, meanOf, together, weighted, type Weighted } from "./weighted.ts";

/** Bins as Guo et al. and most papers have them. */
export const defaultBins = 15;

/** Items of similar confidence. */
export interface ReliabilityBin {
  /** Confidences of the bin, `low` < confidence <= `high`; of equal-mass bins the least and most. */
  readonly low: number;
  readonly high: number;
  /** Items, or the sum of their weights. */
  readonly count: number;
  /** Mean confidence and share of right answers; NaN for an empty bin. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** Claims and outcomes of items. */
export type Claims = Pick<ItemProbabilities, "confidences" | "hits">;

export interface BinOptions {
  /** Default 15. */
  readonly bins?: number;
  /** `equalWidth`: (b/M, (b+1)/M]; `equalMass`: as many items in each. Default `equalWidth`. */
  readonly kind?: "equalWidth" | "equalMass";
}

/**
 * Confidence against accuracy. Bins of equal width are closed on the right, the first on both sides;
 * bins of equal mass cut the items in order of confidence, equal ones in their order: of W items, the
 * one at place p (from 0) is in bin floor(p M / W). Copies of an item may fall on both sides of a cut.
 *
 * returns [M] bins in order of confidence; empty ones have a count of 0
 * throws  ShapeError, RangeError for no items, unequal lengths, confidences outside [0, 1], or bins
 */
export function reliabilityCurve(
  claims: Claims,
  { bins = defaultBins, kind = "equalWidth" }: BinOptions = {},
): Weighted<ReliabilityBin[]> {
  const { confidences, hits } = claims;
  checkClaims(claims, bins);
  const cut = kind === "equalWidth" ? equalWidth(confidences, bins) : equalMass(confidences, bins);
  return weighted(confidences.length, (weights) => {
    const tallies = Array.from({ length: bins }, (_, bin) => ({
      low: kind === "equalWidth" ? bin / bins : NaN,
      high: kind === "equalWidth" ? (bin + 1) / bins : NaN,
      count: 0,
      claimed: 0,
      right: 0,
    }));
    cut(weights, (item, bin, weight) => {
      const tally = tallies[bin]!;
      const confidence = confidences[item]!;
      tally.count += weight;
      tally.claimed += weight * confidence;
      tally.right += weight * hits[item]!;
      if (kind === "equalWidth") return;
      if (!(tally.low <= confidence)) tally.low = confidence;
      tally.high = confidence;
    });
    return tallies.map(({ low, high, count, claimed, right }) => ({
      low,
      high,
      count,
      confidence: claimed / count,
      accuracy: right / count,
    }));
  });
}

/**
 * Expected calibration error with bins of equal width, or of equal mass (the adaptive one, which does
 * not depend on where confidences crowd).
 *
 *     ECE = sum over bins  n_b / N |accuracy_b - confidence_b|
 *
 *     Guo et al., arXiv:1706.04599, equation 3 (15 bins); equal mass: Nguyen and O'Connor,
 *     arXiv:1508.05154, and for the chosen class alone Mukhoti et al., arXiv:2002.09437
 *
 * With few items in a bin the error of a calibrated model is above 0: it is biased upwards.
 *
 * throws  as reliabilityCurve does
 */
export function calibrationError(claims: Claims, options: BinOptions = {}): Weighted {
  const curve = reliabilityCurve(claims, options);
  return (weights) => {
    let error = 0;
    let total = 0;
    for (const { count, confidence, accuracy } of curve(weights)) {
      if (count === 0) continue;
      error += count * Math.abs(accuracy - confidence);
      total += count;
    }
    return error / total;
  };
}

/** The metrics of `calibrationMetrics`, in order. */
export const calibrationNames = ["ece", "adaptiveEce", "brier", "nll"] as const;

/**
 * ECE, adaptive ECE, Brier score and log loss, in this order.
 *
 *     Brier = mean over items of  sum_c (p_c - y_c)^2      Brier 1950: all classes, 0 to 2, not halved
 *     NLL   = mean over items of  -log p_label             nats
 *
 * throws  as reliabilityCurve does
 */
export function calibrationMetrics(
  items: ItemProbabilities,
  bins = defaultBins,
): Weighted<number[]> {
  return together([
    calibrationError(items, { bins }),
    calibrationError(items, { bins, kind: "equalMass" }),
    meanOf(items.squares),
    meanOf(items.losses),
  ]);
}

function checkClaims({ confidences, hits }: Claims, bins: number): void {
  checkSome("calibration", confidences);
  checkCount("hits", hits, confidences.length);
  if (!Number.isInteger(bins) || bins < 1) {
    throw new RangeError(`Expected a whole number of 1 or more for bins but received ${bins}.`);
  }
  const wrong = confidences.findIndex((confidence) => !(confidence >= 0 && confidence <= 1));
  if (wrong < 0) return;
  throw new RangeError(
    `Expected confidences from 0 to 1 but item ${wrong} has ${confidences[wrong]}.`,
  );
}

/** Visits items with the bin that they are in and their weight there. */
type Cut = (
  weights: ArrayLike<number>,
  visit: (item: number, bin: number, weight: number) => void,
) => void;

function equalWidth(confidences: Float64Array, bins: number): Cut {
  const binOf = Uint32Array.from(confidences, (one) => Math.max(0, Math.ceil(one * bins) - 1));
  return (weights, visit) => {
    for (let item = 0; item < binOf.length; item++) {
      const weight = weights[item]!;
      if (weight > 0) visit(item, binOf[item]!, weight);
    }
  };
}

function equalMass(confidences: Float64Array, bins: number): Cut {
  const order = Uint32Array.from(confidences.keys()).sort(
    (a, b) => confidences[a]! - confidences[b]! || a - b,
  );
  return (weights, visit) => {
    let total = 0;
    for (let item = 0; item < order.length; item++) total += weights[item]!;
    let place = 0;
    for (const item of order) {
      const end = place + weights[item]!;
      while (place < end) {
        const bin = Math.floor((place * bins) / total);
        // The first place of the next bin.
        const next = Math.min(end, Math.ceil(((bin + 1) * total) / bins));
        visit(item, bin, next - place);
        place = next;
      }
    }
  };
}
