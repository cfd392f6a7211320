/** Average precision, for pictures with several labels. Knows no model and no files. */
import { checkCount, checkFinite, weighted, type Weighted } from "./weighted.ts";

/** Scores and truth of every item and class. */
export interface MultiLabelScores {
  /** [N, C] row-major, larger is more likely; any scale. */
  readonly scores: ArrayLike<number>;
  /** [N, C] row-major, not 0 where the item has the label. */
  readonly targets: ArrayLike<number>;
  /** C */
  readonly classCount: number;
}

/**
 * Average precision of every class [C]: the precision at each item that has the label, in the order of
 * scores, averaged over these items.
 *
 *     AP_c = 1/P_c  sum over items i with the label:  (labelled items up to i) / (items up to i)
 *
 * Equal to CLIP_benchmark's `average_precision_per_class`, and to scikit-learn's
 * `average_precision_score` where no two scores of a class are equal. **Equal scores** are ordered by
 * item, the earlier first, as a stable sort does; theirs leaves the order open, and scikit-learn takes
 * all items of one score at once. A class without labelled items has 0, as in CLIP_benchmark.
 *
 * throws  ShapeError, RangeError for no items, counts that do not fit, or scores that are not finite
 */
export function averagePrecisionPerClass(data: MultiLabelScores): Weighted<Float64Array> {
  const { classes, count } = sortedClasses(data);
  return weighted(count, (weights) =>
    Float64Array.from(classes, (sorted) => averagePrecision(sorted, weights) || 0),
  );
}

/**
 * The mean of the classes' average precision (mAP). A class that has labelled items, none of which a
 * resample drew, is left out of that resample's mean: counted as 0 it would pull every interval down.
 *
 * throws  as averagePrecisionPerClass does
 */
export function meanAveragePrecision(data: MultiLabelScores): Weighted {
  const { classes, count } = sortedClasses(data);
  return weighted(count, (weights) => {
    let sum = 0;
    let present = 0;
    for (const sorted of classes) {
      const precision = averagePrecision(sorted, weights);
      if (Number.isNaN(precision) && sorted.positives > 0) continue;
      sum += precision || 0;
      present++;
    }
    return sum / present;
  });
}

/** A class's items from the highest score down. */
interface SortedClass {
  /** [N] item */
  readonly order: Uint32Array;
  /** [N] whether order[i] has the label */
  readonly truths: Uint8Array;
  readonly positives: number;
}

function sortedClasses({ scores, targets, classCount }: MultiLabelScores): {
  classes: SortedClass[];
  count: number;
} {
  const count = scores.length / classCount;
  if (!Number.isInteger(classCount) || !Number.isInteger(count) || count < 1) {
    throw new RangeError(
      `Expected scores of at least one item by ${classCount} classes but received ` +
        `${scores.length} numbers.`,
    );
  }
  checkCount("targets", targets, scores.length, "score");
  checkFinite("scores", scores);
  const classes = Array.from({ length: classCount }, (_, index) => {
    const own = Float64Array.from(
      { length: count },
      (_, item) => scores[item * classCount + index]!,
    );
    const order = Uint32Array.from(own.keys()).sort((a, b) => own[b]! - own[a]! || a - b);
    const truths = Uint8Array.from(order, (item) => +(targets[item * classCount + index] !== 0));
    return { order, truths, positives: truths.reduce((sum, truth) => sum + truth, 0) };
  });
  return { classes, count };
}

/** NaN without a labelled item of weight. Copies of an item stand behind each other. */
function averagePrecision({ order, truths }: SortedClass, weights: ArrayLike<number>): number {
  let seen = 0;
  let found = 0;
  let sum = 0;
  for (let place = 0; place < order.length; place++) {
    const weight = weights[order[place]!]!;
    if (truths[place] === 1) {
      for (let copy = 1; copy <= weight; copy++) sum += (found + copy) / (seen + copy);
      found += weight;
    }
    seen += weight;
  }
  return sum / found;
}
