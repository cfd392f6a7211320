import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertClose } from "../../test/support/close.ts";
import { normalizeRows, type Embeddings } from "../arrays/embeddings.ts";
import { retrieval, type RetrievalDirection, type RetrievalOptions } from "./retrieval.ts";

function rows(...values: number[][]): Embeddings {
  const dim = values[0]?.length ?? 0;
  return { data: Float32Array.from(values.flat()), count: values.length, dim };
}

function wave(count: number, dim: number, phase: number): Embeddings {
  const data = Float32Array.from({ length: count * dim }, (_, i) => Math.sin(i * i * 0.9 + phase));
  return normalizeRows({ data, count, dim });
}

const axes = rows([1, 0, 0], [0, 1, 0], [0, 0, 1]);

/**
 * Three images, five captions; similarities image x caption are
 *
 *     image 0   0.8  0    0.6  1    0        captions 0, 1
 *     image 1   0    0.6  0.8  0    0        caption  2
 *     image 2   0.6  0.8  0    0    1        captions 3, 4
 */
const example: RetrievalOptions = {
  imageEmbeddings: axes,
  textEmbeddings: rows([0.8, 0, 0.6], [0, 0.6, 0.8], [0.6, 0.8, 0], [1, 0, 0], [0, 0, 1]),
  imageOfText: [0, 0, 1, 2, 2],
};

const recalls = (direction: RetrievalDirection): number[] => [
  direction.recallAt1.value,
  direction.recallAt5.value,
  direction.recallAt10.value,
  direction.medianRank.value,
];

describe("retrieval", () => {
  const refused = (change: Partial<RetrievalOptions>, message: RegExp): void => {
    assert.throws(() => retrieval({ ...example, ...change }), { message });
  };

  it("refuses captions that do not fit the images", () => {
    refused({ imageOfText: [0, 1, 2] }, /one entry of imageOfText per caption, 5, but received 3/);
    refused({ imageOfText: [0, 0, 1, 2, 3] }, /imageOfText from 0 to 2 but caption 4 has 3/);
    refused({ imageOfText: [0, 0, 1, 1.5, 2] }, /caption 3 has 1.5/);
    refused({ imageOfText: [0, 0, 2, 2, 2] }, /a caption for every image but image 1 has none/);
    const { imageEmbeddings, textEmbeddings } = example;
    assert.throws(() => retrieval({ imageEmbeddings, textEmbeddings }), {
      name: "ShapeError",
      message: /as many captions as images but received 5 and 3; pass imageOfText/,
    });
  });

  it("refuses widths that differ, nothing, and NaN", () => {
    refused({ imageEmbeddings: rows([1, 0], [0, 1], [1, 0]) }, /\[3, 2\] and \[5, 3\]/);
    refused(
      { imageEmbeddings: { data: new Float32Array(0), count: 0, dim: 3 } },
      /at least one row/,
    );
    refused({ imageEmbeddings: rows([1, 0, 0], [0, NaN, 0], [0, 0, 1]) }, /row 1 holds NaN/);
    refused({ bootstrap: { resamples: 1.5 } }, /resamples/);
  });

  it("counts a hand-sized example with several captions per image", () => {
    const { imageToText, textToImage } = retrieval(example);
    // Image 0: its best caption (0.8) comes after caption 3; images 1 and 2 find theirs first.
    assert.deepEqual([...imageToText.ranks], [2, 1, 1]);
    assertClose(recalls(imageToText), [2 / 3, 1, 1, 1]);
    // Caption 1 has its image last; caption 3 ties images 1 and 2 at 0 behind image 0.
    assert.deepEqual([...textToImage.ranks], [1, 3, 1, 3, 1]);
    assertClose(recalls(textToImage), [3 / 5, 1, 1, 1]);
    assert.deepEqual([imageToText.queryCount, imageToText.candidateCount], [3, 5]);
    assert.deepEqual([textToImage.queryCount, textToImage.candidateCount], [5, 3]);
  });

  it("computes chance, several captions included", () => {
    const { imageToText, textToImage } = retrieval(example);
    // One of five captions at random: 2/5, 1/5, 2/5 right.
    assertClose([imageToText.recallAt1.chance], [(2 + 1 + 2) / 15]);
    assertClose([imageToText.recallAt5.chance, textToImage.recallAt1.chance], [1, 1 / 3]);
    assert.deepEqual([textToImage.medianRank.chance, imageToText.medianRank.chance], [2, 2]);
  });

  it("takes the mean of the middle ranks of an even number of queries", () => {
    const images = rows([1, 0], [0, 1]);
    const result = retrieval({ imageEmbeddings: images, textEmbeddings: rows([1, 0], [1, 0]) });
    assert.deepEqual([...result.textToImage.ranks], [1, 2]);
    assert.equal(result.textToImage.medianRank.value, 1.5);
  });

  it("scores a collapsed model at chance", () => {
    const same = rows(...Array.from({ length: 40 }, () => [1, 0]));
    const { imageToText, textToImage } = retrieval({ imageEmbeddings: same, textEmbeddings: same });
    for (const direction of [imageToText, textToImage]) {
      for (const name of ["recallAt1", "recallAt5", "recallAt10"] as const) {
        assertClose([direction[name].value], [direction[name].chance]);
      }
    }
  });

  it("equals a naive sort in float64, at every chunk size", () => {
    const imageEmbeddings = wave(40, 5, 0);
    const textEmbeddings = wave(101, 5, 1);
    const imageOfText = Array.from({ length: 101 }, (_, text) => (text * 13) % 40);
    const dot = (image: number, text: number): number => {
      let sum = 0;
      for (let i = 0; i < 5; i++) {
        const pixel = imageEmbeddings.data[image * 5 + i] ?? NaN;
        sum += pixel * (textEmbeddings.data[text * 5 + i] ?? NaN);
      }
      return sum;
    };
    const images = [...Array(40).keys()];
    const texts = [...Array(101).keys()];
    const imageRanks = images.map((image) => {
      const order = texts.toSorted((a, b) => dot(image, b) - dot(image, a));
      return 1 + order.findIndex((text) => imageOfText[text] === image);
    });
    const textRanks = texts.map((text) => {
      const order = images.toSorted((a, b) => dot(b, text) - dot(a, text));
      return 1 + order.indexOf(imageOfText[text] ?? -1);
    });
    for (const chunkSize of [1, 7, 40, 1000]) {
      const result = retrieval({
        imageEmbeddings,
        textEmbeddings,
        imageOfText,
        chunkSize,
        bootstrap: { resamples: 20 },
      });
      assert.deepEqual([...result.imageToText.ranks], imageRanks);
      assert.deepEqual([...result.textToImage.ranks], textRanks);
      const share = textRanks.filter((rank) => rank <= 5).length / 101;
      assertClose([result.textToImage.recallAt5.value], [share]);
    }
  });

  it("resamples images with their captions", () => {
    // 30 images found by all 20 captions, 30 by none: 60 independent things, not 1,200.
    const dim = 60;
    const basis = Array.from({ length: dim }, (_, i) =>
      Array.from({ length: dim }, (_, j) => (i === j ? 1 : 0)),
    );
    const imageOfText = Array.from({ length: dim * 20 }, (_, text) => Math.floor(text / 20));
    const textEmbeddings = rows(
      ...imageOfText.map((image) => basis[image < 30 ? image : (image + 1) % dim] ?? []),
    );
    const { textToImage } = retrieval({
      imageEmbeddings: rows(...basis),
      textEmbeddings,
      imageOfText,
    });
    assert.equal(textToImage.recallAt1.value, 0.5);
    // A share of 1/2 of 60: 1.96 sqrt(0.25 / 60) = 0.127; of 1,200 it would be 0.028.
    const { low, high } = textToImage.recallAt1.interval ?? { low: NaN, high: NaN };
    assert.ok(0.5 - low > 0.09 && high - 0.5 > 0.09, `${low} to ${high}`);
  });
});
