/**
 * `preprocessor_config.json` of Hugging Face's `CLIPImageProcessor`, both ways, with the defaults of
 * transformers (image_processing_clip.py, 5.23).
 */
import { CheckpointError } from "../errors.ts";
import { evaluationPreset, type EvaluationTransform } from "../data/image/evaluation-transform.ts";
import { isJsonObject, JsonFields, type JsonObject } from "./json-fields.ts";
import { pythonJson } from "./python-json.ts";

/** Pillow's numbers of its filters. */
const filters: Record<EvaluationTransform["interpolation"], number> = { bilinear: 2, bicubic: 3 };

/** The processor's names: those of transformers 5, of version 4's fast one, and of its first years. */
const processors: readonly string[] = [
  "CLIPImageProcessor",
  "CLIPImageProcessorPil",
  "CLIPImageProcessorFast",
  "CLIPFeatureExtractor",
];

/** The text of a `preprocessor_config.json` that `CLIPImageProcessor` reads back as the same preprocessing. */
export function toHuggingFacePreprocessor(transform: EvaluationTransform): string {
  const { imageSize, resizeMode, interpolation, mean, std } = transform;
  const square = { height: imageSize, width: imageSize };
  return pythonJson({
    image_processor_type: "CLIPImageProcessor",
    do_convert_rgb: true,
    do_resize: true,
    size: resizeMode === "squash" ? square : { shortest_edge: imageSize },
    resample: filters[interpolation],
    do_center_crop: resizeMode === "shortest",
    crop_size: square,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  });
}

/**
 * limn's preprocessing from a parsed `preprocessor_config.json` (sizes as numbers, in old files, or
 * as objects) or `processor_config.json`, which holds it as `image_processor`.
 *
 * file    where it came from, for messages
 * throws  CheckpointError naming the file and the field that limn would not follow
 */
export function fromHuggingFacePreprocessor(file: string, json: JsonObject): EvaluationTransform {
  const nested = json["image_processor"];
  const [path, values] = isJsonObject(nested) ? ["image_processor.", nested] : ["", json];
  const fields = new JsonFields(file, path, values);
  checkProcessor(file, values);
  if (!fields.boolean("do_resize", true)) fields.fail("do_resize", "true");
  if (!fields.boolean("do_rescale", true)) fields.fail("do_rescale", "true");
  if (Math.abs(fields.number("rescale_factor", 1 / 255) * 255 - 1) > 1e-6) {
    fields.fail("rescale_factor", "1/255");
  }
  const clip = evaluationPreset("clip", 224);
  const normalize = fields.boolean("do_normalize", true);
  return {
    ...readSizes(fields),
    interpolation: readFilter(fields),
    mean: normalize ? fields.channels("image_mean", clip.mean) : [0, 0, 0],
    std: normalize ? fields.channels("image_std", clip.std) : [1, 1, 1],
  };
}

function checkProcessor(file: string, values: JsonObject): void {
  const name = values["image_processor_type"] ?? values["feature_extractor_type"];
  if (name === undefined || (typeof name === "string" && processors.includes(name))) return;
  throw new CheckpointError(
    file,
    `Expected ${processors.join(", ")} for image_processor_type in ${file} but received ` +
      `${JSON.stringify(name)}; give the folder of a CLIPModel`,
  );
}

function readSizes(
  fields: JsonFields,
): Pick<EvaluationTransform, "imageSize" | "resizeMode" | "crop"> {
  const size = readSize(fields, "size");
  const crop = fields.boolean("do_center_crop", true) ? readSize(fields, "crop_size") : undefined;
  if (crop !== undefined && crop.side !== size.side) {
    fields.fail("crop_size", `the size of the resized image, ${size.side}`);
  }
  if (!size.shortest) return { imageSize: size.side, resizeMode: "squash", crop: "none" };
  if (crop === undefined) fields.fail("do_center_crop", "true where size is shortest_edge");
  return { imageSize: size.side, resizeMode: "shortest", crop: "center" };
}

/** A number means the shortest edge, as it does in `CLIPImageProcessor`. */
function readSize(fields: JsonFields, key: string): { side: number; shortest: boolean } {
  const value = fields.raw(key) ?? 224;
  const {
    shortest_edge: edge,
    height,
    width,
  } = isJsonObject(value) ? value : { shortest_edge: value, height: undefined, width: undefined };
  const side = edge ?? height;
  const known = edge !== undefined ? height === undefined && width === undefined : height === width;
  if (known && Number.isSafeInteger(side) && Number(side) > 0) {
    return { side: Number(side), shortest: edge !== undefined };
  }
  return fields.fail(key, "a number, {shortest_edge} or {height, width} of equal numbers");
}

function readFilter(fields: JsonFields): EvaluationTransform["interpolation"] {
  const value = fields.raw("resample") ?? filters.bicubic;
  if (value === filters.bicubic) return "bicubic";
  if (value === filters.bilinear) return "bilinear";
  return fields.fail("resample", "3 (bicubic) or 2 (bilinear)");
}
