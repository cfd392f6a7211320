/** The metrics of zero-shot classification, each from the columns that the task keeps. */
import { hitsWithin, macroF1, worstGroup } from "../metrics/accuracy.ts";
import type { Likelihood } from "../metrics/probabilities.ts";
import { weightedAccuracies } from "../zero-shot.ts";
import { calibrationStatistic, calibrationTaskMetrics } from "./calibration-columns.ts";
import { column, pick, type ItemColumns, type Statistic, type TaskMetric } from "./task.ts";

const metrics = [
  {
    path: "top1",
    unit: "share",
    description: "Share of pictures whose first guess is right.",
  },
  {
    path: "top5",
    unit: "share",
    description: "Share of pictures with the right answer in the first five.",
  },
  {
    path: "meanPerClass",
    unit: "share",
    description: "Top-1 accuracy with every class counting the same.",
  },
] as const satisfies readonly TaskMetric[];

const macro: TaskMetric = {
  path: "macroF1",
  unit: "share",
  description: "F1 of each class that pictures have, averaged.",
};

const worst: readonly TaskMetric[] = [1, 5].map((k) => ({
  path: `worstGroup/top${k}`,
  unit: "share",
  description: `Top-${k} accuracy of the group where it is lowest.`,
}));

export const zeroShotMetrics: readonly TaskMetric[] = [
  ...metrics,
  macro,
  ...worst,
  ...calibrationTaskMetrics,
];

/** Those that a task gives. */
export function metricsOf({
  groups,
  also = [],
}: {
  groups?: unknown;
  also?: readonly string[] | undefined;
}): readonly TaskMetric[] {
  return [
    ...metrics,
    ...(also.includes("macroF1") ? [macro] : []),
    ...(groups === undefined ? [] : worst),
    ...(also.includes("calibration") ? calibrationTaskMetrics : []),
  ];
}

export function statistic(items: ItemColumns, paths: readonly string[]): Statistic {
  const labels = column(items, "truth");
  const ranks = column(items, "rank");
  const asked = (some: readonly TaskMetric[]): boolean =>
    some.some(({ path }) => paths.includes(path));
  const none = (some: readonly TaskMetric[]) => () => some.map(() => NaN);
  const accuracies = weightedAccuracies({ labels, ranks });
  const f1 = asked([macro]) ? f1Of(items) : none([macro]);
  const groups = asked(worst) ? worstOf(items) : none(worst);
  const calibration = asked(calibrationTaskMetrics)
    ? calibrationStatistic(items)
    : none(calibrationTaskMetrics);
  return pick(zeroShotMetrics, paths, (weights) => [
    ...accuracies(weights),
    ...f1(weights),
    ...groups(weights),
    ...calibration(weights),
  ]);
}

function f1Of(items: ItemColumns): Statistic {
  const [labels, predictions] = [column(items, "truth"), column(items, "prediction")];
  let most = 0;
  for (let i = 0; i < labels.length; i++) {
    most = Math.max(most, labels[i] as number, predictions[i] as number);
  }
  const f1 = macroF1(labels, predictions, most + 1);
  return (weights) => [f1(weights)];
}

/** Ignored groups have the code -1. */
function worstOf(items: ItemColumns): Statistic {
  const [codes, ranks] = [column(items, "group"), column(items, "rank")];
  const counted = Int32Array.from(codes, (_, i) => i).filter((i) => (codes[i] as number) >= 0);
  const groups = Int32Array.from(counted, (i) => codes[i] as number);
  const names = Array.from({ length: Math.max(0, ...groups) + 1 }, (_, code) => String(code));
  const own = Int32Array.from(counted, (i) => ranks[i] as number);
  const accuracies = [1, 5].map((k) => worstGroup(hitsWithin(own, k), groups, { names }));
  return (weights) => {
    const drawn = Float64Array.from(counted, (i) => weights[i] as number);
    return accuracies.map((of) => of(drawn));
  };
}

/** What a uniform guess reaches; NaN where that has no meaning. */
export function chanceOf(
  path: string,
  {
    truths,
    classes,
    likelihood,
  }: { truths: Int32Array; classes: number; likelihood?: Likelihood["kind"] | undefined },
): number {
  if (path.endsWith("top5")) return Math.min(5, classes) / classes;
  if (path === "macroF1") return chanceOfF1(truths, classes);
  if (path.endsWith("brier")) return 1 - 1 / classes;
  // Of a sigmoid model it is a mean over classes, each guessed on its own.
  if (path.endsWith("nll")) return likelihood === "sigmoid" ? NaN : Math.log(classes);
  return path.toLowerCase().endsWith("ece") ? NaN : 1 / classes;
}

/** Of counts' expectations: a class of share p has precision p and recall 1 / C. */
function chanceOfF1(truths: Int32Array, classes: number): number {
  const counts = new Map<number, number>();
  for (const truth of truths) counts.set(truth, (counts.get(truth) ?? 0) + 1);
  let sum = 0;
  for (const count of counts.values()) {
    const share = count / truths.length;
    sum += (2 * share) / classes / (share + 1 / classes);
  }
  return sum / counts.size;
}
