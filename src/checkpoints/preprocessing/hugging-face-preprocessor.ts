/**
 * `preprocessor_config.json` of Hugging Face's image processors, both ways: CLIP's, SigLIP's,
 * EfficientNet's (which ALIGN uses) and ViT's, with the defaults of transformers 5.23.
 *
 * A name that ends in `Fast` means torchvision's pixels, any other Pillow's: so the names meant when
 * nearly all published files were written. Version 5 computes both by torchvision unless told
 * otherwise; for its pixels set `resampler`.
 *
 * What such a file cannot say travels beside it under `limn_transform`, which transformers ignores.
 */
import {
  type EvaluationTransform,
  parseEvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import { CheckpointError, SettingError } from "../../errors.ts";
import { isJsonObject, JsonFields, type JsonObject, pythonJson } from "../../files/json-fields.ts";
import {
  filters,
  type HuggingFaceProcessor,
  isFast,
  isProcessor,
  naflexProcessor,
  processorClass,
  type ProcessorDefaults,
  processors,
} from "./processor-classes.ts";
import { processorValues } from "./processor-file.ts";
import {
  checkSwitches,
  readFilter,
  readNormalization,
  readSize,
  readSwitch,
} from "./processor-fields.ts";

/** Named in a file whose pixels no processor of transformers gives, so that none is taken for it. */
const ownProcessor = "LimnImageProcessor";
const ownKey = "limn_transform";
/** What may differ from transformers in a file that still names its processor. */
const smallKeys: readonly string[] = ["cropRounding", "transparency", "colorConversion"];

/**
 * The text of a `preprocessor_config.json` that the family's processor reads back as the same
 * preprocessing. Where limn cuts half a pixel elsewhere or keeps hidden colours, the file says so
 * for limn; where transformers has nothing alike, it names limn's own processor.
 *
 * processor   Default: CLIP's for a shortest side, ALIGN's for a cropped square, SigLIP's for a whole
 *             one to [-1, 1], else ViT's; transformers computes the same by each
 */
export function toHuggingFacePreprocessor(
  transform: EvaluationTransform,
  {
    processor = processorOf(withoutDefaults(transform)),
  }: { processor?: HuggingFaceProcessor } = {},
): string {
  const whole = withoutDefaults(transform);
  if (transform.resampler === "tensorflow" || transform.resizeMode === "longest") {
    return pythonJson({ image_processor_type: ownProcessor, [ownKey]: whole });
  }
  const json = processorJson(whole, processor);
  const read = readProcessor("preprocessor_config.json", "", json);
  const differing = smallKeys.flatMap((key) => {
    const [ours, theirs] = [effective(whole, key), effective(read, key)];
    return ours === theirs ? [] : [[key, ours] as const];
  });
  const own = differing.length > 0 ? { [ownKey]: Object.fromEntries(differing) } : {};
  return pythonJson({ ...json, ...own });
}

/** The family whose published files are alike. */
function processorOf(transform: EvaluationTransform): HuggingFaceProcessor {
  const { resizeMode, crop, transparency = "drop", mean, std } = transform;
  if (resizeMode === "shortest") return "CLIPImageProcessor";
  if (crop === "center") return "EfficientNetImageProcessor";
  if (transparency === "white" || isHalf(mean, std)) return "SiglipImageProcessor";
  return "ViTImageProcessor";
}

function isHalf(mean: readonly number[], std: readonly number[]): boolean {
  return [...mean, ...std].every((value) => value === 0.5);
}

function processorJson(
  transform: EvaluationTransform,
  processor: HuggingFaceProcessor,
): JsonObject {
  const { imageSize, resizeSize = imageSize, resizeMode, resampler, crop, mean, std } = transform;
  const { efficientNet, convertRgb: convertsRgb }: ProcessorDefaults = processors[processor];
  const convertRgb = convertsRgb || transform.transparency === "white";
  const square = (side: number): JsonObject => ({ height: side, width: side });
  const offset = efficientNet === true && isHalf(mean, std);
  return {
    image_processor_type: `${processor}${resampler === "torchvision" ? "Fast" : ""}`,
    ...(convertRgb ? { do_convert_rgb: true } : {}),
    do_resize: true,
    size: resizeMode === "squash" ? square(resizeSize) : { shortest_edge: resizeSize },
    resample: filters[transform.interpolation],
    do_center_crop: crop === "center",
    ...(crop === "center" || processor === "CLIPImageProcessor"
      ? { crop_size: square(imageSize) }
      : {}),
    do_rescale: true,
    rescale_factor: offset ? 1 / 127.5 : 1 / 255,
    ...(efficientNet ? { rescale_offset: offset, include_top: false } : {}),
    do_normalize: !offset,
    image_mean: mean,
    image_std: std,
  };
}

/** What a field means where it is absent. */
function effective(transform: EvaluationTransform, key: string): unknown {
  const defaults: JsonObject = {
    ...{ cropRounding: "halfEven", transparency: "drop", colorConversion: "beforeResize" },
  };
  return (transform as unknown as JsonObject)[key] ?? defaults[key];
}

/** Without what means the same when absent, and without a crop that cuts nothing. */
function withoutDefaults(transform: EvaluationTransform): EvaluationTransform {
  const { imageSize, resizeSize = imageSize, resizeMode, cropRounding } = transform;
  const uncut = resizeMode === "squash" && resizeSize === imageSize;
  const absent: JsonObject = {
    ...{ resizeSize: imageSize, resampler: "pillow", transparency: "drop" },
    colorConversion: "beforeResize",
    cropRounding: uncut ? cropRounding : "halfEven",
  };
  const whole = uncut ? { ...transform, crop: "none" } : transform;
  const kept = Object.entries(whole).filter(([key, value]) => absent[key] !== value);
  return Object.fromEntries(kept) as unknown as EvaluationTransform;
}

/**
 * limn's preprocessing from a parsed `preprocessor_config.json` (sizes as numbers, in old files, or
 * as objects) or `processor_config.json`, which holds it as `image_processor`.
 *
 * file    where it came from, for messages
 * throws  CheckpointError naming the file and the field that limn would not follow
 */
export function fromHuggingFacePreprocessor(file: string, json: JsonObject): EvaluationTransform {
  const { path, values } = processorValues(json);
  const own = values[ownKey];
  if (own !== undefined && !isJsonObject(own)) {
    new JsonFields(file, path, values).fail(ownKey, "an object");
  }
  const read =
    values["image_processor_type"] === ownProcessor ? {} : readProcessor(file, path, values);
  try {
    return withoutDefaults(
      parseEvaluationTransform({ ...read, ...(own as object | undefined) }, `${path}${ownKey}`),
    );
  } catch (cause) {
    if (!(cause instanceof SettingError)) throw cause;
    throw new CheckpointError(file, `${cause.message} It stands in ${file}.`, { cause });
  }
}

function readProcessor(file: string, path: string, values: JsonObject): EvaluationTransform {
  const fields = new JsonFields(file, path, values);
  const { name, fast } = readName(file, path, values);
  const defaults: ProcessorDefaults = processors[name];
  checkSwitches(fields);
  const white = fields.boolean("do_convert_rgb", defaults.convertRgb);
  return {
    ...readSizes(fields, defaults),
    interpolation: readFilter(fields, defaults.resample),
    ...(fast ? { resampler: "torchvision" } : {}),
    ...(white ? { transparency: "white" } : {}),
    ...readNormalization(fields, defaults),
  };
}

function readName(
  file: string,
  path: string,
  values: JsonObject,
): { name: HuggingFaceProcessor; fast: boolean } {
  const name = values["image_processor_type"] ?? values["feature_extractor_type"];
  const known = typeof name === "string" ? processorClass(name) : "";
  if (isProcessor(known)) return { name: known, fast: isFast(String(name)) };
  const cure =
    known === naflexProcessor
      ? "its pictures have sizes of their own: load the model as a NaFlex one"
      : "give the folder of a CLIP, SigLIP, ALIGN or ViT model, with the file that came with it";
  throw new CheckpointError(
    file,
    `Expected ${Object.keys(processors).join(", ")} for ${path}image_processor_type in ${file} but ` +
      `received ${JSON.stringify(name) ?? "nothing"}; ${cure}`,
  );
}

type Sizes = Pick<
  EvaluationTransform,
  "imageSize" | "resizeMode" | "resizeSize" | "crop" | "cropRounding"
>;

function readSizes(fields: JsonFields, defaults: ProcessorDefaults): Sizes {
  const squareNumbers = fields.boolean("default_to_square", defaults.squareNumbers);
  const size = readSize(fields, "size", { fallback: defaults.size, squareNumbers });
  const resizeMode = size.shortest ? "shortest" : "squash";
  if (!readSwitch(fields, "do_center_crop", defaults.centerCrop)) {
    if (size.shortest) fields.unsupported("do_center_crop", "true where size is shortest_edge");
    return { imageSize: size.side, resizeMode, crop: "none" };
  }
  const crop = readSize(fields, "crop_size", {
    fallback: defaults.cropSize,
    squareNumbers: true,
  });
  if (crop.shortest)
    fields.unsupported("crop_size", "a number or {height, width} of equal numbers");
  if (crop.side > size.side) {
    fields.unsupported("crop_size", `at most the size of the resized image, ${size.side},`);
  }
  const larger = crop.side === size.side ? {} : { resizeSize: size.side };
  if (!size.shortest && crop.side === size.side) {
    return { imageSize: size.side, resizeMode, crop: "none" };
  }
  return { imageSize: crop.side, resizeMode, ...larger, crop: "center", cropRounding: "down" };
}
