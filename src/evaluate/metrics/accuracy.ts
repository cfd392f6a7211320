/** Accuracy of one answer an item: of all, by class and by group. Knows no model and no files. */
import {
  checkCount,
  checkFinite,
  checkIndices,
  checkSome,
  meanOf,
  weighted,
  type Weighted,
} from "./weighted.ts";

/**
 * Share of items whose right answer is among the first `k`.
 *
 * ranks   [N] place of the right answer, from 1 (see rankOf)
 * throws  RangeError for no items, or a rank or k that is not a whole number from 1 on
 */
export function topK(ranks: ArrayLike<number>, k: number): Weighted {
  if (!Number.isInteger(k) || k < 1) {
    throw new RangeError(`Expected a whole number of 1 or more for k but received ${k}.`);
  }
  return meanOf(hitsWithin(ranks, k));
}

/** [N] 1 where a rank is `k` or better. throws  RangeError for a rank that is not one */
export function hitsWithin(ranks: ArrayLike<number>, k: number): Uint8Array {
  return Uint8Array.from({ length: ranks.length }, (_, item) => {
    const rank = ranks[item]!;
    if (Number.isInteger(rank) && rank >= 1) return rank <= k ? 1 : 0;
    throw new RangeError(`Expected ranks from 1 on but item ${item} has ${rank}.`);
  });
}

/**
 * Accuracy of each class, averaged over the classes that have items (scikit-learn's
 * `balanced_accuracy_score`; DataComp's `mean_per_class_recall`). A class that a resample misses is
 * left out of that resample's mean.
 *
 * hits    [N] 0 or 1, or any score of each item
 * labels  [N] class of each item, in [0, classCount)
 * throws  ShapeError, RangeError for counts or labels that do not fit
 */
export function meanPerClass(
  hits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classCount: number,
): Weighted {
  const means = groupMeans(hits, labels, classCount);
  return (weights) => {
    let sum = 0;
    let present = 0;
    for (const mean of means(weights)) {
      if (Number.isNaN(mean)) continue;
      sum += mean;
      present++;
    }
    return sum / present;
  };
}

/**
 * The mean of every group, NaN for one without items.
 *
 * values  [N] a number for each item, such as its hit among the first k
 * groups  [N] in [0, groupCount)
 * throws  ShapeError, RangeError for counts or groups that do not fit
 */
export function groupMeans(
  values: ArrayLike<number>,
  groups: ArrayLike<number>,
  groupCount: number,
): Weighted<Float64Array> {
  checkSome("groups", values);
  checkCount("groups", groups, values.length);
  checkIndices("groups", groups, groupCount);
  checkFinite("a mean", values);
  const own = Float64Array.from(values);
  const groupOf = Uint32Array.from(groups);
  return weighted(own.length, (weights) => {
    const sums = new Float64Array(groupCount);
    const totals = new Float64Array(groupCount);
    for (let item = 0; item < own.length; item++) {
      const weight = weights[item]!;
      const group = groupOf[item]!;
      sums[group] = sums[group]! + weight * own[item]!;
      totals[group] = totals[group]! + weight;
    }
    return sums.map((sum, group) => sum / totals[group]!);
  });
}

export interface GroupNames {
  /** [G] */
  readonly names: readonly string[];
  /** Names that are never the worst group, such as FMoW's `Other`. */
  readonly ignored?: readonly string[];
}

/**
 * The lowest mean among the groups that have items, as WILDS and DataComp report it: the worst region
 * of FMoW and GeoDE, the worst income group of Dollar Street. NaN where a resample holds none of the
 * groups. The worst of several groups is lower than a group chosen beforehand would be, and more so
 * the smaller they are: intervals by resampling inherit that.
 *
 *     Koh et al., WILDS, arXiv:2012.07421; DataComp, arXiv:2304.14108, appendix N
 *
 * throws  ShapeError, RangeError as groupMeans does, and where every group that has items is ignored
 */
export function worstGroup(
  values: ArrayLike<number>,
  groups: ArrayLike<number>,
  { names, ignored = [] }: GroupNames,
): Weighted {
  const counted = names.map((name) => !ignored.includes(name));
  const means = groupMeans(values, groups, names.length);
  const worst = (of: Float64Array): number => {
    let least = NaN;
    for (const [group, mean] of of.entries()) {
      if (counted[group] === true && !(mean >= least) && !Number.isNaN(mean)) least = mean;
    }
    return least;
  };
  if (Number.isNaN(worst(groupMeans(new Uint8Array(values.length), groups, names.length)()))) {
    throw new RangeError(
      `Expected items in a group that is not ignored but received only ${ignored.join(", ")}; ` +
        "the worst group is undefined.",
    );
  }
  return (weights) => worst(means(weights));
}

/**
 * F1 of each class that occurs among the labels, averaged; a class that only predictions name is left
 * out, as WILDS does for iWildCam (`F1(average="macro")` with the labels that occur in y_true).
 *
 *     F1_c = 2 TP_c / (2 TP_c + FP_c + FN_c)
 *
 * labels, predictions   [N] in [0, classCount)
 * throws  ShapeError, RangeError for counts or classes that do not fit
 */
export function macroF1(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classCount: number,
): Weighted {
  checkSome("macroF1", labels);
  checkCount("predictions", predictions, labels.length);
  checkIndices("labels", labels, classCount);
  checkIndices("predictions", predictions, classCount);
  return weighted(labels.length, (weights) => {
    const labelled = new Float64Array(classCount);
    const predicted = new Float64Array(classCount);
    const right = new Float64Array(classCount);
    for (let item = 0; item < labels.length; item++) {
      const weight = weights[item]!;
      const label = labels[item]!;
      const prediction = predictions[item]!;
      labelled[label] = labelled[label]! + weight;
      predicted[prediction] = predicted[prediction]! + weight;
      if (label === prediction) right[label] = right[label]! + weight;
    }
    let sum = 0;
    let present = 0;
    for (let index = 0; index < classCount; index++) {
      if (labelled[index] === 0) continue;
      // 2 TP + FP + FN = labelled + predicted
      sum += (2 * right[index]!) / (labelled[index]! + predicted[index]!);
      present++;
    }
    return sum / present;
  });
}
