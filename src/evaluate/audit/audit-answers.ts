/** What a model answers for each picture: its class, and what it takes faces for. Plain arrays out. */
import { fillTop, forEachRow, rankOf, type SimilarityKernel } from "../../arrays/similarities.ts";
import type { Embeddings } from "../../arrays/embeddings.ts";
import { classifierWeights } from "../../inference/classifier-weights.ts";
import type { LogitTerms } from "../../inference/similarity.ts";
import type { Embedder } from "../../inference/features/embed-dataset.ts";
import type { Answers } from "./group-metrics.ts";
import { objectiveNames, type Objectives } from "./texts/prompts.ts";

export interface Classified {
  /** [N, D] unit rows */
  readonly images: Embeddings;
  /** [N] index of the true class */
  readonly truths: Int32Array;
  /** [C, D] unit rows */
  readonly weights: Embeddings;
  readonly similarities: SimilarityKernel;
  /** How cosines become probabilities of the predicted class. */
  readonly logits: LogitTerms;
  readonly probabilities: "softmax" | "sigmoid";
}

/**
 * Every picture's most similar class, the rank of its true one, and the probability of the predicted one. Equal
 * similarities go to the lower index.
 */
export function answersOf({
  images,
  truths,
  weights,
  similarities,
  logits: { scale, bias },
  probabilities,
}: Classified): Answers {
  const predictions = new Int32Array(images.count);
  const ranks = new Int32Array(images.count);
  const confidences = new Float64Array(images.count);
  const best = new Float32Array(1);
  forEachRow(images, weights, { similarities }, (image, row) => {
    fillTop(row, predictions.subarray(image, image + 1), best);
    ranks[image] = rankOf(row, truths[image]!);
    const most = best[0]!;
    if (probabilities === "sigmoid") {
      confidences[image] = 1 / (1 + Math.exp(-(scale * most + bias)));
      return;
    }
    let total = 0;
    for (const similarity of row) total += Math.exp(scale * (similarity - most));
    confidences[image] = 1 / total;
  });
  return { truths, predictions, ranks, confidences, classCount: weights.count };
}

/** [N] the most similar class of each picture, for each of the objectives. */
export async function askFaces(
  images: Embeddings,
  embedder: Embedder,
  objectives: Objectives,
): Promise<Record<keyof Objectives, Int32Array>> {
  const answers: [string, Int32Array][] = [];
  for (const name of objectiveNames) {
    const { classes, templates } = objectives[name];
    const { weights } = await classifierWeights({
      classes,
      alike: true,
      templates,
      embedTexts: (texts) => Promise.resolve(embedder.embedTexts(texts)),
    });
    const found = new Int32Array(images.count);
    const best = new Float32Array(1);
    forEachRow(images, weights, { similarities: embedder.similarities }, (image, row) => {
      fillTop(row, found.subarray(image, image + 1), best);
    });
    answers.push([name, found]);
  }
  return Object.fromEntries(answers) as Record<keyof Objectives, Int32Array>;
}
