import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { saveTinyModel } from "../../test/support/tiny-model.ts";
import { availablePrecisions, precisions, type Precision } from "../nn/precision.ts";
import { memory } from "../torch/index.ts";
import { generatedPictures } from "./generated-pictures.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { measurePrecisions } from "./measure-precisions.ts";

const root = mkdtempSync(join(tmpdir(), "limn-measure-"));
let folder: string;
before(async () => {
  folder = await saveTinyModel(join(root, "model"));
});
after(() => rmSync(root, { recursive: true, force: true }));

const load = (precision: Precision): Promise<LoadedModel> => loadModel(folder, { precision });

describe("measurePrecisions", () => {
  it("measures what there is, and says why the rest is not there", async () => {
    const started: Precision[] = [];
    const { tensors } = memory();
    const onPrecision = (precision: Precision): void => void started.push(precision);
    const report = await measurePrecisions(load, { seconds: 0, onPrecision });
    assert.equal(memory().tensors, tensors);
    assert.deepEqual(started, availablePrecisions());
    const missing = precisions.filter((one) => !started.includes(one));
    assert.deepEqual(
      report.missing.map(({ precision }) => precision),
      missing,
    );
    assert.deepEqual(
      [report.pictures, report.labels],
      [
        { count: 32, given: false },
        { count: 24, given: false },
      ],
    );
    for (const { pictures, texts, imageDistance, textDistance, sameTop1 } of report.measured) {
      for (const list of [pictures, texts]) {
        assert.deepEqual(
          list.map(({ batch }) => batch),
          [1, 8, 32],
        );
        assert.ok(list.every(({ perSecond }) => perSecond > 0 && Number.isFinite(perSecond)));
      }
      for (const { mean, worst } of [imageDistance, textDistance]) {
        assert.ok(mean >= 0 && mean <= worst && worst < 0.01, `${mean} ${worst}`);
      }
      assert.ok(sameTop1 >= 0 && sameTop1 <= 1);
    }
    const [float32] = report.measured;
    assert.equal(float32?.sameTop1, 1);
    const half = report.measured.find(({ precision }) => precision === "bfloat16");
    if (half) assert.ok(half.memory < 0.6 * (float32?.memory ?? 0));
    assert.ok((float32?.imageDistance.worst ?? 1) < 1e-6);
  });

  it("tells of a precision that gives other embeddings and other labels", async () => {
    if (!availablePrecisions().includes("bfloat16")) return;
    const wrong = async (precision: Precision): Promise<LoadedModel> => {
      const model = await load(precision);
      if (precision !== "bfloat16") return model;
      const { encoder } = model;
      const images = encoder.encodeImages.bind(encoder);
      encoder.encodeImages = (cells, options) => {
        const rows = images(cells, options);
        return { ...rows, data: rows.data.map((x) => -x) };
      };
      // The tiny model cuts prompts to the same tokens: its labels are alike.
      const zeroShotClassifier: LoadedModel["zeroShotClassifier"] = async (...given) => {
        const classifier = await model.zeroShotClassifier(...given);
        const rank = classifier.rank.bind(classifier);
        classifier.rank = (rows) => rank(rows).map((list) => list.slice(1));
        return classifier;
      };
      return { ...model, zeroShotClassifier };
    };
    const report = await measurePrecisions(wrong, { seconds: 0, labels: ["a cat", "a dog"] });
    const found = report.measured.find(({ precision }) => precision === "bfloat16");
    assert.ok((found?.imageDistance.mean ?? 0) > 1.99);
    assert.equal(found?.sameTop1, 0);
  });

  it("generates pictures that differ, the same ones each time", () => {
    const [a, b] = [generatedPictures(3), generatedPictures(3)];
    assert.deepEqual(a, b);
    assert.equal(new Set(a.map(({ data }) => Buffer.from(data).toString("base64"))).size, 3);
  });
});
