/**
 * Preprocessing for evaluation: decode, resize, crop, to the pixel what Pillow and torchvision give
 * on an RGB image. The description is plain JSON that travels with a model.
 */
import { RecipeError, ShapeError } from "../../errors.ts";
import { centerRegion, shortestSideSize, writePlanes } from "./crop.ts";
import { type DecodeOptions, decodeImage, type RgbImage } from "./decode.ts";
import { checkFields, type FieldChecks, oneOf, positiveInteger, vector3 } from "./field-checks.ts";
import { type Interpolation, resizeImage } from "./resize.ts";

export interface EvaluationTransform {
  /** side S of the square result, pixels */
  imageSize: number;
  /** `shortest`: the shorter side becomes S, aspect ratio kept; `squash`: both sides become S */
  resizeMode: "shortest" | "squash";
  interpolation: Interpolation;
  /** what is cut from a longer side; `none` needs `squash` */
  crop: "center" | "none";
  /** per channel, of pixels in [0, 1] */
  mean: [number, number, number];
  /** per channel, of pixels in [0, 1] */
  std: [number, number, number];
}

type Normalization = Pick<EvaluationTransform, "mean" | "std">;

/** Channel statistics in use by published models; copies, safe to change. */
export const NORMALIZATIONS: Readonly<
  Record<"clip" | "imagenet" | "half", Readonly<Normalization>>
> = {
  /** CLIP and most models of its family */
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
  /** ImageNet statistics */
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  /** to [-1, 1]: SigLIP */
  half: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
};

const PRESETS = {
  /** CLIP: shorter side to S by bicubic, centre crop. */
  clip: { resizeMode: "shortest", crop: "center", ...NORMALIZATIONS.clip },
  /** SigLIP: both sides to S by bicubic, pixels to [-1, 1]. */
  siglip: { resizeMode: "squash", crop: "none", ...NORMALIZATIONS.half },
} as const;

export type EvaluationPreset = keyof typeof PRESETS;

/** A published family's preprocessing at one image size; fields may be replaced afterwards. */
export function evaluationPreset(name: EvaluationPreset, imageSize: number): EvaluationTransform {
  const preset = (PRESETS as Record<string, (typeof PRESETS)[EvaluationPreset] | undefined>)[name];
  if (!preset) oneOf(Object.keys(PRESETS))(name, "preset");
  const { resizeMode, crop, mean, std } = preset as (typeof PRESETS)[EvaluationPreset];
  return parseEvaluationTransform({
    imageSize,
    resizeMode,
    interpolation: "bicubic",
    crop,
    mean: [...mean],
    std: [...std],
  });
}

const FIELDS: FieldChecks = {
  imageSize: positiveInteger,
  resizeMode: oneOf(["shortest", "squash"]),
  interpolation: oneOf(["bicubic", "bilinear"]),
  crop: oneOf(["center", "none"]),
  mean: vector3({ above: -Infinity }),
  std: vector3({ above: 0 }),
};

/**
 * A checked copy of a description that came from JSON or a recipe; every field is required.
 *
 * throws   RecipeError whose `path` starts with `path`: an unknown or missing key, a bad value, or
 *          `shortest` without a crop, which would not give a square
 */
export function parseEvaluationTransform(
  value: unknown,
  path = "evaluationTransform",
): EvaluationTransform {
  const fields = checkFields(value, FIELDS, { path, required: Object.keys(FIELDS) });
  const transform = structuredClone(fields) as unknown as EvaluationTransform;
  if (transform.resizeMode === "shortest" && transform.crop === "none") {
    throw new RecipeError(
      `${path}.crop`,
      `Expected "center" for ${path}.crop with resizeMode "shortest" but received "none"; crop, or ` +
        `set resizeMode to "squash".`,
    );
  }
  return transform;
}

/** The resized and cropped image, [S, S, 3]. Columns and rows that the crop drops are not computed. */
export function resizeForEvaluation(image: RgbImage, transform: EvaluationTransform): RgbImage {
  const { imageSize: size, interpolation, resizeMode } = transform;
  if (resizeMode === "squash") {
    return resizeImage(image, { width: size, height: size, interpolation });
  }
  const full = shortestSideSize(image.width, image.height, size);
  const window = centerRegion(full.width, full.height, size);
  return resizeImage(image, { ...full, interpolation, window });
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
  const out = given ?? new Uint8Array(3 * transform.imageSize ** 2);
  checkSlot(out, transform.imageSize);
  const image = await decodeImage(bytes, decodeOptions);
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
