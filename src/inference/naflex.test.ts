/** Pictures of their own aspect ratio against transformers (test/goldens/generate/hugging-face-models.py). */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";

import type { RgbImage } from "../data/image/decode/decode.ts";
import { cellBytes, gridsOf, placePicture } from "../data/image/picture-cell.ts";
import { createLoader } from "../data/loader/loader.ts";
import { readNpy } from "../files/npy.ts";
import { writeShards } from "../data/write-shards.ts";
import { embedSource } from "../embed/embed-source.ts";
import { evaluate } from "../evaluate/evaluate-model.ts";
import { CheckpointError } from "../errors.ts";
import { assertClose } from "../../test/support/close.ts";
import { expectedPictures, floats, saveGoldenNaflex } from "../../test/support/golden-models.ts";
import { saveTinyModel } from "../../test/support/tiny-model.ts";
import { memory, zeros } from "../torch/index.ts";
import { describeModel } from "../checkpoints/describe-model.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { imageBatchSize } from "./batch-size.ts";
import { pairEncoder } from "./encoder.ts";
import type { Picture } from "./picture-batches.ts";

const root = mkdtempSync(join(tmpdir(), "limn-naflex-"));
after(() => rmSync(root, { recursive: true }));

const expected = expectedPictures();
const pictures: RgbImage[] = expected.pictures.map(({ data, ...size }) => ({
  ...size,
  data: Uint8Array.from(Buffer.from(data, "base64")),
}));
const rows = floats(expected.pictureEmbeddings);
const dim = rows.length / pictures.length;
/** As the goldens of the towers, and two roundings of normalised pixels. */
const close = { rtol: 1e-5, atol: 2e-6 };

const folder = saveGoldenNaflex(join(root, "model"));
const photos = join(root, "photos");
let model: LoadedModel;
let files: string[];
before(async () => {
  model = await loadModel(folder);
  mkdirSync(photos);
  files = pictures.map((_, i) => join(photos, `${i}.png`));
  for (const [i, { data, width, height }] of pictures.entries()) {
    await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(files[i] as string);
  }
});
after(() => model.dispose());

describe("a NaFlex model, misused", () => {
  const refuses = (processor: object, message: RegExp): Promise<void> =>
    assert.rejects(
      loadModel(saveGoldenNaflex(join(root, "wrong"), processor)),
      (error) => error instanceof CheckpointError && (assert.match(error.message, message), true),
    );

  it("refuses a processor of other patches", () =>
    refuses({ patch_size: 8 }, /Expected 4, the side of the tower's patches, for patch_size .* 8/));

  it("has no patches for a tower of squares", async () => {
    const squares = await loadModel(await saveTinyModel(join(root, "squares")));
    assert.throws(
      () => squares.pair.encodePatches({ patches: zeros([1, 4, 48]), grids: [[2, 2]] }),
      /^TypeError: Expected a NaFlex image tower for encodePatches .* kind vit; give encodeImages/,
    );
    squares.dispose();
  });

  it("has no random changes of patches", async () => {
    const transform = model.naflexTransform;
    assert.ok(transform);
    const source = { kind: "folder", directory: photos } as const;
    const options = { source, transform, batchSize: 2, augmentation: { flip: 0.5 } };
    await assert.rejects(createLoader(options), {
      name: "TypeError",
      message: /^Expected a transform into squares with an augmentation but received a NaFlex one;/,
    });
  });

  it("names the bad picture", () =>
    assert.rejects(
      model.encodeImages([files[0] as string, Uint8Array.of(1, 2, 3)]),
      /^DataError: .* picture 1 but received a bad one/,
    ));
});

describe("a NaFlex model", () => {
  it("cuts pictures into the grids of transformers' processor", () => {
    const transform = model.naflexTransform;
    assert.ok(transform);
    const size = cellBytes(transform);
    const cells = new Uint8Array(size * pictures.length);
    for (const [i, picture] of pictures.entries()) {
      placePicture(picture, transform, cells.subarray(i * size, (i + 1) * size));
    }
    assert.deepEqual(gridsOf(cells, transform), expected.pictureGrids);
  });

  it("is described with both preparations", async () => {
    const { naflexTransform, evaluationTransform } = await describeModel(folder);
    assert.deepEqual(naflexTransform, model.naflexTransform);
    assert.deepEqual(evaluationTransform, model.evaluationTransform);
  });

  it("gives transformers' embeddings of pixels, files and bytes", async () => {
    const bytes = files.map((file) => readFileSync(file));
    for (const [name, list] of Object.entries<Picture[]>({ pictures, files, bytes })) {
      const found = await model.encodeImages(list);
      assertClose(found.toFloat32Array(), rows, close, name);
      found.dispose();
    }
  });

  it("gives the same in any batch, order and thread", async () => {
    const order = [3, 0, 5, 4, 2, 1, 3, 3];
    const list = order.map((i) => (i % 2 ? (files[i] as string) : (pictures[i] as RgbImage)));
    const wanted = order.flatMap((i) => [...rows.subarray(i * dim, (i + 1) * dim)]);
    for (const options of [
      { batchSize: 1 },
      { batchSize: 3, workers: 2 },
      { batchSize: 8, workers: 1 },
      {},
    ]) {
      const found = await model.encodeImages(list, options);
      assertClose(found.toFloat32Array(), wanted, close, JSON.stringify(options));
      found.dispose();
    }
  });

  it("passes over bad pictures without moving the others", async () => {
    const list: Picture[] = [pictures[0] as RgbImage, Uint8Array.of(1), ...pictures.slice(1)];
    const { embeddings, indices } = await model.encodeImages(list, { onError: "skip" });
    assert.deepEqual([...indices], [0, 2, 3, 4, 5, 6]);
    assertClose(embeddings.toFloat32Array(), rows, close);
    embeddings.dispose();
  });

  it("classifies and compares with the same embeddings", async () => {
    const { similarities, columns } = await model.similarity(files, ["cat", "dog"]);
    const texts = model.encodeTexts(["cat", "dog"]);
    const text = texts.toFloat32Array();
    texts.dispose();
    const wanted = pictures.flatMap((_, row) =>
      [0, 1].map((column) => {
        let sum = 0;
        for (let d = 0; d < dim; d++) {
          sum += (rows[row * dim + d] as number) * (text[column * dim + d] as number);
        }
        return sum;
      }),
    );
    assert.equal(columns, 2);
    assertClose(similarities, wanted, close);
    const classifier = await model.zeroShotClassifier(["cat", "dog"], { templates: ["{}"] });
    const all = await classifier.classify(files);
    for (const [row, predictions] of all.entries()) {
      for (const { index, similarity } of predictions) {
        assertClose([similarity], [wanted[2 * row + index] as number], close);
      }
    }
  });

  it("is embedded and evaluated from a source natively", async () => {
    const out = join(root, "embeddings");
    const source = { kind: "folder", directory: photos } as const;
    await embedSource({ model, source, folder: out, store: "float32" });
    assertClose(readNpy(join(out, "img_emb", "img_emb_0.npy")).data, rows, close, "embed");

    const shards = join(root, "shards");
    const samples = files.map((file, i) => ({
      key: `photo-${i}`,
      image: readFileSync(file),
      extension: "png" as const,
      captions: [`number ${i}`],
    }));
    const written = await writeShards({ samples, directory: shards, samplesPerShard: 4 });
    const suite = {
      name: "val",
      source: { kind: "webdataset" as const, shards: written.shards },
      tasks: [{ kind: "retrieval" as const, name: "retrieval" }],
    };
    const [result] = await evaluate({ model: folder, suites: [suite], batchSize: 4 });
    assertClose(result?.dataset.imageEmbeddings.data ?? [], rows, close, "evaluate");
  });

  it("keeps its processor when it is saved, with any number of patches, in both layouts", async () => {
    const processor = { max_num_patches: 40, resample: 3, do_convert_rgb: true };
    const more = await loadModel(saveGoldenNaflex(join(root, "more"), processor));
    assert.equal(more.naflexTransform?.maxPatches, 40);
    // Squares are as large as the table of positions all the same.
    assert.equal(more.evaluationTransform.imageSize, 16);
    const before = await more.encodeImages(pictures);
    for (const layout of ["hugging-face", "limn"] as const) {
      const saved = join(root, `saved-${layout}`);
      await more.save(saved, { layout });
      const again = await loadModel(saved);
      assert.deepEqual(again.naflexTransform, more.naflexTransform);
      assert.equal(again.naflexTransform?.transparency, "white");
      const after = await again.encodeImages(pictures);
      assert.deepEqual(after.toFloat32Array(), before.toFloat32Array());
      after.dispose();
      again.dispose();
    }
    const far = before.toFloat32Array().some((value, i) => Math.abs(value - (rows[i] ?? 0)) > 1e-3);
    assert.ok(far, "more patches change nothing");
    before.dispose();
    more.dispose();
  });

  it("takes squares where the caller says how pictures are prepared", async () => {
    const { evaluationTransform } = model;
    const squares = await loadModel(folder, { evaluationTransform });
    assert.equal(squares.naflexTransform, undefined);
    const found = await squares.encodeImages(pictures);
    const data = found.toFloat32Array();
    // The third picture is a square of the table's own size.
    assertClose(data.subarray(2 * dim, 3 * dim), rows.subarray(2 * dim, 3 * dim), close);
    assert.ok(Math.abs((data[0] as number) - (rows[0] as number)) > 1e-3);
    found.dispose();
    squares.dispose();
  });

  it("is measured with as many patches as a picture has", () => {
    const transform = model.naflexTransform;
    assert.ok(transform);
    const [few, many] = [transform, { ...transform, maxPatches: 256 }].map((one) =>
      imageBatchSize(pairEncoder(model.pair, one), 32, 1e6),
    ) as [number, number];
    assert.ok(many < few && few < 32, `${many} and ${few}`);
  });

  it("leaves no tensor behind", async () => {
    const before = memory().tensors;
    await model.similarity(pictures, ["cat"]);
    assert.equal(memory().tensors, before);
  });
});
