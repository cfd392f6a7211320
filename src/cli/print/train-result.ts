/** A finished run as text and as JSON. */
import { formatTable, metricsJson } from "../../evaluate/metric-table.ts";
import type { TrainResult } from "../../train/train-pair.ts";

/** What a reader wants to know: tables, skipped samples, where things lie. */
export function describeResult(result: TrainResult): string {
  const { directory, step, stopped, skipped, suites, warnings } = result;
  const lines = suites.map((suite) =>
    formatTable(
      suite.tasks.flatMap(({ rows }) => rows),
      { title: suite.title },
    ),
  );
  lines.push(...warnings.map((warning) => `Warning: ${warning}`));
  if (skipped > 0) {
    const first = result.badSamples
      .slice(0, 3)
      .map(({ file, key, reason }) => `  ${file} ${key ?? ""}: ${reason}`);
    lines.push(
      [`${skipped} samples could not be read and were skipped, such as:`, ...first].join("\n"),
    );
  }
  if (stopped !== undefined) {
    lines.push(`Stopped at step ${step} (${stopped}); the same command goes on from there.`);
  }
  if (stopped !== "signal") {
    lines.push(`Model: ${directory}/model   Report: ${directory}/report.html`);
  }
  return lines.join("\n\n");
}

/** The result without pictures and embeddings. */
export function resultJson({ suites, recipe: _, ...rest }: TrainResult): unknown {
  const rows = suites.flatMap(({ tasks }) => tasks.flatMap((task) => task.rows));
  return { ...rest, metrics: metricsJson(rows) };
}
