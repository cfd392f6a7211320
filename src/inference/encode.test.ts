import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { decodeImage } from "../data/image/decode/decode.ts";
import { applyEvaluationTransform } from "../data/image/evaluation-transform.ts";
import { DataError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { saveTinyModel, tinyPicture, tinyPictureFiles } from "../../test/support/tiny-model.ts";
import { fromData, memory, type Tensor } from "../torch/index.ts";
import { evaluating } from "../nn/module.ts";
import { pixelsToTensor } from "../pair/dual-encoder.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import type { EmbeddingBatch } from "./inference-model.ts";
import type { Picture } from "./picture-batches.ts";

const root = mkdtempSync(join(tmpdir(), "limn-encode-"));
after(() => rmSync(root, { recursive: true }));
let model: LoadedModel;
let pictures: Uint8Array[];
let files: string[];
before(async () => {
  model = await loadModel(await saveTinyModel(join(root, "model")));
  files = await tinyPictureFiles(root, 9);
  pictures = files.map((file) => readFileSync(file));
});
after(() => model.dispose());

const close = { rtol: 1e-5, atol: 2e-6 };
const rowsOf = (tensor: Tensor): Float32Array => tensor.toFloat32Array();

/** Each picture decoded and encoded by itself. */
async function oneByOne(list: readonly Uint8Array[]): Promise<Float32Array> {
  const rows: number[] = [];
  for (const bytes of list) {
    const pixels = await applyEvaluationTransform(bytes, model.evaluationTransform);
    const encoded = evaluating(model.pair, "float32", () =>
      model.pair.encodeImages(pixelsToTensor(pixels, 16, model.evaluationTransform)),
    );
    rows.push(...encoded.toFloat32Array());
  }
  return Float32Array.from(rows);
}

async function* streamed<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) {
    await new Promise((resolve) => setImmediate(resolve));
    yield item;
  }
}

async function collect(batches: AsyncGenerator<EmbeddingBatch>): Promise<EmbeddingBatch[]> {
  const all: EmbeddingBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

describe("encodeImages, misused", () => {
  const wrong = (value: unknown): Promise<unknown> => model.encodeImages(value as Picture[]);

  it("says what a picture is", async () => {
    await assert.rejects(
      wrong(3),
      /^TypeError: Expected a picture, a list or an async iterable .* number/,
    );
    await assert.rejects(
      wrong([pictures[0], null]),
      /Expected bytes, a path .* for picture 1 .* null/,
    );
    await assert.rejects(wrong([new ArrayBuffer(3)]), /picture 0 .*new Uint8Array\(buffer\)/);
    await assert.rejects(wrong([Promise.resolve(1)]), /a promise; read or decode it first/);
    const pixels = { data: new Uint8Array(11), width: 2, height: 2 };
    await assert.rejects(wrong([pixels]), /\[height, width, 3\] uint8 for picture 0 .* 11 bytes/);
    await assert.rejects(wrong([]), /^RangeError: Expected at least one picture/);
  });

  it("refuses options out of range", async () => {
    const list = pictures.slice(0, 1);
    await assert.rejects(
      model.encodeImages(list, { batchSize: 0 }),
      /1 or more for batchSize .* 0/,
    );
    await assert.rejects(model.encodeImages(list, { workers: -1 }), /0 or more for workers .* -1/);
    const onError = "ignore" as "skip";
    await assert.rejects(model.encodeImages(list, { onError }), /"throw" or "skip" for onError/);
  });

  for (const workers of [0, 1]) {
    it(`names the bad picture with ${workers} workers, and leaves nothing behind`, async () => {
      const before = memory().tensors;
      const broken = pictures[1]?.slice(0, 60) as Uint8Array;
      const list = [pictures[0] as Uint8Array, broken];
      await assert.rejects(
        model.encodeImages(list, { workers }),
        (error) => error instanceof DataError && (assert.match(error.message, /picture 1 /), true),
      );
      const absent = join(root, "absent.png");
      await assert.rejects(
        model.encodeImages([files[0] as string, absent], { workers }),
        /picture 1 \(.*absent\.png\) but received a bad one: the file does not exist; repair it/,
      );
      assert.equal(memory().tensors, before);
    });
  }
});

describe("encodeImages", () => {
  it("encodes bytes, paths and pixels alike, in order", async () => {
    const expected = await oneByOne(pictures);
    assertClose(rowsOf(await model.encodeImages(pictures)), expected, close, "bytes");
    assertClose(rowsOf(await model.encodeImages(new Set(files))), expected, close, "paths");
    const pixels = await Promise.all(pictures.map((bytes) => decodeImage(bytes)));
    assertClose(rowsOf(await model.encodeImages(pixels)), expected, close, "pixels");
    const one = await model.encodeImages(files[0] as string);
    assert.deepEqual(one.shape, [1, 8]);
    assertClose(rowsOf(one), expected.subarray(0, 8), close, "one path");
  });

  it("gives the same whatever the batch size and the threads", async () => {
    const expected = await oneByOne(pictures);
    const mixed = pictures.map((bytes, i) => (i % 2 ? bytes : (files[i] as string)));
    for (const batchSize of [1, 2, 4, 9, 100]) {
      for (const workers of [0, 1, 3]) {
        const rows = rowsOf(await model.encodeImages(mixed, { batchSize, workers }));
        assertClose(rows, expected, close, `batches of ${batchSize}, ${workers} workers`);
      }
    }
    assert.ok(
      pictures.every(({ length }) => length > 0),
      "bytes of the caller were taken away",
    );
  });

  it("passes over bad pictures when told to, and reports them", async () => {
    const list: Picture[] = [...pictures];
    list.splice(1, 0, Uint8Array.of(1, 2, 3));
    list.push("absent.png");
    const result = await model.encodeImages(list, { onError: "skip", batchSize: 4 });
    assert.deepEqual([...result.indices], [0, 2, 3, 4, 5, 6, 7, 8, 9]);
    assertClose(rowsOf(result.embeddings), await oneByOne(pictures), close);
    assert.deepEqual(
      result.skipped.map(({ index, name }) => [index, name]),
      [
        [1, "picture 1"],
        [10, "absent.png"],
      ],
    );
    const none = await model.encodeImages(["absent.png"], { onError: "skip" });
    assert.deepEqual(none.embeddings.shape, [0, 8]);
  });

  it("turns a stream into batches", async () => {
    const list: Picture[] = [...files.slice(0, 3), "absent.png", ...files.slice(3)];
    const options = { batchSize: 4, workers: 1, onError: "skip" as const };
    const batches = await collect(model.encodeImages(streamed(list), options));
    assert.deepEqual(
      batches.map(({ count, start, dim }) => [count, start, dim]),
      [
        [3, 0, 8],
        [4, 3, 8],
        [2, 7, 8],
      ],
    );
    assert.deepEqual(
      batches.map(({ indices }) => [...indices]),
      [
        [0, 1, 2],
        [4, 5, 6, 7],
        [8, 9],
      ],
    );
    const rows = batches.flatMap(({ embeddings }) => [...embeddings]);
    assertClose(rows, await oneByOne(pictures), close);
    assert.equal(batches[0]?.skipped[0]?.index, 3);
  });

  it("ends the source and its threads when the caller stops early", async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          await Promise.resolve();
          yield pictures[0] as Uint8Array;
        }
      } finally {
        ended = true;
      }
    }
    for await (const { count } of model.encodeImages(endless(), { batchSize: 2, workers: 1 })) {
      assert.equal(count, 2);
      break;
    }
    assert.ok(ended);
  });

  it("forwards the error of a stream", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield pictures[0] as Uint8Array;
      await Promise.resolve();
      throw new Error("the camera is gone");
    }
    const batches = model.encodeImages(failing(), { batchSize: 1, workers: 0 });
    assert.equal((await batches.next()).done, false);
    await assert.rejects(batches.next(), /the camera is gone/);
  });

  it("reads a large picture as the loader does", async () => {
    const bytes = await tinyPicture(5, 200);
    writeFileSync(join(root, "large.png"), bytes);
    assertClose(
      rowsOf(await model.encodeImages(join(root, "large.png"))),
      await oneByOne([bytes]),
      close,
    );
  });
});

describe("encodeTexts", () => {
  const texts = ["cat", "a cat and another cat and more", "", "x".repeat(50), "a cat", "cat cat"];
  const padded = (): Float32Array => {
    const { tokens } = model.tokenizer.encodeBatch(texts);
    return rowsOf(
      evaluating(model.pair, "float32", () => model.pair.encodeTexts(fromData(tokens, [6, 10]))),
    );
  };

  it("says what a text is", () => {
    assert.throws(() => model.encodeTexts([]), /^RangeError: Expected at least one text/);
    assert.throws(() => model.encodeTexts(["a", 3 as never]), /string for text 1 .* number/);
    assert.throws(() => model.encodeTexts(7 as never), /a text, a list or an async iterable/);
    assert.throws(() => model.encodeTexts(["a"], { batchSize: 1.5 }), /for batchSize .* 1\.5/);
  });

  it("equals the padded batch, whatever the batch size", () => {
    for (const batchSize of [undefined, 1, 2, 4, 6]) {
      const options = batchSize === undefined ? {} : { batchSize };
      assertClose(rowsOf(model.encodeTexts(texts, options)), padded(), close, String(batchSize));
    }
    assertClose(rowsOf(model.encodeTexts("cat")), padded().subarray(0, 8), close, "one");
  });

  it("turns a stream into batches", async () => {
    const batches = await collect(model.encodeTexts(streamed(texts), { batchSize: 4 }));
    assert.deepEqual(
      batches.map(({ start, count }) => [start, count]),
      [
        [0, 4],
        [4, 2],
      ],
    );
    assertClose(
      batches.flatMap(({ embeddings }) => [...embeddings]),
      padded(),
      close,
    );
    assert.deepEqual([...(batches[1]?.indices ?? [])], [4, 5]);
  });
});
