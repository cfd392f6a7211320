import assert from "node:assert/strict";
import { after, describe, it } from "node:test";

import { evaluationPreset } from "../data/image/evaluation-transform.ts";
import { NativeError } from "../errors.ts";
import { DualEncoder } from "../pair/dual-encoder.ts";
import { memory, type Tensor } from "../torch/index.ts";
import { assertClose } from "../../test/support/close.ts";
import { tinyPair } from "../../test/support/tiny-model.ts";
import { plainSimilarities } from "../arrays/similarities.ts";
import { Encoder, pairEncoder } from "./encoder.ts";

const transform = evaluationPreset("clip", 16);
const pair = new DualEncoder(tinyPair);
const encoder = pairEncoder(pair, transform);
after(() => pair.dispose());

const cells = Uint8Array.from({ length: 5 * 768 }, (_, i) => (i * i + 7 * i) % 251);
const texts = {
  tokens: Int32Array.from([5, 6, 7, 9, 0, 0, 0, 0, 0, 0, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0]),
  contextLength: 10,
};
const close = { rtol: 1e-5, atol: 2e-6 };

/** An encoder for which more than `most` rows at once are too many. */
function small(most: number, sizes: number[]): Encoder {
  const limited = (rows: Tensor, run: (rows: Tensor) => Tensor): Tensor => {
    sizes.push(rows.size(0));
    if (rows.size(0) > most) throw new NativeError("aten::mm", "CUDA out of memory.");
    return run(rows);
  };
  return new Encoder({
    module: pair,
    dim: 8,
    image: { transform, squares: (pixels) => limited(pixels, (rows) => pair.encodeImages(rows)) },
    text: {
      trimmable: true,
      forward: (tokens) => limited(tokens, (rows) => pair.encodeTexts(rows)),
    },
  });
}

describe("an encoder, misused", () => {
  it("says which tower is missing", () => {
    const none = new Encoder({ module: pair, dim: 8 });
    assert.throws(() => none.encodeImages(cells), /Expected an image tower for pictures/);
    assert.throws(() => none.encodeTexts(texts), /Expected a text tower for texts/);
  });

  it("refuses patches where the tower takes squares only", () => {
    const naflex = {
      kind: "naflex",
      patchSize: 4,
      maxPatches: 4,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    };
    const image = { transform: naflex as never, squares: (pixels: Tensor) => pixels };
    const wrong = new Encoder({ module: pair, dim: 8, image });
    assert.throws(() => wrong.encodeImages(new Uint8Array(8 + 4 * 48)), /into squares .* NaFlex/);
  });

  it("gives up where not one row fits, leaving modes and memory as they were", () => {
    const before = memory().tensors;
    pair.train(true);
    assert.throws(() => small(0, []).encodeImages(cells), NativeError);
    assert.ok(pair.training && pair.imageTower.training);
    assert.equal(memory().tensors, before);
  });
});

describe("an encoder", () => {
  it("takes halves of what does not fit, and gives the same rows", () => {
    for (const [most, wanted] of [
      [5, [5]],
      [3, [5, 3, 2]],
      [1, [5, 3, 2, 1, 1, 1, 1, 1]],
    ] as const) {
      const sizes: number[] = [];
      const rows = small(most, sizes).encodeImages(cells);
      assert.deepEqual([rows.count, rows.dim, sizes], [5, 8, wanted]);
      assertClose(rows.data, encoder.encodeImages(cells).data, close, `${most} at once`);
    }
    const sizes: number[] = [];
    assertClose(
      small(1, sizes).encodeTexts(texts).data,
      encoder.encodeTexts(texts).data,
      close,
      "texts",
    );
    assert.deepEqual(sizes, [2, 1, 1]);
  });

  it("cuts texts to the longest where their lengths are given", () => {
    const lengths = Int32Array.of(4, 2);
    assertClose(
      encoder.encodeTexts({ ...texts, lengths }).data,
      encoder.encodeTexts(texts).data,
      close,
    );
  });

  it("runs each part in evaluation mode and restores the mode that it had", () => {
    pair.train(true);
    pair.textTower.train(false);
    const modes: boolean[] = [];
    const watching = new Encoder({
      module: pair,
      dim: 8,
      image: {
        transform,
        squares: (pixels) => {
          modes.push(...[...pair.modules()].map(({ training }) => training));
          return pair.encodeImages(pixels);
        },
      },
    });
    watching.encodeImages(cells);
    assert.ok(modes.length > 0 && modes.every((training) => !training));
    assert.ok(pair.training && pair.imageTower.training && !pair.textTower.training);
  });

  it("makes no rows of nothing", () => {
    assert.deepEqual(encoder.encodeImages(new Uint8Array(0)), {
      data: new Float32Array(0),
      count: 0,
      dim: 8,
    });
  });

  it("stops before the next pass once its signal is aborted", () => {
    const stop = new AbortController();
    const options = { signal: stop.signal };
    assert.equal(encoder.encodeTexts(texts, options).count, 2);
    stop.abort(new Error("no longer wanted"));
    assert.throws(() => encoder.encodeTexts(texts, options), /no longer wanted/);
    assert.throws(() => encoder.encodeImages(cells, options), /no longer wanted/);
  });

  it("leaves no tensor behind", () => {
    const before = memory().tensors;
    encoder.encodeImages(cells);
    encoder.encodeTexts(texts);
    const [images, captions] = [encoder.encodeImages(cells), encoder.encodeTexts(texts)];
    encoder.similarities(images, captions);
    const stop = (): never => {
      throw new Error("enough");
    };
    assert.throws(() => encoder.similarities.holding?.(captions, stop), /enough/);
    assert.equal(memory().tensors, before);
  });

  it("puts held candidates on the device once, with the same products", () => {
    const [images, captions] = [encoder.encodeImages(cells), encoder.encodeTexts(texts)];
    const { similarities } = encoder;
    const wanted = similarities(images, captions);
    assertClose(wanted, plainSimilarities(images, captions), { rtol: 1e-5, atol: 1e-6 });
    const start = memory().tensors;
    similarities.holding?.(captions, () => {
      // What is held is one tensor, however often it is asked and held again.
      for (let call = 0; call < 3; call++) {
        assert.deepEqual(similarities(images, captions), wanted);
        similarities.holding?.(captions, () => similarities(images, captions));
        assert.equal(memory().tensors, start + 1);
      }
      assert.deepEqual(similarities(captions, images).length, wanted.length);
    });
    assert.equal(memory().tensors, start);
  });
});
