/** What a step of a finished training took, from its log. */
import { existsSync } from "node:fs";
import path from "node:path";

import { readMetricsLog } from "../train/log/metrics-log.ts";

/**
 * Median seconds of a step without waiting for data; the first tenth, which warms up, is left out.
 * NaN where nothing was logged.
 */
export function secondsPerStep(directory: string): number {
  const file = path.join(directory, "metrics.jsonl");
  if (!existsSync(file)) return NaN;
  const seconds = readMetricsLog(file).flatMap(({ step, examplesSeen, values }) => {
    const rate = values["train/examplesPerSecond"];
    if (rate === undefined || step === 0) return [];
    return [examplesSeen / step / rate - (values["data/waitSeconds"] ?? 0)];
  });
  const settled = seconds.slice(Math.ceil(seconds.length / 10)).sort((a, b) => a - b);
  return settled[Math.floor(settled.length / 2)] ?? seconds.at(-1) ?? NaN;
}
