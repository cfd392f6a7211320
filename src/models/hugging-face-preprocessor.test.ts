import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { evaluationPreset, type EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { CheckpointError } from "../errors.ts";
import {
  fromHuggingFacePreprocessor,
  toHuggingFacePreprocessor,
} from "./hugging-face-preprocessor.ts";
import type { JsonObject } from "./json-fields.ts";

const file = "model/preprocessor_config.json";
const read = (json: JsonObject): EvaluationTransform => fromHuggingFacePreprocessor(file, json);
const clip = evaluationPreset("clip", 224);

describe("fromHuggingFacePreprocessor", () => {
  const cases: [JsonObject, RegExp][] = [
    [{ image_processor_type: "BlipImageProcessor" }, /CLIPImageProcessor, .*"BlipImageProcessor"/],
    [{ feature_extractor_type: 7 }, /received 7/],
    [{ do_resize: false }, /true for do_resize .* received false/],
    [{ do_rescale: false }, /true for do_rescale/],
    [{ do_center_crop: false }, /true where size is shortest_edge for do_center_crop/],
    [{ do_normalize: "yes" }, /true or false for do_normalize/],
    [{ rescale_factor: 1 / 127.5 }, /1\/255 for rescale_factor/],
    [{ size: 256, crop_size: 224 }, /size of the resized image, 256 for crop_size .* 224/],
    [{ size: { shortest_edge: 224, longest_edge: 300, height: 224 } }, /for size/],
    [{ size: { height: 224, width: 200 } }, /equal numbers for size/],
    [{ size: { longest_edge: 224 } }, /for size/],
    [{ size: -1 }, /for size/],
    [{ resample: 0 }, /3 \(bicubic\) or 2 \(bilinear\) for resample .* 0/],
    [{ image_mean: [0.5, 0.5] }, /three numbers for image_mean .*\[0\.5,0\.5\]/],
    [{ image_processor: { resample: 1 } }, /for image_processor\.resample/],
  ];
  for (const [json, message] of cases) {
    it(`refuses ${JSON.stringify(json)}`, () => {
      assert.throws(
        () => read(json),
        (error) =>
          error instanceof CheckpointError &&
          error.file === file &&
          (assert.match(error.message, message), true),
      );
    });
  }

  it("reads numbers and objects as the same sizes", () => {
    const old = {
      feature_extractor_type: "CLIPFeatureExtractor",
      ...{ crop_size: 224, size: 224, resample: 3, do_center_crop: true },
      ...{ image_mean: clip.mean, image_std: clip.std },
    };
    const sizes = { crop_size: { height: 224, width: 224 }, size: { shortest_edge: 224 } };
    assert.deepEqual(read(old), clip);
    assert.deepEqual(read({ ...old, ...sizes }), clip);
    assert.deepEqual(read({}), clip);
    assert.deepEqual(read({ image_processor: sizes, processor_class: "CLIPProcessor" }), clip);
  });

  it("leaves pixels in [0, 1] without normalisation", () => {
    const { mean, std } = read({ do_normalize: false });
    assert.deepEqual(
      [mean, std],
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
    );
  });
});

describe("toHuggingFacePreprocessor", () => {
  it("is read back as the same preprocessing", () => {
    const squash = { ...evaluationPreset("siglip", 96), interpolation: "bilinear" as const };
    for (const transform of [clip, squash]) {
      const json = JSON.parse(toHuggingFacePreprocessor(transform)) as JsonObject;
      assert.deepEqual(read(json), transform);
    }
  });
});
