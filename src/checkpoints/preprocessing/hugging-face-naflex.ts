/** `preprocessor_config.json` of `Siglip2ImageProcessor` (transformers 5.23), both ways. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import { type NaflexTransform, parseNaflexTransform } from "../../data/image/naflex-transform.ts";
import { JsonFields, type JsonObject, pythonJson } from "../../files/json-fields.ts";
import { processorValues } from "./processor-file.ts";
import { filters, isFast, naflexProcessor, processorClass } from "./processor-classes.ts";
import { checkSwitches, readFilter, readNormalization } from "./processor-fields.ts";

/** True for a file of `Siglip2ImageProcessor`, whatever computes it. */
export function isNaflexPreprocessor(json: JsonObject): boolean {
  const name = processorValues(json).values["image_processor_type"];
  return typeof name === "string" && processorClass(name) === naflexProcessor;
}

/**
 * limn's preprocessing from a parsed `preprocessor_config.json` or `processor_config.json`.
 *
 * file    where it came from, for messages
 * throws  CheckpointError naming the file and the field that limn would not follow
 */
export function fromHuggingFaceNaflex(file: string, json: JsonObject): NaflexTransform {
  const { path, values } = processorValues(json);
  const fields = new JsonFields(file, path, values);
  if (!isNaflexPreprocessor(json)) fields.fail("image_processor_type", naflexProcessor);
  checkSwitches(fields);
  const half = [0.5, 0.5, 0.5];
  return parseNaflexTransform({
    kind: "naflex",
    patchSize: fields.integer("patch_size", 16),
    maxPatches: fields.integer("max_num_patches", 256),
    interpolation: readFilter(fields, filters.bilinear),
    ...(isFast(String(values["image_processor_type"])) ? { resampler: "torchvision" } : {}),
    ...(fields.boolean("do_convert_rgb", false) ? { transparency: "white" } : {}),
    ...readNormalization(fields, { mean: half, std: half }),
  });
}

/** Squares of `imageSize` pixels, for what takes batches of pixels: SigLIP 2 at a fixed resolution. */
export function squareTransform(
  transform: NaflexTransform,
  imageSize: number,
): EvaluationTransform {
  const { interpolation, mean, std, resampler, transparency } = transform;
  return {
    imageSize,
    resizeMode: "squash",
    interpolation,
    crop: "none",
    ...(resampler === undefined ? {} : { resampler }),
    ...(transparency === undefined ? {} : { transparency }),
    mean,
    std,
  };
}

/** As many patches as the squares have that the model was trained on. */
export function patchTransform(
  { imageSize, interpolation, mean, std, resampler, transparency }: EvaluationTransform,
  patchSize: number,
): NaflexTransform {
  return parseNaflexTransform({
    kind: "naflex",
    patchSize,
    maxPatches: (imageSize / patchSize) ** 2,
    interpolation,
    // TensorFlow's resizing has no processor of patches.
    ...(resampler === undefined || resampler === "tensorflow" ? {} : { resampler }),
    ...(transparency === undefined ? {} : { transparency }),
    mean,
    std,
  });
}

/** The text of a `preprocessor_config.json` that `Siglip2ImageProcessor` reads back as the same. */
export function toHuggingFaceNaflex(transform: NaflexTransform): string {
  const { patchSize, maxPatches, interpolation, transparency, mean, std } = transform;
  const fast = transform.resampler === "torchvision" ? "Fast" : "";
  return pythonJson({
    image_processor_type: `${naflexProcessor}${fast}`,
    do_convert_rgb: transparency === "white",
    do_resize: true,
    resample: filters[interpolation],
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
    patch_size: patchSize,
    max_num_patches: maxPatches,
  });
}
