/** From a run's log to its curves; knows the shape of an entry, not the file. */
import type { Curve } from "./types.ts";

/** What a curve needs of a line of the metrics log. */
interface LoggedValues {
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/** The order in which a reader wants to see them; other keys follow as they first appeared. */
const firstKeys = [
  "train/loss",
  "train/contrastiveAccuracy",
  "train/logitScale",
  "train/learningRate",
  "train/gradNorm",
  "train/examplesPerSecond",
  "data/waitSeconds",
];

/**
 * One curve for every key of the log with at least `minPoints` values (default 2: one number is no
 * curve). With `batchSize` the loss is drawn beside ln(batchSize), which is what guessing gives.
 */
export function curvesFromLog(
  entries: readonly LoggedValues[],
  { batchSize, minPoints = 2 }: { batchSize?: number; minPoints?: number } = {},
): Curve[] {
  const points = new Map<string, { step: number; value: number }[]>();
  for (const { step, values } of entries) {
    for (const [key, value] of Object.entries(values)) {
      const list = points.get(key) ?? [];
      points.set(key, list);
      list.push({ step, value });
    }
  }
  const place = (key: string): number => (firstKeys.indexOf(key) + 1 || firstKeys.length + 1) - 1;
  return [...points]
    .filter(([, list]) => list.length >= minPoints)
    .sort(([a], [b]) => place(a) - place(b))
    .map(([key, list]) => {
      if (key !== "train/loss" || batchSize === undefined) return { key, points: list };
      return { key, points: list, reference: { value: Math.log(batchSize), label: "guessing" } };
    });
}
