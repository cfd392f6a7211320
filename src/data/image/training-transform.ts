/**
 * Random views of a picture for training: crop, resize, flip, colour. Resizes natively in libvips
 * (antialiased cubic; not to the pixel what Pillow gives, which evaluation needs and training does
 * not) unless the file has transparency or an unusual layout, where Pillow's rules matter more.
 */
import {
  applyColorChanges,
  type ColorChange,
  type ColorJitter,
  drawColorChanges,
  toGreyscale,
} from "./color-jitter.ts";
import { centralSquare, drawResizedCrop, writePlanes } from "./crop.ts";
import {
  decodeImage,
  type DecodeOptions,
  type ImageOrigin,
  openImage,
  orientationOf,
  openSharp,
  undecodable,
} from "./decode/decode.ts";
import type { ImageHeader } from "./decode/image-header.ts";
import { checkSlot, type EvaluationOptions } from "./evaluation-transform.ts";
import {
  boolean,
  checkFields,
  type FieldCheck,
  type FieldChecks,
  numberBetween,
  probability,
  range,
} from "./field-checks.ts";
import { type Region, resizeImage } from "./resize/resize.ts";

/** A stream of numbers uniform in [0, 1); the loader's seeded generator is one. */
export interface UniformSource {
  next(): number;
}

export interface TrainingAugmentation {
  /** parts of the area, and width / height. Default: the central square, no randomness */
  randomResizedCrop?: { scale: [number, number]; ratio: [number, number] };
  /** probability of mirroring left and right. Default: 0, since captions speak of sides and text */
  flip?: number;
  colorJitter?: ColorJitter;
  /** probability of dropping colour. Default: 0 */
  greyscale?: number;
  /** Decode JPEG and WebP at a smaller scale where the crop is shrunk enough. Default: false */
  decodeReduced?: boolean;
}

/** open_clip's defaults: 90 to 100 % of the area, 3:4 to 4:3. */
const DEFAULT_CROP = { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } as const;

/** Up to here libvips takes longer to set up its pipeline than resizing takes. */
const SMALL_PIXELS = 256 * 256;

const CROP_FIELDS: FieldChecks = { scale: range({ max: 1 }), ratio: range({ max: Infinity }) };
const JITTER_FIELDS: FieldChecks = {
  brightness: numberBetween(0, 10),
  contrast: numberBetween(0, 10),
  saturation: numberBetween(0, 10),
  hue: numberBetween(0, 0.5),
  probability,
};
const nested = (fields: FieldChecks): FieldCheck => {
  return (value, path) => void checkFields(value, fields, { path });
};
const FIELDS: FieldChecks = {
  randomResizedCrop: nested(CROP_FIELDS),
  flip: probability,
  colorJitter: nested(JITTER_FIELDS),
  greyscale: probability,
  decodeReduced: boolean,
};

/**
 * A checked copy of an augmentation from JSON or a recipe. A crop without `scale` or `ratio` gets
 * open_clip's: [0.9, 1] and [3/4, 4/3].
 *
 * throws   SettingError whose `path` starts with `path`, for an unknown key or a bad value
 */
export function parseTrainingAugmentation(
  value: unknown,
  path = "trainingAugmentation",
): TrainingAugmentation {
  const fields = structuredClone(checkFields(value, FIELDS, { path })) as TrainingAugmentation;
  if (fields.randomResizedCrop) {
    const { scale, ratio } = fields.randomResizedCrop;
    fields.randomResizedCrop = {
      scale: scale ?? [...DEFAULT_CROP.scale],
      ratio: ratio ?? [...DEFAULT_CROP.ratio],
    };
  }
  return fields;
}

/** What was drawn for one picture; the same view always gives the same pixels. */
export interface TrainingView {
  crop: Region;
  flip: boolean;
  colors: ColorChange[];
  greyscale: boolean;
}

/** Draws a view of a `width` x `height` picture; the same numbers from `random` give the same one. */
export function drawView(
  { width, height }: { width: number; height: number },
  augmentation: TrainingAugmentation,
  random: UniformSource,
): TrainingView {
  const { randomResizedCrop, flip = 0, colorJitter, greyscale = 0 } = augmentation;
  const next = (): number => random.next();
  const size = { width, height };
  return {
    crop: randomResizedCrop ? drawResizedCrop(size, randomResizedCrop, next) : centralSquare(size),
    flip: flip > 0 && next() < flip,
    colors: colorJitter ? drawColorChanges(colorJitter, next) : [],
    greyscale: greyscale > 0 && next() < greyscale,
  };
}

export interface TrainingTransform {
  /** side S of the square result, pixels */
  imageSize: number;
  augmentation: TrainingAugmentation;
}

/**
 * Encoded bytes to a random view, ready for the model except for normalising. Give every picture
 * its own generator (seeded by epoch and key), so that views do not depend on the order of work.
 *
 * returns   [3, S, S] uint8: `options.out`, or a new array
 * throws    as `decodeImage`; ShapeError if `out` has another length
 */
export async function applyTrainingTransform(
  bytes: Uint8Array,
  { imageSize, augmentation }: TrainingTransform,
  random: UniformSource,
  options: EvaluationOptions = {},
): Promise<Uint8Array> {
  const { out: given, ...decodeOptions } = options;
  const out = given ?? new Uint8Array(3 * imageSize ** 2);
  checkSlot(out, imageSize);
  const header = openImage(bytes, decodeOptions);
  const orientation = await orientationOf(bytes, header, decodeOptions);
  const { width, height } = header;
  const upright = orientation >= 5 ? { width: height, height: width } : { width, height };
  const view = drawView(upright, augmentation, random);
  const decodeReduced = augmentation.decodeReduced ?? false;
  const small = width * height <= SMALL_PIXELS && !decodeReduced;
  const native = orientation === 1 && !small && canResizeNatively(header);
  const data = native
    ? await resizeNatively(bytes, { header, crop: view.crop, imageSize, decodeReduced }, options.at)
    : await resizeExactly(bytes, { crop: view.crop, imageSize }, decodeOptions);
  applyColorChanges(data, view.colors);
  if (view.greyscale) toGreyscale(data);
  if (view.flip) mirror(data, imageSize);
  writePlanes(data, out);
  return out;
}

/** Decode all, then Pillow's resizing of the crop: the way of small pictures, and of odd formats. */
async function resizeExactly(
  bytes: Uint8Array,
  { crop, imageSize }: { crop: Region; imageSize: number },
  options: DecodeOptions,
): Promise<Uint8Array> {
  const image = await decodeImage(bytes, options);
  const size = { width: imageSize, height: imageSize };
  return resizeImage(image, { ...size, interpolation: "bicubic", source: crop }).data;
}

/** Swaps left and right of [S, S, 3] in place. */
function mirror(data: Uint8Array, side: number): void {
  for (let y = 0; y < side; y++) {
    let left = y * side * 3;
    let right = left + (side - 1) * 3;
    for (; left < right; left += 3, right -= 3) {
      for (let c = 0; c < 3; c++) {
        const kept = data[left + c] as number;
        data[left + c] = data[right + c] as number;
        data[right + c] = kept;
      }
    }
  }
}

interface NativeResize {
  header: ImageHeader;
  crop: Region;
  /** side of the square result, pixels */
  imageSize: number;
  /** let JPEG and WebP be decoded at a smaller scale */
  decodeReduced: boolean;
}

/**
 * Whether libvips gives what Pillow would up to rounding: not for transparency (it would blend
 * hidden colours by alpha), CMYK (it would use a profile), palettes and 16 bits (other rules).
 */
function canResizeNatively({ format, layout, transparent, bitDepth }: ImageHeader): boolean {
  const plain = layout === "rgb" || layout === "grey";
  return format !== "gif" && plain && !transparent && bitDepth <= 8;
}

/**
 * The crop resized by an antialiased cubic kernel.
 *
 * returns   [S, S, 3] uint8, a new array
 * throws    DataError if the file cannot be decoded
 */
export async function resizeNatively(
  bytes: Uint8Array,
  { header, crop, imageSize, decodeReduced }: NativeResize,
  at?: ImageOrigin,
): Promise<Uint8Array> {
  const input = openSharp(bytes, header);
  const fill = { fit: "fill", kernel: "cubic" } as const;
  if (decodeReduced && reducesDecoding(header, crop, imageSize)) {
    // libvips shrinks while it decodes only if no crop comes first: resize the whole picture by the
    // crop's factor, then cut. Only the cut's pixels are computed. Whole-pixel sizes and offsets
    // move the view by up to a pixel of the result, which for a random view is one more draw.
    const across = imageSize / crop.width;
    const down = imageSize / crop.height;
    const width = Math.max(imageSize, Math.round(header.width * across));
    const height = Math.max(imageSize, Math.round(header.height * down));
    input.resize(width, height, fill).extract({
      left: Math.min(Math.round(crop.left * across), width - imageSize),
      top: Math.min(Math.round(crop.top * down), height - imageSize),
      width: imageSize,
      height: imageSize,
    });
  } else {
    input.extract(crop).resize(imageSize, imageSize, fill);
  }
  try {
    const data = await input.removeAlpha().toColourspace("srgb").raw().toBuffer();
    if (data.length !== 3 * imageSize ** 2) throw new Error(`internal: ${data.length} bytes`);
    return data;
  } catch (error) {
    throw undecodable(header, at, error);
  }
}

/**
 * sharp shrinks JPEG by 2, 4 or 8 while decoding, each only when more than that remains to be done
 * (factors from 3, 5 and 9 on); it decodes WebP to the final size itself.
 */
function reducesDecoding(header: ImageHeader, crop: Region, imageSize: number): boolean {
  const factor = Math.min(crop.width, crop.height) / imageSize;
  return (header.format === "jpeg" && factor >= 3) || (header.format === "webp" && factor >= 2);
}
