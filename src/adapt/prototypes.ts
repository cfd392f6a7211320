/** Class means as a classifier, alone or blended with the texts'. */
import type { Embeddings } from "../arrays/embeddings.ts";
import { checkedSimilarities, plainSimilarities } from "../arrays/similarities.ts";
import {
  classCounts,
  defineAdapter,
  demandText,
  type Adapter,
  type AdapterOptions,
  type Support,
} from "./adapter.ts";

export interface PrototypeSetting {
  /** Share of the text in a prototype, in [0, 1]: 0 the examples alone, 1 zero-shot. */
  readonly textShare: number;
}

const shares = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/**
 * The cosine with each class's prototype.
 *
 *     p_c = unit( (1 - a) unit(mean_{y = c} F) + a W_c )
 *
 * With a = 0 this is a nearest-mean classifier (prototypical networks, arXiv:1703.05175, with
 * cosines); without text weights there is nothing else. Where nothing can be chosen a is 1/2.
 */
export function prototypes({
  similarities = plainSimilarities,
}: AdapterOptions = {}): Adapter<PrototypeSetting> {
  // Of a classifier's support, whose queries come in chunks.
  const known = new WeakMap<Support, Embeddings>();
  return defineAdapter<PrototypeSetting>({
    name: "prototypes",
    similarities,
    grid: ({ textWeights }) => (textWeights ? shares : [0]).map((textShare) => ({ textShare })),
    fixed: ({ textWeights }) => ({ textShare: textWeights ? 0.5 : 0 }),
    check: ({ textShare }, support) => {
      if (!(textShare >= 0 && textShare <= 1)) {
        throw new RangeError(
          `Expected a share from 0 to 1 for textShare but received ${textShare}; 1 is zero-shot`,
        );
      }
      if (textShare > 0) demandText("prototypes with a textShare above 0", support);
    },
    prepare: (support, queries) => {
      const means = known.get(support) ?? classMeans(support);
      known.set(support, means);
      const byImage = checkedSimilarities(similarities, queries, means);
      const { textWeights } = support;
      if (textWeights === undefined) return () => byImage;
      const byText = checkedSimilarities(similarities, queries, textWeights);
      const agreement = rowProducts(means, textWeights);
      return ({ textShare: a }) => {
        // |(1 - a) P + a W|^2 with unit P and W needs their product alone.
        const lengths = agreement.map((cosine) =>
          Math.sqrt((1 - a) ** 2 + a ** 2 + 2 * a * (1 - a) * cosine),
        );
        return byImage.map((image, i) => {
          const blended = (1 - a) * image + a * byText[i]!;
          return blended / Math.max(lengths[i % lengths.length]!, 1e-12);
        });
      };
    },
  });
}

/**
 * [C, D] the mean of each class's rows, brought to length 1; examples that cancel out leave zeros.
 *
 * support  its embeddings and labels are taken as checked
 */
export function classMeans({
  embeddings: { data, count, dim },
  labels,
  classCount,
}: Pick<Support, "embeddings" | "labels" | "classCount">): Embeddings {
  const counts = classCounts(labels, classCount);
  const sums = new Float64Array(classCount * dim);
  for (let row = 0; row < count; row++) {
    const to = labels[row]! * dim;
    for (let d = 0; d < dim; d++) sums[to + d]! += data[row * dim + d]! / counts[labels[row]!]!;
  }
  for (let c = 0; c < classCount; c++) {
    const sum = sums.subarray(c * dim, (c + 1) * dim);
    const length = Math.sqrt(sum.reduce((total, value) => total + value ** 2, 0));
    for (let d = 0; d < dim; d++) sum[d]! /= Math.max(length, 1e-12);
  }
  return { data: Float32Array.from(sums), count: classCount, dim };
}

/** [C] the inner products of rows of equal number. */
function rowProducts(a: Embeddings, b: Embeddings): Float64Array {
  return Float64Array.from({ length: a.count }, (_, row) => {
    let sum = 0;
    for (let i = row * a.dim; i < (row + 1) * a.dim; i++) sum += a.data[i]! * b.data[i]!;
    return sum;
  });
}
