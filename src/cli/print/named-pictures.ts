/** What `limn classify` prints for people. */
import type { Prediction, ZeroShotClassifier } from "../../inference/zero-shot-classifier.ts";

export interface NamedResult {
  picture: string;
  predictions?: Prediction[] | undefined;
  problem?: string | undefined;
}

/** A table per picture, under a line that says what the probabilities are. */
export function classificationText(
  { probabilities, labels }: Pick<ZeroShotClassifier, "probabilities" | "labels">,
  results: readonly NamedResult[],
): string {
  const title =
    probabilities === "softmax"
      ? `probability: softmax over ${labels.length} labels`
      : "probability: sigmoid of each label";
  return [title, ...results.map(pictureTable)].join("\n\n");
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
