/**
 * From similarities to probabilities: what a model claims of each item, and how wrong the claim is.
 * A pass over [N, C] similarities leaves a few numbers an item, from which calibration is measured.
 */
import { ShapeError } from "../../errors.ts";
import { checkFinite, checkIndices } from "./weighted.ts";

/** Similarities of every item to every class, and the class that is right. */
export interface LabelledSimilarities {
  /** [N, C] row-major cosines; or logits, with a logit scale of 1. */
  readonly similarities: ArrayLike<number>;
  /** [N] in [0, C) */
  readonly labels: ArrayLike<number>;
  /** C */
  readonly classCount: number;
}

/** How similarities become probabilities. */
export type Likelihood =
  /** One class is right: p = softmax(logitScale * similarities). */
  | { readonly kind: "softmax"; readonly logitScale: number }
  /** Each class for itself: p = sigmoid(logitScale * similarity + logitBias). */
  | { readonly kind: "sigmoid"; readonly logitScale: number; readonly logitBias: number };

/** What each item's probabilities come to. */
export interface ItemProbabilities {
  /** [N] probability of the class that was chosen, the most similar one */
  readonly confidences: Float64Array;
  /** [N] 1 where that class is right; of equal similarities the lower class is chosen */
  readonly hits: Uint8Array;
  /** [N] nats: -log p of the right class; for sigmoids the mean of -log p over the C answers */
  readonly losses: Float64Array;
  /** [N] sum over classes of (p_c - y_c)^2, 0 to 2 for softmax; y is 1 for the right class alone */
  readonly squares: Float64Array;
}

/** throws  ShapeError, RangeError for counts or labels that do not fit, or numbers that are not finite */
export function itemProbabilities(
  data: LabelledSimilarities,
  likelihood: Likelihood,
): ItemProbabilities {
  const count = checkSimilarities(data);
  checkFinite("the logit scale and bias", Object.values(likelihood).filter(isNumber));
  const { similarities, labels, classCount } = data;
  const found: ItemProbabilities = {
    confidences: new Float64Array(count),
    hits: new Uint8Array(count),
    losses: new Float64Array(count),
    squares: new Float64Array(count),
  };
  const fill = likelihood.kind === "softmax" ? softmaxRow : sigmoidRow;
  const row = new Float64Array(classCount);
  for (let item = 0; item < count; item++) {
    let best = 0;
    for (let index = 0; index < classCount; index++) {
      row[index] = similarities[item * classCount + index]!;
      if (row[index]! > row[best]!) best = index;
    }
    const label = labels[item]!;
    found.losses[item] = fill(row, label, likelihood);
    found.confidences[item] = row[best]!;
    found.hits[item] = +(best === label);
    let squares = 0;
    for (let index = 0; index < classCount; index++) {
      squares += (row[index]! - +(index === label)) ** 2;
    }
    found.squares[item] = squares;
  }
  return found;
}

const isNumber = (value: unknown): value is number => typeof value === "number";

/** N. throws  ShapeError, RangeError for counts or labels that do not fit, or NaN */
export function checkSimilarities({
  similarities,
  labels,
  classCount,
}: LabelledSimilarities): number {
  const count = labels.length;
  if (!Number.isInteger(classCount) || classCount < 1 || count < 1) {
    throw new RangeError(
      `Expected at least one item and one class but received ${count} and ${classCount}.`,
    );
  }
  if (similarities.length !== count * classCount) {
    throw new ShapeError(
      `Expected ${count} x ${classCount} similarities, of every item to every class, but received ` +
        `${similarities.length}.`,
    );
  }
  checkIndices("labels", labels, classCount);
  checkFinite("similarities", similarities);
  return count;
}

/** Turns similarities [C] into probabilities in place; returns -log p of the label. */
function softmaxRow(row: Float64Array, label: number, { logitScale }: Likelihood): number {
  let most = -Infinity;
  for (let index = 0; index < row.length; index++) {
    row[index] = row[index]! * logitScale;
    most = Math.max(most, row[index]!);
  }
  const own = row[label]!;
  let total = 0;
  for (let index = 0; index < row.length; index++) {
    row[index] = Math.exp(row[index]! - most);
    total += row[index]!;
  }
  for (let index = 0; index < row.length; index++) row[index] = row[index]! / total;
  return Math.log(total) + most - own;
}

function sigmoidRow(row: Float64Array, label: number, likelihood: Likelihood): number {
  const bias = likelihood.kind === "sigmoid" ? likelihood.logitBias : 0;
  let loss = 0;
  for (let index = 0; index < row.length; index++) {
    const logit = row[index]! * likelihood.logitScale + bias;
    loss += softplus(index === label ? -logit : logit);
    row[index] = sigmoid(logit);
  }
  return loss / row.length;
}

/** 1 / (1 + e^-x) */
export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** log(1 + e^x), which is -log sigmoid(-x), for any size of x. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
