import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { normalizeRows, type Embeddings } from "../../arrays/embeddings.ts";
import { createRandom } from "../../arrays/random.ts";
import { plainSimilarities } from "../../arrays/similarities.ts";
import { itemProbabilities } from "../metrics/probabilities.ts";
import { answersOf } from "./audit-answers.ts";

const random = createRandom("answers");

function rows(count: number): Embeddings {
  const data = Float32Array.from({ length: count * 6 }, () => random.next() * 2 - 1);
  return normalizeRows({ data, count, dim: 6 });
}

describe("answersOf", () => {
  const [images, weights] = [rows(40), rows(7)];
  const truths = Int32Array.from({ length: 40 }, () => random.integer(7));
  const similarities = plainSimilarities(images, weights);
  const asked = { images, truths, weights, similarities: plainSimilarities };

  it("has the confidences of the metrics, of softmax and of sigmoid", () => {
    const logits = { scale: 14, bias: -3 };
    for (const probabilities of ["softmax", "sigmoid"] as const) {
      const { confidences, ranks } = answersOf({ ...asked, logits, probabilities });
      const expected = itemProbabilities(
        { similarities, labels: truths, classCount: 7 },
        { kind: probabilities, logitScale: 14, logitBias: -3 },
      );
      for (const [i, confidence] of confidences.entries()) {
        assert.ok(Math.abs(confidence - expected.confidences[i]!) < 1e-12);
        assert.equal(ranks[i] === 1 ? 1 : 0, expected.hits[i]);
      }
    }
  });

  it("gives equal similarities to the class with the lower index", () => {
    const twice: Embeddings = {
      data: Float32Array.of(...weights.data.subarray(0, 6), ...weights.data.subarray(0, 6)),
      count: 2,
      dim: 6,
    };
    const { predictions, ranks } = answersOf({
      ...asked,
      truths: new Int32Array(40).fill(1),
      weights: twice,
      logits: { scale: 1, bias: 0 },
      probabilities: "softmax",
    });
    assert.deepEqual(new Set(predictions), new Set([0]));
    assert.deepEqual(new Set(ranks), new Set([2]));
  });
});
