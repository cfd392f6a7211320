/** What `limn classify` and `limn embed` print for people, and for `--json`. */
import type { Prediction, ZeroShotClassifier } from "../../inference/zero-shot-classifier.ts";
import type { EmbedProgress, EmbedResult } from "../../embed/embed-source.ts";
import { counted } from "../../errors.ts";
import { describeTemplates, type ChosenTemplates } from "../../text/templates.ts";

export interface NamedResult {
  picture: string;
  predictions?: Prediction[] | undefined;
  problem?: string | undefined;
}

/** A table per picture, under lines that say what the probabilities are, and of which texts. */
export function classificationText(
  { probabilities, labels }: Pick<ZeroShotClassifier, "probabilities" | "labels">,
  templates: ChosenTemplates,
  results: readonly NamedResult[],
): string {
  const title =
    probabilities === "softmax"
      ? `probability: softmax over ${counted(labels.length, "label")}`
      : "probability: sigmoid of each label";
  const head = `${title}\ntemplates: ${describeTemplates(templates)}`;
  return [head, ...results.map(pictureTable)].join("\n\n");
}

function pictureTable({ picture, predictions, problem }: NamedResult): string {
  if (!predictions) return `${picture}\n  left out: ${problem}`;
  const width = Math.max(...predictions.map(({ label }) => label.length));
  const rows = predictions.map(({ label, score, similarity }) => {
    const share = `${(100 * score).toFixed(2)} %`.padStart(9);
    return `  ${label.padEnd(width)}  ${share}  similarity ${similarity.toFixed(4)}`;
  });
  return [picture, ...rows].join("\n");
}

export function describeEmbedding({
  rows,
  samples,
  parts,
  skipped,
  picturesPerSecond,
}: EmbedProgress): string {
  const count = (value: number): string => value.toLocaleString("en-US");
  const bad = skipped > 0 ? `, ${count(skipped)} left out` : "";
  const rate = `${rateText(picturesPerSecond)} pictures/s`;
  if (samples === undefined) {
    const shards = parts.all > 1 ? `, ${count(parts.done)} of ${count(parts.all)} shards done` : "";
    return `${counted(rows, "picture")}${bad}${shards}, ${rate}`;
  }
  const left = (samples - rows - skipped) / picturesPerSecond;
  return `${count(rows)} of ${counted(samples, "picture")}${bad}, ${rate}, ${duration(left)} left`;
}

/** `9.87`, `98.7`, `12,345` of something in a second. */
export function rateText(rate: number): string {
  return rate < 99.95 ? rate.toPrecision(3) : Math.round(rate).toLocaleString("en-US");
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown time";
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${Math.ceil(Math.max(0, seconds))} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function describeEmbedded(result: EmbedResult): string {
  const { rows, dim, shards, folder, resumedFrom, skipped, complete, picturesPerSecond } = result;
  const rate = picturesPerSecond === 0 ? "" : `, ${rateText(picturesPerSecond)} pictures/s`;
  const computed = result.precision === "float32" ? "" : `, computed in ${result.precision}`;
  return [
    `${counted(rows, "embedding")} of ${counted(dim, "number")} in ${counted(shards, "shard")} in ${folder}${rate}${computed}`,
    ...(resumedFrom > 0
      ? [
          `${resumedFrom.toLocaleString("en-US")} of them ${resumedFrom === 1 ? "was" : "were"} there already`,
        ]
      : []),
    ...(skipped > 0 ? [`${counted(skipped, "sample was", "samples were")} left out`] : []),
    ...(complete ? [] : ["stopped; the same command goes on from here"]),
  ].join("\n");
}
