/** The geometry of an evaluation transform: how large to resize, by which resampler, what to cut. */
import { centerRegion, cropOrPad, longestSideSize, shortestSideSize } from "../crop.ts";
import type { RgbImage } from "../decode/decode.ts";
import type { EvaluationTransform } from "../evaluation-transform.ts";
import { type Region, resizeImage } from "./resize.ts";
import { resizeAsTensorFlow, shortestSideAsTensorFlow } from "./resize-tensorflow.ts";

/** The resized and cropped image, [S, S, 3]. Columns and rows that the crop drops are not computed. */
export function resizeForEvaluation(image: RgbImage, transform: EvaluationTransform): RgbImage {
  const { imageSize, resizeMode, crop, cropRounding = "halfEven" } = transform;
  const full = resizedSize(image, transform);
  if (crop === "none") return resample(image, full, transform);
  if (resizeMode === "longest") {
    return cropOrPad(resample(image, full, transform), imageSize, transform.fill);
  }
  const window = centerRegion(full.width, full.height, imageSize, cropRounding);
  return resample(image, { ...full, window }, transform);
}

interface Size {
  width: number;
  height: number;
}

function resizedSize({ width, height }: Size, transform: EvaluationTransform): Size {
  const { resizeMode, imageSize, resizeSize = imageSize, resampler } = transform;
  if (resizeMode === "squash") return { width: resizeSize, height: resizeSize };
  if (resizeMode === "longest") return longestSideSize(width, height, resizeSize);
  const shortest = resampler === "tensorflow" ? shortestSideAsTensorFlow : shortestSideSize;
  return shortest(width, height, resizeSize);
}

function resample(
  image: RgbImage,
  size: Size & { window?: Region },
  { interpolation, resampler = "pillow" }: EvaluationTransform,
): RgbImage {
  if (resampler !== "tensorflow") return resizeImage(image, { ...size, interpolation, resampler });
  if (interpolation === "lanczos") {
    throw new RangeError(
      `Expected "bicubic" or "bilinear" for interpolation but received "lanczos".`,
    );
  }
  return resizeAsTensorFlow(image, { ...size, interpolation });
}
