/** What `limn train` and `limn pretrain` print at the end, for people and for `--json`. */
import { counted } from "../../errors.ts";
import { formatDuration } from "../../train/log/run-progress.ts";
import type { PretrainResult } from "../../train/tower/pretrain-tower.ts";
import type { TrainResult } from "../../train/train-pair.ts";
import { problemText } from "./inspection.ts";
import { suitesJson, suitesText } from "./measured-suites.ts";

/** How a run ended before its last step; nothing where it did not. */
export function describeEnd({ step, stopped, recipe }: TrainResult | PretrainResult): string[] {
  const { steps, minutes } = recipe.train;
  if (stopped === undefined) return [];
  if (stopped === "signal") {
    return [`Stopped at step ${step} of ${steps}; the same command goes on from there.`];
  }
  const time = formatDuration(60 * (minutes ?? 0));
  return [`The time of training, ${time}, was over at step ${step} of ${steps}.`];
}

/** What a run passed over, in each epoch anew, as a sentence without its end. */
export function skippedText(skipped: number): string {
  return `Samples that cannot be used were skipped ${counted(skipped, "time")}`;
}

/** What a reader wants to know: tables, skipped samples, where things lie. */
export function describeRun(result: TrainResult): string {
  const { directory, stopped, skipped, suites, warnings } = result;
  const lines = suites.length > 0 ? [suitesText(suites)] : [];
  lines.push(...warnings.map((warning) => `Warning: ${warning}`));
  if (skipped > 0) {
    const known = result.badSamples.map((one) => `  ${problemText(one)}`);
    lines.push(
      [`${skippedText(skipped)}, such as:`, ...[...new Set(known)].slice(0, 3)].join("\n"),
    );
  }
  lines.push(...describeEnd(result));
  if (stopped !== "signal") {
    lines.push(`Model: ${directory}/model   Report: ${directory}/report.html`);
  }
  return lines.join("\n\n");
}

/** The result without pictures and embeddings. */
export function runJson({ suites, recipe: _, ...rest }: TrainResult): unknown {
  return { ...rest, ...suitesJson(suites) };
}
