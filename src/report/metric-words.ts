/** The words of metrics: a name and an explanation for a reader who meets them the first time. */
import { metricWords, taskMetric } from "../evaluate/tasks/index.ts";

const explanations: Readonly<Record<string, readonly [label: string, description: string]>> = {
  "train/loss": [
    "Loss",
    "How badly pictures and captions of a batch are matched. It should fall; guessing gives the " +
      "logarithm of the batch size.",
  ],
  "train/contrastiveAccuracy": [
    "Accuracy in the batch",
    "Share of pictures and captions whose own partner is the most similar one of the whole batch.",
  ],
  "train/logitScale": [
    "Logit scale",
    "How sharply the model tells similar from less similar. It is learned, and capped at 100.",
  ],
  "train/learningRate": [
    "Learning rate",
    "The size of the steps: it warms up from zero, then falls as planned in the recipe.",
  ],
  "train/gradNorm": [
    "Gradient norm",
    "How strongly a batch pulls at the weights, before clipping. Spikes mark unusual batches.",
  ],
  "train/examplesPerSecond": ["Speed", "Image-text pairs trained on per second."],
  "data/waitSeconds": [
    "Waiting for data",
    "Seconds of each step spent waiting for pictures. Near zero when loading keeps up.",
  ],
};

/** A name for people: of a known key its own, of another the last two parts of its path. */
export function metricLabel(key: string): string {
  const known = explanations[key]?.[0];
  if (known !== undefined) return known;
  const parts = key.split("/").slice(-2);
  return parts.map((part) => metricWords[part] ?? spaced(part)).join(": ");
}

/** What a metric means; undefined for a key that is not known. */
export function metricDescription(key: string): string | undefined {
  if (explanations[key] !== undefined) return explanations[key][1];
  return taskMetric(key)?.description;
}

function spaced(camelCase: string): string {
  return camelCase.replace(
    /([a-z])([A-Z])/g,
    (_, a: string, b: string) => `${a} ${b.toLowerCase()}`,
  );
}
