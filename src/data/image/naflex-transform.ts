/**
 * Pictures of their own aspect ratio for SigLIP 2's NaFlex models: resized so that their patches
 * are at most so many, cut into rows of patches, padded. Equal to transformers'
 * `Siglip2ImageProcessorPil`; the original is big_vision's `ops_naflex.py`.
 */
import { ShapeError } from "../../errors.ts";
import { decodeImage, type DecodeOptions, type RgbImage } from "./decode/decode.ts";
import { checkFields, type FieldChecks, oneOf, positiveInteger, vector3 } from "./field-checks.ts";
import { type Interpolation, resizeImage } from "./resize/resize.ts";

export interface NaflexTransform {
  kind: "naflex";
  /** side p of a patch, pixels */
  patchSize: number;
  /** rows of patches that every picture gets */
  maxPatches: number;
  interpolation: Interpolation;
  /** As in EvaluationTransform. Default: `pillow` */
  resampler?: "pillow" | "torchvision";
  /** As in EvaluationTransform. Default: `drop` */
  transparency?: "drop" | "white";
  /** per channel, of pixels in [0, 1] */
  mean: [number, number, number];
  /** per channel, of pixels in [0, 1] */
  std: [number, number, number];
}

/** A picture as rows of patches, from left to right and top to bottom. */
export interface NaflexPatches {
  /** [maxPatches, p p 3] uint8, each patch as [p, p, 3]; rows from `count` on are padding, 0 */
  patches: Uint8Array;
  /** rows of the grid */
  height: number;
  /** columns of the grid */
  width: number;
  /** height x width: the rows that hold pixels */
  count: number;
}

const FIELDS: FieldChecks = {
  kind: oneOf(["naflex"]),
  patchSize: positiveInteger,
  maxPatches: positiveInteger,
  interpolation: oneOf(["bicubic", "bilinear", "lanczos"]),
  resampler: oneOf(["pillow", "torchvision"]),
  transparency: oneOf(["drop", "white"]),
  mean: vector3({ above: -Infinity }),
  std: vector3({ above: 0 }),
};
const REQUIRED = ["kind", "patchSize", "maxPatches", "interpolation", "mean", "std"];

/** A checked copy of a description from JSON. Throws SettingError whose `path` starts with `path`. */
export function parseNaflexTransform(value: unknown, path = "naflexTransform"): NaflexTransform {
  const fields = checkFields(value, FIELDS, { path, required: REQUIRED });
  return structuredClone(fields) as unknown as NaflexTransform;
}

/** google/siglip2-*-naflex: patches of 16 pixels, bilinear, to [-1, 1]. */
export function naflexPreset(maxPatches = 256): NaflexTransform {
  return parseNaflexTransform({
    kind: "naflex",
    patchSize: 16,
    maxPatches,
    interpolation: "bilinear",
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  });
}

/**
 * The largest size of about the picture's aspect ratio, in whole patches of at least one, whose
 * patches are at most `maxPatches`; by bisection of the scale down to 1e-5, as the references find it.
 *
 * returns   rows and columns of patches
 */
export function naflexGrid(
  { width, height }: { width: number; height: number },
  { patchSize, maxPatches }: Pick<NaflexTransform, "patchSize" | "maxPatches">,
): { width: number; height: number } {
  const precision = 1e-5;
  const patches = (side: number, scale: number): number =>
    Math.max(1, Math.ceil((side * scale) / patchSize));
  let [low, high] = [precision / 10, 100];
  while (high - low >= precision) {
    const scale = (low + high) / 2;
    if (patches(width, scale) * patches(height, scale) <= maxPatches) low = scale;
    else high = scale;
  }
  return { width: patches(width, low), height: patches(height, low) };
}

/** The picture as patches. Throws RangeError where even the smallest grid is too large. */
export function toNaflexPatches(image: RgbImage, transform: NaflexTransform): NaflexPatches {
  const { patchSize, maxPatches, interpolation, resampler = "pillow" } = transform;
  const grid = naflexGrid(image, transform);
  const count = grid.width * grid.height;
  if (count > maxPatches) {
    throw new RangeError(
      `Expected at least ${count} for maxPatches with a picture of ${image.width} x ` +
        `${image.height} pixels but received ${maxPatches}.`,
    );
  }
  const [width, height] = [grid.width * patchSize, grid.height * patchSize];
  const { data } = resizeImage(image, { width, height, interpolation, resampler });
  const line = patchSize * 3;
  const patches = new Uint8Array(maxPatches * patchSize * line);
  for (let y = 0, at = 0; y < grid.height; y++) {
    for (let x = 0; x < grid.width; x++) {
      for (let row = 0; row < patchSize; row++, at += line) {
        const from = ((y * patchSize + row) * width + x * patchSize) * 3;
        patches.set(data.subarray(from, from + line), at);
      }
    }
  }
  return { patches, ...grid, count };
}

/**
 * Encoded bytes to patches, not yet normalised.
 *
 * throws   as `decodeImage`
 */
export async function applyNaflexTransform(
  bytes: Uint8Array,
  transform: NaflexTransform,
  options: DecodeOptions = {},
): Promise<NaflexPatches> {
  const { transparency = "drop" } = transform;
  return toNaflexPatches(await decodeImage(bytes, { transparency, ...options }), transform);
}

/**
 * Patches to model input, (x / 255 - mean) / std per channel in float32; padding is 0.
 *
 * returns   [maxPatches, p p 3] float32
 */
export function normalizePatches(
  { patches, count }: NaflexPatches,
  { patchSize, mean, std }: NaflexTransform,
): Float32Array {
  const used = count * patchSize * patchSize * 3;
  if (used > patches.length) {
    throw new ShapeError(
      `Expected patches to hold ${count} patches of side ${patchSize} (${used} bytes) but received ` +
        `${patches.length} bytes.`,
    );
  }
  const { fround } = Math;
  const out = new Float32Array(patches.length);
  for (let i = 0; i < used; i++) {
    const c = i % 3;
    const scaled = fround((patches[i] as number) / 255);
    out[i] = fround(scaled - fround(mean[c] as number)) / fround(std[c] as number);
  }
  return out;
}
