/** `preprocess_cfg` of open_clip (transform.py, `PreprocessCfg`), both ways. */
import {
  evaluationPreset,
  type EvaluationTransform,
} from "../../../data/image/evaluation-transform.ts";
import type { JsonObject } from "../../json-fields.ts";
import { pythonFloat } from "../../python-json.ts";
import { StrictFields } from "../strict-fields.ts";

/**
 * The preprocessing that open_clip would use. Its pictures have the tower's size, whatever `size` says.
 *
 * throws  CheckpointError naming the file and the field
 */
export function fromPreprocessCfg(
  file: string,
  json: JsonObject,
  imageSize: number,
): EvaluationTransform {
  const fields = new StrictFields(file, "preprocess_cfg.", json);
  fields.only(["size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"]);
  fields.fixed({
    mode: ["RGB"],
    interpolation: ["bicubic", "bilinear"],
    resize_mode: ["shortest", "squash"],
  });
  const { mean, std } = evaluationPreset("clip", imageSize);
  const squash = fields.raw("resize_mode") === "squash";
  return {
    imageSize,
    resizeMode: squash ? "squash" : "shortest",
    crop: squash ? "none" : "center",
    interpolation: fields.raw("interpolation") === "bilinear" ? "bilinear" : "bicubic",
    mean: fields.channels("mean", mean),
    std: fields.channels("std", std),
  };
}

export function toPreprocessCfg(transform: EvaluationTransform): JsonObject {
  const { mean, std, interpolation, resizeMode } = transform;
  const floats = (values: readonly number[]): unknown[] => values.map(pythonFloat);
  return { mean: floats(mean), std: floats(std), interpolation, resize_mode: resizeMode };
}
