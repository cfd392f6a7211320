/** The results of suites as an outcome: every metric, with the test items behind it. */
import { metricValues } from "../evaluate/metric-table.ts";
import type { SuiteResult } from "../evaluate/run-suite.ts";
import type { ItemScores } from "./define-study.ts";

/**
 * Metrics of suites under their keys, such as `vendor/name/top5`, with one score per picture for
 * top-1, top-5 and recall. Captions of one picture are one item of text-to-image recall.
 */
export function suiteOutcome(suites: readonly SuiteResult[]): {
  metrics: Record<string, number>;
  items: Record<string, ItemScores>;
} {
  const metrics: Record<string, number> = {};
  const items: Record<string, ItemScores> = {};
  for (const task of suites.flatMap(({ tasks }) => tasks)) {
    Object.assign(metrics, metricValues(task.rows));
    Object.assign(items, task.items);
  }
  return { metrics, items };
}
