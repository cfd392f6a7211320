import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  evaluationPreset,
  type EvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import { naflexPreset } from "../../data/image/naflex-transform.ts";
import { CheckpointError } from "../../errors.ts";
import type { JsonObject } from "../../files/json-fields.ts";
import { fromHuggingFaceNaflex, isNaflexPreprocessor } from "./hugging-face-naflex.ts";
import {
  fromHuggingFacePreprocessor,
  toHuggingFacePreprocessor,
} from "./hugging-face-preprocessor.ts";
import { fromOpenClipPreprocess, toOpenClipPreprocess } from "./open-clip-preprocess.ts";
import { fromTimmPretrainedConfig } from "./timm-pretrained-config.ts";

const file = "model/preprocessor_config.json";
const read = (json: JsonObject): EvaluationTransform => fromHuggingFacePreprocessor(file, json);
const clip = evaluationPreset("clip", 224);
const type = "CLIPImageProcessor";
/** What transformers does with the same file, as limn says it. */
const readClip = { ...clip, cropRounding: "down", transparency: "white" } as const;

function refuses(parse: () => unknown, message: RegExp): void {
  assert.throws(
    parse,
    (error) =>
      error instanceof CheckpointError &&
      error.file === file &&
      (assert.match(error.message, message),
      assert.match(error.message, /preprocessor_config/),
      true),
  );
}

describe("fromHuggingFacePreprocessor", () => {
  const cases: [JsonObject, RegExp][] = [
    [{}, /CLIPImageProcessor, .* for image_processor_type .* nothing/],
    [{ image_processor_type: "BlipImageProcessor" }, /CLIPImageProcessor, .*"BlipImageProcessor"/],
    [{ image_processor_type: "Siglip2ImageProcessor" }, /load the model as a NaFlex one/],
    [{ feature_extractor_type: 7 }, /received 7/],
    [{ image_processor_type: type, do_resize: false }, /true for do_resize .* received false/],
    [{ image_processor_type: type, do_rescale: false }, /true for do_rescale/],
    [{ image_processor_type: type, do_pad: true }, /false for do_pad/],
    [{ image_processor_type: type, use_square_size: true }, /false for use_square_size/],
    [{ image_processor_type: type, do_flip_channel_order: true }, /for do_flip_channel_order/],
    [{ image_processor_type: type, do_center_crop: false }, /shortest_edge for do_center_crop/],
    [{ image_processor_type: type, do_normalize: "yes" }, /true or false for do_normalize/],
    [{ image_processor_type: type, do_convert_rgb: 1 }, /true or false for do_convert_rgb/],
    [{ image_processor_type: type, rescale_factor: 0 }, /above 0 for rescale_factor/],
    [{ image_processor_type: type, size: 200 }, /at most the size .* 200, for crop_size/],
    [{ image_processor_type: type, size: { shortest_edge: 224, longest_edge: 300 } }, /for size/],
    [{ image_processor_type: type, size: { height: 224, width: 200 } }, /equal numbers for size/],
    [{ image_processor_type: type, size: [224, 200] }, /equal numbers for size/],
    [{ image_processor_type: type, size: { longest_edge: 224 } }, /for size/],
    [{ image_processor_type: type, size: -1 }, /for size/],
    [{ image_processor_type: type, crop_size: { shortest_edge: 224 } }, /for crop_size/],
    [{ image_processor_type: type, resample: 0 }, /3 \(bicubic\), 2 .* for resample .* 0/],
    [{ image_processor_type: type, resample: "nearest" }, /for resample .* "nearest"/],
    [{ image_processor_type: type, do_resize: null }, /true for do_resize .* received null/],
    [{ image_processor_type: type, do_rescale: null }, /true for do_rescale .* received null/],
    [{ image_processor_type: type, do_center_crop: null }, /shortest_edge for do_center_crop/],
    [{ image_processor_type: type, image_mean: [0.5, 0.5] }, /for image_mean .*\[0\.5,0\.5\]/],
    [{ image_processor_type: type, image_std: [0.5, 0, 0.5] }, /above 0 for image_std/],
    [{ image_processor_type: "ViTImageProcessor", do_center_crop: true }, /for crop_size/],
    [{ image_processor_type: "EfficientNetImageProcessor", rescale_offset: 1 }, /rescale_offset/],
    [{ image_processor_type: "EfficientNetImageProcessor", include_top: 1 }, /include_top/],
    [
      { image_processor: { image_processor_type: type, resample: 4 } },
      /for image_processor\.resample/,
    ],
    [{ image_processor_type: type, limn_transform: 3 }, /an object for limn_transform/],
    [{ image_processor_type: type, limn_transform: { crob: 3 } }, /limn_transform\.crob/],
    [{ image_processor_type: "LimnImageProcessor" }, /limn_transform\.imageSize to be set/],
  ];
  for (const [json, message] of cases) {
    it(`refuses ${JSON.stringify(json)}`, () => refuses(() => read(json), message));
  }

  it("reads numbers and objects as the same sizes", () => {
    const old = {
      feature_extractor_type: "CLIPFeatureExtractor",
      ...{ crop_size: 224, size: 224, resample: 3, do_center_crop: true },
      ...{ image_mean: clip.mean, image_std: clip.std },
    };
    const sizes = {
      image_processor_type: type,
      ...{ crop_size: { height: 224, width: 224 }, size: { shortest_edge: 224 } },
    };
    assert.deepEqual(read(old), readClip);
    assert.deepEqual(read({ ...old, ...sizes }), readClip);
    assert.deepEqual(read({ image_processor_type: "CLIPImageProcessorPil" }), readClip);
    assert.deepEqual(read({ image_processor: sizes, processor_class: "CLIPProcessor" }), readClip);
  });
  it("reads torchvision's names of filters, and null for a step that is off", () => {
    const read2 = (json: JsonObject): EvaluationTransform =>
      read({ image_processor_type: type, ...json });
    assert.deepEqual(read2({ resample: "bicubic" }), readClip);
    assert.equal(read2({ resample: "BILINEAR" }).interpolation, "bilinear");
    assert.deepEqual(read2({ do_normalize: null }).mean, [0, 0, 0]);
  });
  it("takes a name in Fast for torchvision's pixels", () => {
    const fast = { ...readClip, resampler: "torchvision" };
    assert.deepEqual(read({ image_processor_type: "CLIPImageProcessorFast" }), fast);
  });
  it("reads a number by each processor's own rule", () => {
    const siglip = { image_processor_type: "SiglipImageProcessor", size: 64 };
    refuses(() => read(siglip), /true where size is shortest_edge for do_center_crop/);
    const vit = read({ image_processor_type: "ViTImageProcessor", size: 64 });
    assert.deepEqual([vit.resizeMode, vit.imageSize, vit.crop], ["squash", 64, "none"]);
  });
  it("leaves pixels in [0, 1] without normalisation, and follows a rescale factor", () => {
    const plain = read({ image_processor_type: type, do_normalize: false });
    assert.deepEqual([plain.mean, plain.std].flat(), [0, 0, 0, 1, 1, 1]);
    const double = {
      image_processor_type: type,
      rescale_factor: 0.00784313725,
      do_normalize: false,
    };
    assert.deepEqual(read(double).std, [0.5, 0.5, 0.5]);
  });
});

describe("toHuggingFacePreprocessor", () => {
  it("is read back as the same preprocessing, for every preset", () => {
    const squash = { ...evaluationPreset("siglip", 96), interpolation: "bilinear" as const };
    const names = ["siglip", "siglip2", "align", "lit", "big-vision", "clipa", "imagenet"] as const;
    const fill: [number, number, number] = [1, 2, 3];
    const longest = { ...clip, resizeMode: "longest", fill } as const;
    const presets = names.map((name) => evaluationPreset(name, 289));
    for (const transform of [clip, squash, longest, ...presets]) {
      const json = JSON.parse(toHuggingFacePreprocessor(transform)) as JsonObject;
      assert.deepEqual(read(json), transform);
    }
  });
  it("names a processor of transformers only where that gives the pixels", () => {
    const named = (transform: EvaluationTransform): unknown =>
      (JSON.parse(toHuggingFacePreprocessor(transform)) as JsonObject)["image_processor_type"];
    assert.equal(named(clip), "CLIPImageProcessor");
    assert.equal(named(evaluationPreset("align", 289)), "EfficientNetImageProcessor");
    assert.equal(named(evaluationPreset("siglip2", 256)), "SiglipImageProcessor");
    assert.equal(named({ ...clip, resampler: "torchvision" }), "CLIPImageProcessorFast");
    assert.equal(named(evaluationPreset("lit", 224)), "LimnImageProcessor");
  });
});

describe("fromHuggingFaceNaflex", () => {
  const naflex = { image_processor_type: "Siglip2ImageProcessor" };
  const cases: [JsonObject, RegExp][] = [
    [{ image_processor_type: type }, /Siglip2ImageProcessor for image_processor_type/],
    [{ ...naflex, patch_size: 0 }, /integer from 1 .* for patch_size/],
    [{ ...naflex, max_num_patches: "256" }, /for max_num_patches/],
    [{ ...naflex, resample: 5 }, /for resample/],
    [{ ...naflex, do_resize: false }, /true for do_resize/],
  ];
  for (const [json, message] of cases) {
    it(`refuses ${JSON.stringify(json)}`, () =>
      refuses(() => fromHuggingFaceNaflex(file, json), message));
  }
  it("has the published models' defaults", () => {
    assert.deepEqual(fromHuggingFaceNaflex(file, naflex), naflexPreset());
    assert.ok(isNaflexPreprocessor({ image_processor_type: "Siglip2ImageProcessorFast" }));
    assert.ok(!isNaflexPreprocessor({ image_processor_type: type }));
  });
});

describe("fromOpenClipPreprocess", () => {
  const cases: [JsonObject, RegExp][] = [
    [{ interpolation: "lanczos" }, /"bilinear" or "random" for interpolation .* "lanczos"/],
    [{ resize_mode: "fit" }, /"longest" or "squash" for resize_mode/],
    [{ mode: "L" }, /"RGB" for mode/],
    [{ size: [224, 200] }, /for size/],
    [{ fill_color: 256 }, /0 to 255 for fill_color/],
    [{ mean: [0.5] }, /for mean/],
    [{ std: 0 }, /for std/],
    [{ crop_pct: 0.9 }, /nothing \(the keys are size, .*\) for crop_pct/],
    [{ preprocess_cfg: { resize_mode: 1 } }, /for preprocess_cfg\.resize_mode/],
    [{ preprocess_cfg: [] }, /an object for preprocess_cfg/],
    [
      { limn_transform: 1 },
      /cropRounding, transparency, resampler, colorConversion for limn_transform/,
    ],
    [{ limn_transform: { imageSize: 9 } }, /an object of .* for limn_transform/],
    [{ limn_transform: { cropRounding: "up" } }, /limn_transform\.cropRounding .* It stands in /],
  ];
  for (const [json, message] of cases) {
    it(`refuses ${JSON.stringify(json)}`, () =>
      refuses(() => fromOpenClipPreprocess(file, json), message));
  }
  it("fills in open_clip's defaults, and the model's image size", () => {
    const last = { colorConversion: "afterResize" };
    assert.deepEqual(fromOpenClipPreprocess(file, {}), { ...clip, ...last });
    assert.deepEqual(fromOpenClipPreprocess(file, { model_cfg: {} }), { ...clip, ...last });
    const given = { preprocess_cfg: { size: 224, mean: null } };
    const sized = fromOpenClipPreprocess(file, given, { imageSize: 336 });
    assert.deepEqual(sized, { ...evaluationPreset("clip", 336), ...last });
  });
  it("is written only where open_clip has words for it", () => {
    const wrong: [Partial<EvaluationTransform>, RegExp][] = [
      [{ resizeSize: 256 }, /224 for resizeSize/],
      [{ resampler: "tensorflow" }, /"pillow" for resampler/],
      [{ interpolation: "lanczos" }, /for interpolation/],
      [{ resizeMode: "longest", fill: [1, 2, 3] }, /one level for all channels for fill/],
    ];
    for (const [change, message] of wrong) {
      refuses(() => toOpenClipPreprocess(file, { ...clip, ...change }), message);
    }
  });
  it("keeps for limn what open_clip has no words for and differs by a pixel's place or a level", () => {
    const small = {
      cropRounding: "down",
      transparency: "white",
      resampler: "torchvision",
    } as const;
    const json = toOpenClipPreprocess(file, { ...clip, ...small });
    assert.deepEqual(json["limn_transform"], { ...small, colorConversion: "beforeResize" });
    assert.deepEqual(fromOpenClipPreprocess(file, json), { ...clip, ...small });
    const theirs: EvaluationTransform = { ...clip, colorConversion: "afterResize" };
    assert.ok(!("limn_transform" in toOpenClipPreprocess(file, theirs)));
  });
});

describe("fromTimmPretrainedConfig", () => {
  const cases: [JsonObject, RegExp][] = [
    [{ input_size: [1, 224, 224] }, /\[3, S, S\] for input_size/],
    [{ input_size: [3, 224, 200] }, /for input_size/],
    [{ interpolation: "nearest" }, /for interpolation .* "nearest"/],
    [{ crop_mode: "random" }, /"center", "squash" or "border" for crop_mode/],
    [{ crop_pct: 1.1 }, /at most 1 for crop_pct/],
    [{ mean: [0, 0, 2], crop_mode: "border" }, /for mean/],
    [{ pretrained_cfg: { crop_pct: "1" } }, /for pretrained_cfg\.crop_pct/],
  ];
  for (const [json, message] of cases) {
    it(`refuses ${JSON.stringify(json)}`, () =>
      refuses(() => fromTimmPretrainedConfig(file, json), message));
  }
  it("fills in timm's defaults", () => {
    assert.deepEqual(fromTimmPretrainedConfig(file, {}), evaluationPreset("imagenet", 224));
  });
});
