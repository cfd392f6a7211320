import assert from "node:assert/strict";
import { after, describe, it } from "node:test";

import { evaluationPreset } from "../data/image/evaluation-transform.ts";
import { NativeError } from "../errors.ts";
import { tinyPair } from "../../test/support/tiny-model.ts";
import { fromData, memory, type Tensor } from "../torch/index.ts";
import { pairEncoder } from "./encoder.ts";
import { DualEncoder } from "../pair/dual-encoder.ts";
import { imageBatchSize, textBatchSize, withFittingBatches } from "./batch-size.ts";

const transform = evaluationPreset("clip", 16);
const model = new DualEncoder(tinyPair);
const encoder = pairEncoder(model, transform);
after(() => model.dispose());
const outOfMemory = (): NativeError =>
  new NativeError("aten::mm", "aten::mm failed: CUDA out of memory. Tried to allocate 2.00 GiB");

describe("imageBatchSize", () => {
  it("is bounded by the pictures, by what is fast and by the free memory", () => {
    assert.equal(imageBatchSize(encoder, 3), 3);
    assert.equal(imageBatchSize(encoder, undefined, 1e12), 32);
    assert.equal(imageBatchSize(encoder, 20, 1e12), 20);
    assert.equal(imageBatchSize(encoder, undefined, 0), 1);
    const small = imageBatchSize(encoder, undefined, 2e6);
    assert.ok(small > 1 && small < 32, `${small}`);
    const half = imageBatchSize(encoder, undefined, 1e6);
    assert.ok(half < small && half >= Math.floor(small / 2), `${half} of ${small}`);
  });

  it("leaves no tensor behind", () => {
    const before = memory().tensors;
    const other = new DualEncoder(tinyPair);
    imageBatchSize(pairEncoder(other, transform), undefined, 1e9);
    const added = memory().tensors - before;
    assert.equal(added, [...other.namedState()].length);
  });
});

describe("textBatchSize", () => {
  it("goes by tokens", () => {
    assert.equal(textBatchSize(encoder, 8), 512);
    assert.equal(textBatchSize(encoder, 64), 64);
    assert.equal(textBatchSize(encoder, 0), 4096);
    assert.equal(textBatchSize(encoder, 10_000), 1);
  });
});

describe("withFittingBatches", () => {
  const rows = (from: number, to: number): Tensor =>
    fromData(Float32Array.from({ length: to - from }, (_, i) => from + i));

  it("halves until it fits and keeps the order", () => {
    for (const most of [1, 2, 3, 5, 11]) {
      const parts = withFittingBatches(11, (from, to) => {
        if (to - from > most) throw outOfMemory();
        return rows(from, to);
      });
      assert.ok(parts.every((part) => part.count <= most));
      const all = parts.flatMap((part) => [...part.toFloat32Array()]);
      assert.deepEqual(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
  });

  it("gives up where one row does not fit, and on every other error at once", () => {
    assert.throws(
      () =>
        withFittingBatches(4, () => {
          throw outOfMemory();
        }),
      NativeError,
    );
    let calls = 0;
    const failing = (): never => {
      calls++;
      throw new NativeError("aten::mm", "shapes do not fit");
    };
    assert.throws(() => withFittingBatches(4, failing), /shapes do not fit/);
    assert.equal(calls, 1);
  });
});
