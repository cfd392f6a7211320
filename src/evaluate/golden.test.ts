/** Against open_clip on the same embeddings; test/goldens/generate/evaluate.py makes the file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { classifierWeights } from "../inference/classifier-weights.ts";
import type { Embeddings } from "../arrays/embeddings.ts";
import { retrieval } from "./retrieval.ts";
import { zeroShotClassification } from "./zero-shot.ts";

interface Golden {
  rtol: number;
  atol: number;
  retrieval: {
    count: number;
    dim: number;
    image: string;
    text: string;
    metrics: Record<string, number>;
  }[];
  classification: {
    classes: string[];
    templates: string[];
    dim: number;
    texts: string;
    weights: string;
    image: string;
    labels: number[];
    top1: number;
    top5: number;
  };
}

const file = new URL("../../../test/goldens/evaluate.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;

function unpack(base64: string, dim: number): Embeddings {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  const data = new Float32Array(bytes.buffer);
  return { data, count: data.length / dim, dim };
}

describe("open_clip's get_clip_metrics", () => {
  for (const entry of golden.retrieval) {
    it(`gives the same recalls and median ranks for ${entry.count} pairs`, () => {
      const result = retrieval({
        imageEmbeddings: unpack(entry.image, entry.dim),
        textEmbeddings: unpack(entry.text, entry.dim),
        bootstrap: { resamples: 0 },
      });
      for (const [direction, name] of [
        [result.imageToText, "image_to_text"],
        [result.textToImage, "text_to_image"],
      ] as const) {
        const expected = (metric: string): number => entry.metrics[`${name}_${metric}`] ?? NaN;
        assertClose(
          [direction.recallAt1.value, direction.recallAt5.value, direction.recallAt10.value],
          [expected("R@1"), expected("R@5"), expected("R@10")],
        );
        // Theirs rounds the median down.
        assert.equal(Math.floor(direction.medianRank.value), expected("median_rank"));
        const mean = direction.ranks.reduce((sum, rank) => sum + rank, 0) / direction.queryCount;
        assertClose([mean], [expected("mean_rank")]);
      }
    });
  }
});

describe("open_clip's zero-shot classifier", () => {
  const { classification: expected, rtol, atol } = golden;

  it("gives the same weights and accuracies", async () => {
    const texts = unpack(expected.texts, expected.dim);
    const all = expected.classes.flatMap((name) =>
      expected.templates.map((template) => template.replace("{}", name)),
    );
    const { weights } = await classifierWeights({
      classes: expected.classes,
      templates: expected.templates,
      textsPerCall: 10,
      embedTexts: (batch) => {
        const data = batch.flatMap((text) => {
          const row = all.indexOf(text);
          return [...texts.data.subarray(row * texts.dim, (row + 1) * texts.dim)];
        });
        return Promise.resolve({
          data: Float32Array.from(data),
          count: batch.length,
          dim: texts.dim,
        });
      },
    });
    assertClose(weights.data, unpack(expected.weights, expected.dim).data, { rtol, atol });
    const result = zeroShotClassification({
      imageEmbeddings: unpack(expected.image, expected.dim),
      labels: expected.labels,
      classWeights: weights,
      bootstrap: { resamples: 0 },
    });
    assertClose([result.top1.value, result.top5.value], [expected.top1, expected.top5]);
  });
});
