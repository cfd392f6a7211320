/**
 * Preprocessing for evaluation: decode, resize, crop, to the pixel what the references give. The
 * description is plain JSON that travels with a model.
 */
import { SettingError, ShapeError } from "../../errors.ts";
import {
  centerRegion,
  cropOrPad,
  type CropRounding,
  longestSideSize,
  shortestSideSize,
  writePlanes,
} from "./crop.ts";
import { decodeImage, type DecodeOptions, type RgbImage } from "./decode/decode.ts";
import { decodeStored, paddingOf, type StoredPicture } from "./decode/stored.ts";
import {
  type EvaluationPreset,
  type Normalization,
  presetFields,
  PRESETS,
} from "./evaluation-presets.ts";
import {
  bytes3,
  checkFields,
  type FieldChecks,
  oneOf,
  positiveInteger,
  problem,
  vector3,
} from "./field-checks.ts";
import { resizeAsTensorFlow, shortestSideAsTensorFlow } from "./resize/resize-tensorflow.ts";
import { resizeStored } from "./resize/resize-stored.ts";
import { type Interpolation, type Region, resizeImage } from "./resize/resize.ts";

export { type EvaluationPreset, NORMALIZATIONS } from "./evaluation-presets.ts";

export interface EvaluationTransform {
  /** side S of the square result, pixels */
  imageSize: number;
  /**
   * What resizing makes R: `shortest`: the shorter side, aspect ratio kept; `squash`: both sides;
   * `longest`: the longer side, aspect ratio kept, the rest filled.
   */
  resizeMode: "shortest" | "squash" | "longest";
  /** R, pixels, at least S. Default: S */
  resizeSize?: number;
  interpolation: Interpolation;
  /**
   * `pillow`, `torchvision` (its tensors on CPUs): antialiased; they differ by a level, by more in
   * pictures that shrink in height more than in width. `tensorflow`: without antialiasing, as
   * `tf.image.resize`, which big_vision and LiT were trained with. Default: `pillow`
   */
  resampler?: "pillow" | "torchvision" | "tensorflow";
  /** the middle S x S of the resized picture; `none` needs `squash` to S itself */
  crop: "center" | "none";
  /**
   * An offset of half a pixel: to the even neighbour as torchvision, open_clip and timm, or `down`
   * as transformers and big_vision. Default: `halfEven`
   */
  cropRounding?: CropRounding;
  /** with `longest`: red, green and blue of what the picture does not cover. Default: black */
  fill?: [number, number, number];
  /**
   * `drop`: transparent pixels show the colour they hide, as Pillow's `convert("RGB")`; `white`:
   * they are blended onto white, as transformers 5 does. Default: `drop`
   */
  transparency?: "drop" | "white";
  /**
   * When pictures become RGB: `beforeResize`, as transformers, timm and loaders of shards do it;
   * `afterResize`, as `preprocess(Image.open(file))` of OpenAI and open_clip, where pixels of a palette
   * are chosen and not mixed, alpha is a weight, and grey of 16 bits is clipped last. Equal for JPEGs
   * and other pictures in RGB or grey of 8 bits. Default: `beforeResize`
   */
  colorConversion?: "beforeResize" | "afterResize";
  /** per channel, of pixels in [0, 1] */
  mean: [number, number, number];
  /** per channel, of pixels in [0, 1] */
  std: [number, number, number];
}

/** A published family's preprocessing at one image size; fields may be replaced afterwards. */
export function evaluationPreset(name: EvaluationPreset, imageSize: number): EvaluationTransform {
  const fields = presetFields(name, imageSize);
  if (fields === undefined) oneOf(Object.keys(PRESETS))(name, "preset");
  return parseEvaluationTransform(fields);
}

/** The preset that a text names at a size, `clip:224`; undefined for a text of another form. */
export function transformOfPreset(text: string): EvaluationTransform | undefined {
  const [, preset, size] = /^([a-z0-9-]+):(\d+)$/.exec(text) ?? [];
  if (preset === undefined) return undefined;
  return evaluationPreset(preset as EvaluationPreset, Number(size));
}

const FIELDS: FieldChecks = {
  imageSize: positiveInteger,
  resizeMode: oneOf(["shortest", "squash", "longest"]),
  resizeSize: positiveInteger,
  interpolation: oneOf(["bicubic", "bilinear", "lanczos"]),
  resampler: oneOf(["pillow", "torchvision", "tensorflow"]),
  crop: oneOf(["center", "none"]),
  cropRounding: oneOf(["halfEven", "down"]),
  fill: bytes3,
  transparency: oneOf(["drop", "white"]),
  colorConversion: oneOf(["beforeResize", "afterResize"]),
  mean: vector3({ above: -Infinity }),
  std: vector3({ above: 0 }),
};
const REQUIRED = ["imageSize", "resizeMode", "interpolation", "crop", "mean", "std"];

/**
 * A checked copy of a description that came from JSON or a recipe.
 *
 * throws   SettingError whose `path` starts with `path`: an unknown or missing key, a bad value, or
 *          fields that contradict each other
 */
export function parseEvaluationTransform(
  value: unknown,
  path = "evaluationTransform",
): EvaluationTransform {
  const fields = checkFields(value, FIELDS, { path, required: REQUIRED });
  const transform = structuredClone(fields) as unknown as EvaluationTransform;
  checkTogether(transform, path);
  return transform;
}

function checkTogether(transform: EvaluationTransform, path: string): void {
  const { imageSize, resizeMode, resizeSize = imageSize, crop, resampler } = transform;
  if (resizeMode !== "squash" && crop === "none") {
    throw new SettingError(
      `${path}.crop`,
      `Expected "center" for ${path}.crop with resizeMode "${resizeMode}" but received "none"; ` +
        `crop, or set resizeMode to "squash".`,
    );
  }
  const refuse = (key: keyof EvaluationTransform, what: string): never => {
    throw problem(`${path}.${key}`, what, transform[key]);
  };
  if (crop === "none" && resizeSize !== imageSize) {
    refuse("resizeSize", `imageSize, ${imageSize}, with crop "none"`);
  }
  if (resizeSize < imageSize) refuse("resizeSize", `at least imageSize, ${imageSize},`);
  if (resampler === "tensorflow" && transform.interpolation === "lanczos") {
    refuse("interpolation", `"bicubic" or "bilinear" with resampler "tensorflow"`);
  }
  if (resampler === "tensorflow" && resizeMode === "longest") {
    refuse("resampler", `"pillow" or "torchvision" with resizeMode "longest"`);
  }
  if (transform.fill !== undefined && resizeMode !== "longest") {
    refuse("fill", `nothing with resizeMode "${resizeMode}", which fills no border,`);
  }
  if (transform.colorConversion === "afterResize" && !convertsLast(transform)) {
    refuse("colorConversion", '"beforeResize" with another resampler than "pillow", or on white');
  }
  if (transform.cropRounding === "down" && (crop === "none" || resizeMode === "longest")) {
    refuse("cropRounding", `"halfEven" with resizeMode "${resizeMode}" and crop "${crop}"`);
  }
}

/** Whether a transform may convert to RGB last, which only Pillow's images do. */
export function convertsLast({
  resampler = "pillow",
  transparency = "drop",
}: Pick<EvaluationTransform, "resampler" | "transparency">): boolean {
  return resampler === "pillow" && transparency === "drop";
}

/**
 * The transform of a loader that gives RGB, as open_clip's and the reference's loaders of shards and of
 * class folders do: what training and its validation see.
 */
export function convertedFirst({
  colorConversion: _,
  ...transform
}: EvaluationTransform): EvaluationTransform {
  return transform;
}

export interface EvaluationOptions extends DecodeOptions {
  /** Where the pixels go, 3 S S long, for instance a part of shared memory. Default: a new array. */
  out?: Uint8Array;
}

/**
 * Encoded bytes to pixels ready for the model, not yet normalised.
 *
 * returns   [3, S, S] uint8: `options.out`, or a new array
 * throws    as `decodeImage`; ShapeError if `out` has another length
 */
export async function applyEvaluationTransform(
  bytes: Uint8Array,
  transform: EvaluationTransform,
  options: EvaluationOptions = {},
): Promise<Uint8Array> {
  const { out: given, ...decodeOptions } = options;
  const { imageSize, transparency = "drop" } = transform;
  const out = given ?? new Uint8Array(3 * imageSize ** 2);
  checkSlot(out, imageSize);
  if (transform.colorConversion === "afterResize") {
    const stored = await decodeStored(bytes, decodeOptions);
    writePlanes(resizeStoredForEvaluation(stored, transform).data, out);
    return out;
  }
  const image = await decodeImage(bytes, { transparency, ...decodeOptions });
  writePlanes(resizeForEvaluation(image, transform).data, out);
  return out;
}

/** Refuses a slot that is not 3 S S bytes long. */
export function checkSlot(out: Uint8Array, imageSize: number): void {
  const length = 3 * imageSize ** 2;
  if (out.length === length) return;
  throw new ShapeError(
    `Expected out to hold [3, ${imageSize}, ${imageSize}] (${length} bytes) but received ` +
      `${out.length} bytes; pass one image's part of the batch.`,
  );
}

/**
 * Pixels to model input in float32, rounded after every step as torchvision does:
 *
 *     out = (x / 255 - mean) / std        per channel
 *
 * pixels    [N, 3, S, S] or [3, S, S] uint8, planar; `planeSize` is S S
 * returns   float32, the same shape
 * throws    ShapeError if the length is not a multiple of 3 `planeSize`
 */
export function normalizePixels(
  pixels: Uint8Array,
  planeSize: number,
  { mean, std }: Normalization,
): Float32Array {
  if (!(planeSize > 0) || pixels.length % (3 * planeSize) !== 0) {
    throw new ShapeError(
      `Expected pixels to hold whole images of 3 x ${planeSize} bytes but received ${pixels.length}.`,
    );
  }
  const out = new Float32Array(pixels.length);
  const table = new Float32Array(256);
  for (let plane = 0; plane * planeSize < pixels.length; plane++) {
    const [m, s] = [Math.fround(mean[plane % 3] as number), Math.fround(std[plane % 3] as number)];
    for (let x = 0; x < 256; x++) table[x] = Math.fround(Math.fround(x / 255) - m) / s;
    const end = (plane + 1) * planeSize;
    for (let i = plane * planeSize; i < end; i++) {
      out[i] = table[pixels[i] as number] as number;
    }
  }
  return out;
}

/** The resized and cropped image, [S, S, 3]. Columns and rows that the crop drops are not computed. */
export function resizeForEvaluation(image: RgbImage, transform: EvaluationTransform): RgbImage {
  return resizeAndCrop(image, transform, {
    resize: (size) => resample(image, size, transform),
    fill: transform.fill ?? black,
  });
}

/** `resizeForEvaluation` of a picture that becomes RGB after it was resized. */
function resizeStoredForEvaluation(
  stored: StoredPicture,
  transform: EvaluationTransform,
): RgbImage {
  const { interpolation } = transform;
  return resizeAndCrop(stored.image, transform, {
    resize: (size) => resizeStored(stored, { ...size, interpolation }),
    fill: paddingOf(stored, transform.fill ?? black),
  });
}

const black = [0, 0, 0] as const;

interface Resizing {
  resize: (size: Size & { window?: Region }) => RgbImage;
  fill: readonly [number, number, number];
}

function resizeAndCrop(
  original: Size,
  transform: EvaluationTransform,
  { resize, fill }: Resizing,
): RgbImage {
  const { imageSize, resizeMode, crop, cropRounding = "halfEven" } = transform;
  const full = resizedSize(original, transform);
  if (crop === "none") return resize(full);
  if (resizeMode === "longest") return cropOrPad(resize(full), imageSize, fill);
  const window = centerRegion(full.width, full.height, imageSize, cropRounding);
  return resize({ ...full, window });
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
