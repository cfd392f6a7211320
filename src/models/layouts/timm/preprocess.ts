/** `pretrained_cfg` of timm (data/config.py, data/transforms_factory.py) as a preprocessing. */
import type { EvaluationTransform } from "../../../data/image/evaluation-transform.ts";
import type { StrictFields } from "../strict-fields.ts";

/**
 * Of a whole picture (`crop_pct` 1). timm resizes the shorter side to size / crop_pct and cuts the
 * centre out; `squash` resizes both sides.
 *
 * throws  CheckpointError naming the file and the field
 */
export function fromPretrainedCfg(fields: StrictFields, imageSize: number): EvaluationTransform {
  fields.fixed({
    interpolation: ["bicubic", "bilinear"],
    crop_pct: [1],
    crop_mode: ["center", "squash"],
  });
  const squash = fields.raw("crop_mode") === "squash";
  return {
    imageSize,
    resizeMode: squash ? "squash" : "shortest",
    crop: squash ? "none" : "center",
    interpolation: fields.raw("interpolation") === "bilinear" ? "bilinear" : "bicubic",
    mean: fields.channels("mean", [0.485, 0.456, 0.406]),
    std: fields.channels("std", [0.229, 0.224, 0.225]),
  };
}
