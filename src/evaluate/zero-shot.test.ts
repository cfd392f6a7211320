import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { normalizeRows, type Embeddings } from "../arrays/embeddings.ts";
import { zeroShotClassification, type ZeroShotOptions } from "./zero-shot.ts";

function rows(...values: number[][]): Embeddings {
  const dim = values[0]?.length ?? 0;
  return { data: Float32Array.from(values.flat()), count: values.length, dim };
}

const axes = rows([1, 0, 0], [0, 1, 0], [0, 0, 1]);

/** Five images, three classes: the first class right twice of three, the second never, third 1/1. */
const example: ZeroShotOptions = {
  imageEmbeddings: rows([1, 0, 0], [0.8, 0.6, 0], [0.6, 0.8, 0], [0, 0.6, 0.8], [0, 0, 1]),
  labels: [0, 0, 0, 1, 2],
  classWeights: axes,
  classNames: ["cat", "dog", "bird"],
};

describe("zeroShotClassification", () => {
  const refused = (change: Partial<ZeroShotOptions>, message: RegExp): void => {
    assert.throws(() => zeroShotClassification({ ...example, ...change }), { message });
  };

  it("refuses arguments that do not fit together", () => {
    refused({ labels: [0, 1] }, /one label per image, 5, but received 2/);
    refused({ labels: [0, 0, 0, 3, 2] }, /labels from 0 to 2 but image 3 has 3/);
    refused({ labels: [0, 0, -1, 1, 2] }, /image 2 has -1/);
    refused({ labels: [0, 0.5, 0, 1, 2] }, /image 1 has 0.5/);
    refused({ classWeights: rows([1, 0], [0, 1]) }, /\[5, 3\] and \[2, 2\]/);
    refused({ classNames: ["cat"] }, /one name per class, 3, but received 1/);
    refused({ topK: 0 }, /topK/);
    refused({ chunkSize: 0.5 }, /chunkSize/);
    refused({ bootstrap: { level: 2 } }, /level/);
  });

  it("refuses nothing, NaN and rows that are not normalised", () => {
    const none = { data: new Float32Array(0), count: 0, dim: 3 };
    refused({ imageEmbeddings: none, labels: [] }, /at least one row for imageEmbeddings/);
    refused({ classWeights: none }, /at least one row for classWeights/);
    refused({ classWeights: rows([1, 0, 0], [0, NaN, 0]) }, /classWeights but row 1 holds NaN/);
    refused({ classWeights: rows([1, 0, 0], [0, 2, 0]) }, /classWeights but row 1 has length 2/);
  });

  it("counts a hand-sized example", () => {
    const result = zeroShotClassification(example);
    assert.deepEqual([result.count, result.classCount], [5, 3]);
    assertClose([result.top1.value, result.top1.chance], [3 / 5, 1 / 3]);
    assertClose([result.top5.value, result.top5.chance], [1, 1]);
    assertClose([result.meanPerClass.value], [(2 / 3 + 0 + 1) / 3]);
    assert.deepEqual([...result.ranks], [1, 1, 2, 2, 1]);
    assert.deepEqual(result.confusions, [
      { label: "cat", prediction: "dog", count: 1 },
      { label: "dog", prediction: "bird", count: 1 },
    ]);
    assert.deepEqual(
      result.perClass.map(({ name, count, top1 }) => [name, count, top1]),
      [
        ["cat", 3, 2 / 3],
        ["dog", 1, 0],
        ["bird", 1, 1],
      ],
    );
    assert.equal(result.predictions.k, 3);
    assert.deepEqual([...result.predictions.classes.subarray(6, 9)], [1, 0, 2]);
    assertClose(result.predictions.similarities.subarray(6, 9), [0.8, 0.6, 0]);
  });

  it("gives ties to the lower class and leaves classes without images out of the mean", () => {
    const flat = rows([1, 0], [1, 0], [1, 0]);
    const result = zeroShotClassification({
      imageEmbeddings: rows([1, 0], [1, 0]),
      labels: [0, 2],
      classWeights: flat,
    });
    assert.deepEqual([...result.ranks], [1, 3]);
    assert.deepEqual([...result.predictions.classes], [0, 1, 2, 0, 1, 2]);
    assert.equal(result.meanPerClass.value, 0.5);
    assert.deepEqual(
      result.perClass.map(({ name }) => name),
      ["0", "2"],
    );
  });

  it("lists the most frequent confusions first and cuts the list", () => {
    const result = zeroShotClassification({
      imageEmbeddings: rows([1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]),
      labels: [1, 1, 1, 1],
      classWeights: axes,
      topConfusions: 1,
    });
    assert.deepEqual(result.confusions, [{ label: "1", prediction: "2", count: 2 }]);
  });

  it("gives intervals around the value, none without resamples, the same for every chunk", () => {
    const whole = zeroShotClassification(example);
    const interval = whole.top1.interval;
    assert.ok(interval && interval.low <= 0.6 && 0.6 <= interval.high && interval.low >= 0);
    const chunked = zeroShotClassification({ ...example, chunkSize: 2 });
    assert.deepEqual(chunked, whole);
    const bare = zeroShotClassification({ ...example, bootstrap: { resamples: 0 } });
    assert.equal(bare.top1.interval, undefined);
    assert.equal(bare.top1.value, whole.top1.value);
  });

  it("equals a naive count in float64 on 300 images of 12 classes", () => {
    const wave = (count: number, phase: number): Embeddings =>
      normalizeRows({
        data: Float32Array.from({ length: count * 6 }, (_, i) => Math.sin(i * i * 0.7 + phase)),
        count,
        dim: 6,
      });
    const [imageEmbeddings, classWeights] = [wave(300, 0), wave(12, 3)];
    const labels = Int32Array.from({ length: 300 }, (_, i) => (i * 7) % 12);
    let [top1, top5] = [0, 0];
    for (let image = 0; image < 300; image++) {
      const scored = Array.from({ length: 12 }, (_, c) => {
        const products = Array.from(
          { length: 6 },
          (_, d) =>
            (imageEmbeddings.data[image * 6 + d] ?? NaN) * (classWeights.data[c * 6 + d] ?? NaN),
        );
        return { c, score: products.reduce((a, b) => a + b) };
      }).sort((a, b) => b.score - a.score);
      const place = scored.findIndex(({ c }) => c === labels[image]);
      if (place < 1) top1++;
      if (place < 5) top5++;
    }
    const result = zeroShotClassification({ imageEmbeddings, labels, classWeights });
    assertClose([result.top1.value, result.top5.value], [top1 / 300, top5 / 300]);
  });
});
