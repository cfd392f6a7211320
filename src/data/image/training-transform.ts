/**
 * Random views of a picture for training: crop, resize, flip, colour. Pixels are Pillow's, as in
 * evaluation, unless a picture may be decoded at a smaller scale.
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
  type RgbImage,
  undecodable,
} from "./decode/decode.ts";
import { decodeJpegPart, type Divisor } from "./decode/fast-jpeg.ts";
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
import { Scratch } from "./scratch.ts";
import { type Region, resizeImage, wholeOf } from "./resize/resize.ts";

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
  /**
   * Decode JPEG and WebP at a smaller scale where the crop is shrunk enough: faster, and a little different
   * from shrinking the whole picture, also between machines with libjpeg-turbo and without. Default: false
   */
  decodeReduced?: boolean;
}

/** open_clip's defaults: 90 to 100 % of the area, 3:4 to 4:3. */
const DEFAULT_CROP = { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } as const;

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
  const place = { header, crop: view.crop, imageSize };
  // A turned picture's crop lies elsewhere in the file: it is decoded whole.
  const data =
    (orientation === 1 ? cropWhileDecoding(bytes, place, augmentation) : undefined) ??
    (orientation === 1 && augmentation.decodeReduced && reducesInSharp(place)
      ? await resizeInSharp(bytes, place, options.at)
      : await resizeWhole(bytes, place, decodeOptions));
  applyColorChanges(data, view.colors);
  if (view.greyscale) toGreyscale(data);
  if (view.flip) mirror(data, imageSize);
  writePlanes(data, out);
  return out;
}

interface Place {
  header: ImageHeader;
  crop: Region;
  /** side of the square result, pixels */
  imageSize: number;
}

/** Decode all, then resize the crop. */
async function resizeWhole(
  bytes: Uint8Array,
  { crop, imageSize }: Place,
  options: DecodeOptions,
): Promise<Uint8Array> {
  return resizeCrop(await decodeImage(bytes, options), crop, imageSize);
}

function resizeCrop(image: RgbImage, crop: Region, imageSize: number): Uint8Array {
  const size = { width: imageSize, height: imageSize };
  return resizeImage(image, { ...size, interpolation: "bicubic", source: crop }).data;
}

/**
 * Only the crop of a JPEG is decoded, and at a half, a quarter or an eighth of its size if it may be and is
 * then still as large as the result. The scales between cost more than they save: libjpeg-turbo has fast
 * transforms for these alone.
 *
 * returns   [S, S, 3], or undefined where the file must be decoded in another way
 */
function cropWhileDecoding(
  bytes: Uint8Array,
  { header, crop, imageSize }: Place,
  { decodeReduced = false }: TrainingAugmentation,
): Uint8Array | undefined {
  const least = Math.min(crop.width, crop.height);
  const divisor = decodeReduced ? (DIVISORS.find((by) => least >= by * imageSize) ?? 1) : 1;
  const region = dividedRegion(crop, header, divisor);
  const image = decodeJpegPart(bytes, header, { divisor, region, into: decoded });
  return image && resizeCrop(image, wholeOf(image), imageSize);
}

/** Pixels between decoding and resizing. */
const decoded = new Scratch();

const DIVISORS = [8, 4, 2] as const satisfies Divisor[];

/**
 * A region of the divided picture, in whole pixels of it. This moves its edges by up to half such a pixel,
 * which for a random view is one more draw.
 */
function dividedRegion(region: Region, { width, height }: Size, divisor: Divisor): Region {
  const span = (begin: number, length: number, all: number): [number, number] => {
    const [most, parts] = [Math.ceil(all / divisor), Math.max(1, Math.round(length / divisor))];
    return [Math.min(Math.round(begin / divisor), most - parts), parts];
  };
  const [left, across] = span(region.left, region.width, width);
  const [top, down] = span(region.top, region.height, height);
  return { left, top, width: across, height: down };
}

type Size = Pick<ImageHeader, "width" | "height">;

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

/**
 * Whether sharp shrinks while it decodes: JPEG by 2, 4 or 8, each only when more than that remains to be
 * done (factors from 3, 5 and 9 on), WebP to the final size itself. Not what has alpha, which it would blend
 * into hidden colours, nor CMYK, for which it would use a profile.
 */
function reducesInSharp({ header, crop, imageSize }: Place): boolean {
  const { format, layout, transparent, bitDepth } = header;
  if ((layout !== "rgb" && layout !== "grey") || transparent || bitDepth > 8) return false;
  const factor = Math.min(crop.width, crop.height) / imageSize;
  return (format === "jpeg" && factor >= 3) || (format === "webp" && factor >= 2);
}

/**
 * The crop resized by libvips, by an antialiased cubic kernel that is not Pillow's. It shrinks while it
 * decodes only if no crop comes first: the whole picture is resized by the crop's factor, and then cut; only
 * the cut's pixels are computed.
 *
 * returns   [S, S, 3] uint8, a new array
 * throws    DataError if the file cannot be decoded
 */
async function resizeInSharp(
  bytes: Uint8Array,
  { header, crop, imageSize }: Place,
  at?: ImageOrigin,
): Promise<Uint8Array> {
  const across = imageSize / crop.width;
  const down = imageSize / crop.height;
  const width = Math.max(imageSize, Math.round(header.width * across));
  const height = Math.max(imageSize, Math.round(header.height * down));
  const input = openSharp(bytes, header)
    .resize(width, height, { fit: "fill", kernel: "cubic" })
    .extract({
      left: Math.min(Math.round(crop.left * across), width - imageSize),
      top: Math.min(Math.round(crop.top * down), height - imageSize),
      width: imageSize,
      height: imageSize,
    });
  try {
    const data = await input.removeAlpha().toColourspace("srgb").raw().toBuffer();
    if (data.length !== 3 * imageSize ** 2) throw new Error(`internal: ${data.length} bytes`);
    return data;
  } catch (error) {
    throw undecodable(header, at, error);
  }
}
