/** The results of suites as an outcome: every metric, with the test items behind it. */
import type { RetrievalDirection } from "../evaluate/retrieval.ts";
import type { SuiteResult, TaskResult } from "../evaluate/run-suite.ts";
import { metricValues } from "../evaluate/table.ts";
import type { ItemScores, Outcome } from "./define-study.ts";

/**
 * Metrics of suites under their keys, such as `vendor/name/top5`, with one score per picture for
 * top-1, top-5 and recall. Captions of one picture are one item of text-to-image recall.
 */
export function suiteOutcome(suites: readonly SuiteResult[]): {
  metrics: Record<string, number>;
  items: Record<string, ItemScores>;
} {
  const outcome: Required<Outcome> = { metrics: {}, items: {} };
  const items: Record<string, ItemScores> = {};
  for (const { name, tasks, dataset } of suites) {
    for (const task of tasks) {
      Object.assign(outcome.metrics, metricValues(task.rows));
      Object.assign(items, taskItems(`${name}/${task.task.name}`, task, dataset.imageOfText));
    }
  }
  return { metrics: { ...outcome.metrics }, items };
}

function taskItems(
  prefix: string,
  task: TaskResult,
  imageOfText: Int32Array,
): Record<string, ItemScores> {
  if (task.kind === "zeroShot") {
    const { ranks } = task.result;
    return { [`${prefix}/top1`]: within(ranks, 1), [`${prefix}/top5`]: within(ranks, 5) };
  }
  const { imageToText, textToImage } = task.result;
  const count = imageToText.ranks.length;
  return {
    ...recalls(`${prefix}/imageToText`, imageToText, (right) => right),
    ...recalls(`${prefix}/textToImage`, textToImage, (right) =>
      perImage(right, imageOfText, count),
    ),
  };
}

function recalls(
  prefix: string,
  { ranks }: RetrievalDirection,
  group: (right: Uint8Array) => ItemScores,
): Record<string, ItemScores> {
  return Object.fromEntries(
    [1, 5, 10].map((k) => [`${prefix}/recall@${k}`, group(within(ranks, k))]),
  );
}

function within(ranks: Int32Array, k: number): Uint8Array {
  return Uint8Array.from(ranks, (rank) => (rank <= k ? 1 : 0));
}

function perImage(right: Uint8Array, imageOfText: Int32Array, count: number): ItemScores {
  const [sums, counts] = [new Uint8Array(count), new Uint8Array(count)];
  for (const [text, image] of imageOfText.entries()) {
    sums[image] = (sums[image] as number) + (right[text] as number);
    counts[image] = (counts[image] as number) + 1;
  }
  return { sums, counts };
}
