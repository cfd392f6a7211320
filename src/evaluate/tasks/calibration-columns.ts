/** Calibration of classification: what is kept of every picture, before and after a fitted temperature. */
import { rowsAt, type Embeddings } from "../../arrays/embeddings.ts";
import { forEachRow, type SimilarityKernel } from "../../arrays/similarities.ts";
import { calibrationMetrics, calibrationNames, reliabilityCurve } from "../metrics/calibration.ts";
import { fitSigmoid, fitTemperature } from "../metrics/fit-likelihood.ts";
import {
  itemProbabilities,
  type ItemProbabilities,
  type Likelihood,
} from "../metrics/probabilities.ts";
import type { ItemColumns, TaskMetric } from "./task.ts";
import { column } from "./task.ts";

const explained: Readonly<Record<(typeof calibrationNames)[number], string>> = {
  ece: "Mean distance between confidence and accuracy, in 15 bins of equal width.",
  adaptiveEce:
    "Mean distance between confidence and accuracy, in 15 bins of equally many pictures.",
  brier: "Squared distance of the probabilities from the truth, summed over classes; 0 is perfect.",
  nll:
    "Negative logarithm of the probability of the right class, in nats; of sigmoid models of the right " +
    "answer for each class, averaged over classes.",
};

/** As the model is, then with a temperature fitted on other pictures. */
export const calibrationTaskMetrics: readonly TaskMetric[] = ["", "calibrated/"].flatMap((before) =>
  calibrationNames.map((name): TaskMetric => ({
    path: `${before}${name}`,
    unit: name === "brier" || name === "nll" ? "number" : "share",
    better: "smaller",
    description:
      explained[name] + (before === "" ? "" : " With a temperature fitted on other pictures."),
  })),
);

/** Pictures that a temperature is fitted on at most, and similarities. */
const MOST_FITTED = 5000;
const MOST_SIMILARITIES = 1 << 24;
/** Fewer on either side say nothing about a temperature. */
const LEAST_FITTED = 10;

/** Pictures with their right classes, and the classes. */
export interface Labelled {
  /** [N, D] unit rows */
  readonly images: Embeddings;
  /** [C, D] unit rows */
  readonly weights: Embeddings;
  /** [N] */
  readonly truths: ArrayLike<number>;
}

interface Calibrated {
  readonly columns: Record<string, Float64Array | Uint8Array>;
  readonly facts: Record<string, unknown>;
  readonly note: string;
}

/**
 * Numbers of every picture from which calibration is measured. The temperature (of a sigmoid model also the bias) is
 * fitted on `held`, or else on each half of the pictures for the other half; clusters stay whole.
 */
export function calibrationColumns(
  set: Labelled,
  {
    likelihood,
    kernel,
    held,
    clusters,
  }: {
    likelihood: Likelihood;
    kernel: SimilarityKernel;
    held?: Labelled | undefined;
    clusters?: ArrayLike<number> | undefined;
  },
): Calibrated {
  const count = set.images.count;
  const own = probabilitiesOf(set, () => likelihood, kernel);
  const halfOf = (i: number): number => (clusters?.[i] ?? i) % 2;
  const halves = [0, 1].map((half) =>
    Int32Array.from({ length: count }, (_, i) => i).filter((i) => halfOf(i) === half),
  );
  const fits =
    held === undefined
      ? halves.map((half) => fitOn(set, half, { likelihood, kernel }))
      : [fitOn(held, allOf(held), { likelihood, kernel })];
  const known = fits.every((fit) => fit !== undefined) ? fits : undefined;
  // What was fitted on one half is measured on the other.
  const after =
    known &&
    probabilitiesOf(
      set,
      (i) => (held === undefined ? known[1 - halfOf(i)] : known[0]) as Likelihood,
      kernel,
    );
  const none = new Float64Array(count).fill(NaN);
  return {
    columns: {
      confidence: own.confidences,
      hit: own.hits,
      loss: own.losses,
      square: own.squares,
      calibratedConfidence: after?.confidences ?? none,
      calibratedLoss: after?.losses ?? none,
      calibratedSquare: after?.squares ?? none,
    },
    facts: {
      probabilities: likelihood.kind,
      fitted: known ?? null,
      reliability: reliabilityCurve(own)(),
      ...(after && { calibratedReliability: reliabilityCurve(after)() }),
    },
    note: noteOf(likelihood, known, held !== undefined),
  };
}

function noteOf(
  likelihood: Likelihood,
  fits: readonly Likelihood[] | undefined,
  isHeld: boolean,
): string {
  if (fits === undefined) return "too few pictures or classes to fit a temperature";
  const temperatures = fits.map((fit) => (likelihood.logitScale / fit.logitScale).toFixed(2));
  const where = isHeld ? "another split" : "each half for the other half";
  return `calibrated: temperature ${temperatures.join(" and ")}, fitted on ${where}`;
}

function allOf({ images }: Labelled): Int32Array {
  return Int32Array.from({ length: images.count }, (_, i) => i);
}

/** Undefined for too few pictures or classes. */
function fitOn(
  { images, weights, truths }: Labelled,
  all: Int32Array,
  { likelihood, kernel }: { likelihood: Likelihood; kernel: SimilarityKernel },
): Likelihood | undefined {
  // With one class every pair is right.
  if (all.length < LEAST_FITTED || weights.count < 2) return undefined;
  const most = Math.min(MOST_FITTED, Math.max(LEAST_FITTED, MOST_SIMILARITIES / weights.count));
  const step = Math.max(1, all.length / most);
  const some = Int32Array.from({ length: Math.min(all.length, Math.floor(most)) }, (_, i) => {
    return all[Math.floor(i * step)] as number;
  });
  const chosen = rowsAt(images, some);
  const data = {
    similarities: kernel(chosen, weights),
    labels: Int32Array.from(some, (i) => truths[i] as number),
    classCount: weights.count,
  };
  if (likelihood.kind === "softmax") {
    const { logitScale } = fitTemperature(data, likelihood.logitScale);
    return { kind: "softmax", logitScale };
  }
  const { logitScale, logitBias } = fitSigmoid(data, likelihood);
  return { kind: "sigmoid", logitScale, logitBias };
}

/** Row by row, as a set of similarities may not fit the memory. */
function probabilitiesOf(
  { images, weights, truths }: Labelled,
  likelihoodOf: (image: number) => Likelihood,
  kernel: SimilarityKernel,
): ItemProbabilities {
  const count = images.count;
  const found: ItemProbabilities = {
    confidences: new Float64Array(count),
    hits: new Uint8Array(count),
    losses: new Float64Array(count),
    squares: new Float64Array(count),
  };
  forEachRow(images, weights, { similarities: kernel }, (image, similarities) => {
    const labels = [truths[image] as number];
    const row = { similarities, labels, classCount: weights.count };
    const one = itemProbabilities(row, likelihoodOf(image));
    found.confidences[image] = one.confidences[0] as number;
    found.hits[image] = one.hits[0] as number;
    found.losses[image] = one.losses[0] as number;
    found.squares[image] = one.squares[0] as number;
  });
  return found;
}

/** The metrics of `calibrationTaskMetrics`, from the columns. */
export function calibrationStatistic(items: ItemColumns): (weights: ArrayLike<number>) => number[] {
  const hits = column(items, "hit");
  const of = (
    confidence: string,
    loss: string,
    square: string,
  ): ((w: ArrayLike<number>) => number[]) => {
    const confidences = Float64Array.from(column(items, confidence));
    if (confidences.some(Number.isNaN)) return () => calibrationNames.map(() => NaN);
    return calibrationMetrics({
      confidences,
      hits: Uint8Array.from(hits),
      losses: Float64Array.from(column(items, loss)),
      squares: Float64Array.from(column(items, square)),
    });
  };
  const before = of("confidence", "loss", "square");
  const after = of("calibratedConfidence", "calibratedLoss", "calibratedSquare");
  return (weights) => [...before(weights), ...after(weights)];
}
