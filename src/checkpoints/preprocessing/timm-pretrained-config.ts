/**
 * The preprocessing of a timm model's `pretrained_cfg` (in the `config.json` that timm writes), as
 * `create_transform(**resolve_data_config(...), is_training=False)` of timm 1.0.31 builds it. Pictures
 * are RGB before they are resized.
 */
import { type EvaluationTransform, NORMALIZATIONS } from "../../data/image/evaluation-transform.ts";
import { roundHalfEven } from "../../data/image/crop.ts";
import { isJsonObject, JsonFields, type JsonObject } from "../../files/json-fields.ts";
import { readChannels } from "./processor-fields.ts";

/** timm's DEFAULT_CROP_PCT */
const defaultCrop = 0.875;

/**
 * limn's preprocessing from a parsed `config.json` of timm's, or from its `pretrained_cfg` alone.
 *
 * file    where it came from, for messages
 * throws  CheckpointError naming the file and the field that limn would not follow
 */
export function fromTimmPretrainedConfig(file: string, json: JsonObject): EvaluationTransform {
  const nested = json["pretrained_cfg"];
  const fields = isJsonObject(nested)
    ? new JsonFields(file, "pretrained_cfg.", nested)
    : new JsonFields(file, "", json);
  const imageSize = readInputSize(fields);
  const { mean: imagenetMean, std: imagenetStd } = NORMALIZATIONS.imagenet;
  const mean = readChannels(fields, "mean", { fallback: imagenetMean, above: -Infinity });
  const std = readChannels(fields, "std", { fallback: imagenetStd, above: 0 });
  const share = fields.raw("crop_pct") === 0 ? defaultCrop : fields.number("crop_pct", defaultCrop);
  if (!(share > 0 && share <= 1)) fields.fail("crop_pct", "a number above 0 and at most 1");
  const resizeSize = Math.floor(imageSize / share);
  const larger = resizeSize === imageSize ? {} : { resizeSize };
  const resizeMode = readMode(fields);
  const whole = resizeMode === "squash" && resizeSize === imageSize;
  const fill = mean.map((value) => roundHalfEven(255 * value)) as [number, number, number];
  if (resizeMode === "longest" && fill.some((level) => level < 0 || level > 255)) {
    fields.unsupported("mean", "numbers from 0 to 1 for the border of crop_mode");
  }
  return {
    imageSize,
    resizeMode,
    ...larger,
    interpolation: readInterpolation(fields),
    crop: whole ? "none" : "center",
    ...(resizeMode === "longest" && fill.some((level) => level > 0) ? { fill } : {}),
    mean,
    std,
  };
}

/** [channels, height, width] */
function readInputSize(fields: JsonFields): number {
  const value = fields.raw("input_size") ?? [3, 224, 224];
  const [channels, height, width] = Array.isArray(value) ? (value as unknown[]) : [];
  const fits =
    channels === 3 && Number.isSafeInteger(height) && Number(height) > 0 && height === width;
  return fits ? Number(height) : fields.unsupported("input_size", "[3, S, S]");
}

function readInterpolation(fields: JsonFields): EvaluationTransform["interpolation"] {
  const value = fields.raw("interpolation") ?? "bicubic";
  if (value === "bicubic" || value === "bilinear" || value === "lanczos") return value;
  return fields.unsupported("interpolation", '"bicubic", "bilinear" or "lanczos"');
}

function readMode(fields: JsonFields): EvaluationTransform["resizeMode"] {
  const value = fields.raw("crop_mode") ?? "center";
  if (value === "center") return "shortest";
  if (value === "squash") return "squash";
  if (value === "border") return "longest";
  return fields.unsupported("crop_mode", '"center", "squash" or "border"');
}
