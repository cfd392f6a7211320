/** The words of metrics: a name and an explanation for a reader who meets them the first time. */

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

const words: Readonly<Record<string, string>> = {
  top1: "top-1 accuracy",
  top5: "top-5 accuracy",
  meanPerClass: "mean accuracy per class",
  imageToText: "image to text",
  textToImage: "text to image",
  medianRank: "median rank",
  zeroShot: "zero-shot",
};

/** A name for people: of a known key its own, of another the last two parts of its path. */
export function metricLabel(key: string): string {
  const known = explanations[key]?.[0];
  if (known !== undefined) return known;
  const parts = key.split("/").slice(-2);
  return parts.map((part) => words[part] ?? spaced(part)).join(": ");
}

/** What a metric means; undefined for a key that is not known. */
export function metricDescription(key: string): string | undefined {
  if (explanations[key] !== undefined) return explanations[key][1];
  const recall = /recall@(\d+)$/.exec(key);
  if (recall?.[1] === "1") return "Share of queries whose partner is found first.";
  if (recall) return `Share of queries whose partner is among the first ${recall[1]} found.`;
  if (key.endsWith("/medianRank")) return "Half of the queries find their partner by this rank.";
  if (key.endsWith("/top1")) return "Share of pictures whose first guess is right.";
  if (key.endsWith("/top5")) return "Share of pictures with the right answer in the first five.";
  if (key.endsWith("/meanPerClass")) return "Top-1 accuracy with every class counting the same.";
  return undefined;
}

function spaced(camelCase: string): string {
  return camelCase.replace(
    /([a-z])([A-Z])/g,
    (_, a: string, b: string) => `${a} ${b.toLowerCase()}`,
  );
}
