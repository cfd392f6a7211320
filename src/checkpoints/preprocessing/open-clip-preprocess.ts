/**
 * `preprocess_cfg` of an `open_clip_config.json`, both ways, with the defaults of open_clip 3.3
 * (`PreprocessCfg` and `image_transform` of transform.py). A picture is resized in its own mode and then
 * becomes RGB; open_clip's loaders of shards convert first, as training here does.
 *
 * What such a file cannot say, a pixel's place or a level, travels in it under `limn_transform`, which
 * open_clip ignores: pictures of a model of transformers differ by as much where open_clip reads it.
 */
import {
  convertsLast,
  evaluationPreset,
  parseEvaluationTransform,
  type EvaluationTransform,
} from "../../data/image/evaluation-transform.ts";
import { CheckpointError, SettingError } from "../../errors.ts";
import { isJsonObject, JsonFields, type JsonObject } from "../../files/json-fields.ts";
import { readChannels } from "./processor-fields.ts";

const resizeModes = ["shortest", "longest", "squash"] as const;
const keys = ["size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"];
const ownKey = "limn_transform";
/** What open_clip does, where limn may do otherwise in a file that open_clip reads. */
const theirs = {
  cropRounding: "halfEven",
  transparency: "drop",
  resampler: "pillow",
  colorConversion: "afterResize",
} as const;

/** What limn does where a transform does not say it. */
const absent = { ...theirs, colorConversion: "beforeResize" } as const;

interface OpenClipPreprocessOptions {
  /** The model's `image_size`, which open_clip puts in place of the file's `size`. */
  imageSize?: number;
}

/**
 * limn's preprocessing from a parsed `open_clip_config.json`, or from its `preprocess_cfg` alone.
 *
 * file    where it came from, for messages
 * throws  CheckpointError naming the file and the field that limn would not follow
 */
export function fromOpenClipPreprocess(
  file: string,
  json: JsonObject,
  { imageSize }: OpenClipPreprocessOptions = {},
): EvaluationTransform {
  const nested = json["preprocess_cfg"];
  const whole = isJsonObject(json["model_cfg"]) || nested !== undefined;
  if (nested !== undefined && nested !== null && !isJsonObject(nested)) {
    new JsonFields(file, "", json).fail("preprocess_cfg", "an object");
  }
  const values = whole ? ((nested ?? {}) as JsonObject) : json;
  const fields = new JsonFields(file, whole ? "preprocess_cfg." : "", values);
  const unknown = Object.keys(values).find((key) => key !== ownKey && !keys.includes(key));
  if (unknown !== undefined)
    fields.unsupported(unknown, `nothing (the keys are ${keys.join(", ")})`);
  if ((fields.raw("mode") ?? "RGB") !== "RGB") fields.unsupported("mode", '"RGB"');
  const { mean, std } = evaluationPreset("clip", 224);
  const resizeMode = readResizeMode(fields);
  const fill = readFill(fields, resizeMode);
  return withOwn(file, fields, {
    imageSize: imageSize ?? fields.side("size", 224),
    resizeMode,
    interpolation: readInterpolation(fields),
    crop: resizeMode === "squash" ? "none" : "center",
    ...(fill === undefined ? {} : { fill }),
    mean: readChannels(fields, "mean", { fallback: mean, above: -Infinity }),
    std: readChannels(fields, "std", { fallback: std, above: 0 }),
  });
}

/** With what the file says for limn alone. */
function withOwn(
  file: string,
  fields: JsonFields,
  transform: EvaluationTransform,
): EvaluationTransform {
  const own = fields.raw(ownKey) ?? {};
  const names = Object.keys(theirs);
  if (!isJsonObject(own) || Object.keys(own).some((name) => !names.includes(name))) {
    return fields.fail(ownKey, `an object of ${names.join(", ")}`);
  }
  try {
    const whole: EvaluationTransform = { ...transform, ...own };
    const colorConversion =
      whole.colorConversion ?? (convertsLast(whole) ? theirs.colorConversion : undefined);
    const { colorConversion: _, ...rest } = whole;
    return parseEvaluationTransform(
      colorConversion === "afterResize" ? { ...rest, colorConversion } : rest,
      ownKey,
    );
  } catch (cause) {
    if (!(cause instanceof SettingError)) throw cause;
    throw new CheckpointError(file, `${cause.message} It stands in ${file}.`, { cause });
  }
}

function readResizeMode(fields: JsonFields): (typeof resizeModes)[number] {
  const value = fields.raw("resize_mode") ?? "shortest";
  const found = resizeModes.find((mode) => mode === value);
  return found ?? fields.fail("resize_mode", '"shortest", "longest" or "squash"');
}

/** open_clip takes `random`, a training augmentation, for bicubic where it evaluates. */
function readInterpolation(fields: JsonFields): "bicubic" | "bilinear" {
  const value = fields.raw("interpolation") ?? "bicubic";
  if (value === "bilinear") return "bilinear";
  if (value === "bicubic" || value === "random") return "bicubic";
  return fields.fail("interpolation", '"bicubic", "bilinear" or "random"');
}

/** One level for all channels; open_clip looks at it with `longest` only. */
function readFill(fields: JsonFields, resizeMode: string): [number, number, number] | undefined {
  const level = fields.integer("fill_color", 0, { least: 0, most: 255 });
  return resizeMode === "longest" && level !== 0 ? [level, level, level] : undefined;
}

/**
 * The `preprocess_cfg` that open_clip reads back as the same preprocessing, but for where a crop is
 * half a pixel off, for hidden colours, and for how a resize rounds; limn reads these back too.
 *
 * throws  CheckpointError naming the field of the transform that open_clip has no word for
 */
export function toOpenClipPreprocess(file: string, transform: EvaluationTransform): JsonObject {
  const { imageSize, resizeMode, crop, fill = [0, 0, 0] } = transform;
  const refuse = (key: keyof EvaluationTransform, what: string): never => {
    throw new CheckpointError(
      file,
      `Expected ${what} for ${key} of a transform that ${file} can hold but received ` +
        `${JSON.stringify(transform[key])}; save the model in another layout`,
    );
  };
  if ((transform.resizeSize ?? imageSize) !== imageSize) refuse("resizeSize", `${imageSize}`);
  if (resizeMode === "squash" && crop === "center" && transform.cropRounding !== undefined) {
    refuse("crop", '"none"');
  }
  if (transform.resampler === "tensorflow") refuse("resampler", '"pillow"');
  if (transform.interpolation === "lanczos") refuse("interpolation", '"bicubic" or "bilinear"');
  if (fill.some((level) => level !== fill[0])) refuse("fill", "one level for all channels");
  const own = Object.entries(theirs).flatMap(([key, value]): [string, string][] => {
    const ours = transform[key as keyof typeof theirs] ?? absent[key as keyof typeof theirs];
    return ours === value ? [] : [[key, ours]];
  });
  return {
    size: imageSize,
    mode: "RGB",
    mean: transform.mean,
    std: transform.std,
    interpolation: transform.interpolation,
    resize_mode: resizeMode,
    fill_color: fill[0],
    ...(own.length > 0 ? { [ownKey]: Object.fromEntries(own) } : {}),
  };
}
