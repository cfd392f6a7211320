/**
 * Encoded image bytes to RGB, equal to Pillow's `Image.open(file).convert("RGB")` in every pixel.
 * Always decodes at full size; knows nothing about resizing.
 */
import sharp, { type Sharp } from "sharp";
import { DataError, didYouMean, sampleIn } from "../../../errors.ts";
import { applyOrientation } from "../crop.ts";
import { decodeFastJpeg } from "./fast-jpeg.ts";
import { decodeGif } from "./gif.ts";
import {
  type HeaderProblem,
  type ImageHeader,
  readImageHeader,
  withoutPackedText,
} from "./image-header.ts";
import { decodePlainPng } from "./plain-png.ts";
import { withDrawings } from "../svg/allowed-svg.ts";
import type { SvgOptions } from "../svg/rasterize-svg.ts";
import {
  blendOntoWhite,
  flattenOntoWhite,
  readTransparentColor,
  whitenColor,
} from "./transparency.ts";

/** An RGB image: `data` is [H, W, 3] uint8, row-major. */
export interface RgbImage {
  data: Uint8Array;
  /** pixels */
  width: number;
  /** pixels */
  height: number;
}

/** Where the bytes came from; every error names it. */
export interface ImageOrigin {
  /** the shard or file */
  source: string;
  /** the sample's key within the source */
  key?: string;
}

export interface DecodeOptions {
  /** Named in errors. Default: an unnamed source. */
  at?: ImageOrigin;
  /** Refuse, from the header alone, an image of more pixels. Default: 178,956,970, as Pillow does. */
  maxPixels?: number;
  /**
   * `ignore` leaves the pixels as stored, `apply` turns them upright by EXIF, as
   * `PIL.ImageOps.exif_transpose` does. Default: `ignore`, since neither open_clip's transforms nor
   * the image processors of transformers look at EXIF; pixels then equal theirs for the same file.
   */
  orientation?: "ignore" | "apply";
  /**
   * `drop` shows the colours that transparent pixels hide, as `convert("RGB")`; `white` blends them
   * onto white, as `convert_to_rgb` of transformers 5. Default: `drop`.
   */
  transparency?: "drop" | "white";
  /**
   * Allows SVG files, drawn on white at `size` pixels for the longer side, 1 to 1024: plain drawings
   * alone, see docs/data.md. Default: an SVG file is refused.
   */
  svg?: SvgOptions;
}

/** Twice Pillow's `MAX_IMAGE_PIXELS`: the size from which Pillow refuses to open an image. */
export const MAX_PIXELS = 178_956_970;

/** Bytes of an encoded picture, wherever one is read; checked before memory is taken for it. */
export const MOST_PICTURE_BYTES = 256 << 20;

/**
 * The most pixels of a picture for training, 2^26, unless the loader is told otherwise: a file of a few
 * bytes may announce as many as it likes, and a worker takes up to 8 bytes for each.
 */
export const MAX_TRAINING_PIXELS = 67_108_864;

const DECODE_KEYS = ["at", "maxPixels", "orientation", "transparency", "svg"];
const UNNAMED: ImageOrigin = { source: "image" };

/** sharp keeps decoded files by default; one worker is one core, and the loader has the others. */
sharp.cache(false);
sharp.concurrency(1);

/**
 * The pixels of a JPEG, PNG, WebP or GIF (its first frame), as Pillow 13 converts them to RGB, or of an SVG
 * file where `svg` allows it:
 * alpha is dropped unless asked otherwise; ICC profiles and gamma are ignored; CMYK is converted without a
 * profile; 16-bit grey is clipped to 255 while other 16-bit samples keep their high byte.
 *
 * returns   [H, W, 3] uint8, a new array
 * throws    DataError with the sample's name if the bytes are empty, truncated, corrupt, in another
 *           format, or hold more than `maxPixels`; TypeError and RangeError for bad options
 */
export async function decodeImage(
  given: Uint8Array,
  options: DecodeOptions = {},
): Promise<RgbImage> {
  const at = options.at ?? UNNAMED;
  const bytes = await withDrawings(given, options);
  const header = openImage(bytes, options);
  const orientation = await orientationOf(bytes, header, options);
  try {
    const limit = options.maxPixels ?? MAX_PIXELS;
    const { data, width, height } =
      options.transparency === "white"
        ? await decodeOnWhite(bytes, header, limit)
        : await decodeByLayout(bytes, header, limit);
    return applyOrientation({ data, width, height }, orientation);
  } catch (error) {
    throw undecodable(header, at, error);
  }
}

const cures: Readonly<Record<HeaderProblem["problem"], string>> = {
  unknown: "convert it to one of these formats",
  replaced: "put the picture itself there",
  empty: "fetch or write the file again",
  truncated: "fetch or write the file again",
  corrupt: "fetch or write the file again",
};

/** The header of `bytes` after the checks that need no decoding. Throws DataError. */
export function openImage(bytes: Uint8Array, options: DecodeOptions = {}): ImageHeader {
  checkDecodeOptions(options);
  const at = options.at ?? UNNAMED;
  const header = readImageHeader(bytes);
  if ("problem" in header) {
    const cure = cures[header.problem];
    throw new DataError(
      `Expected a JPEG, PNG, WebP or GIF image for ${nameOf(at)} but received ${header.detail}; ${cure}.`,
      at,
      { reason: header.detail },
    );
  }
  const refused = tooLarge(header, options.maxPixels ?? MAX_PIXELS, at);
  if (refused !== undefined) throw refused;
  return header;
}

/** The error of a picture that announces more than `most` pixels: a few bytes may announce any number. */
export function tooLarge(
  { width, height }: Pick<ImageHeader, "width" | "height">,
  most: number,
  at: ImageOrigin,
): DataError | undefined {
  if (width * height <= most) return undefined;
  return new DataError(
    `Expected an image of at most ${most} pixels for ${nameOf(at)} but received ` +
      `${width} x ${height}; shrink the file, or raise maxPixels if you trust it.`,
    at,
    { reason: `${width} x ${height} pixels, more than ${most} (maxPixels)` },
  );
}

/** The bound that was given, else the usual one. throws  RangeError for no positive integer */
export function pixelBound(given: number | undefined, usual: number): number {
  if (given === undefined) return usual;
  if (Number.isSafeInteger(given) && given >= 1) return given;
  throw new RangeError(
    `Expected a positive integer for maxPixels but received ${given}; ${usual} is usual`,
  );
}

/** The EXIF orientation to undo, 1 to 8: 1 for a file without one, or if `options` ignore it. */
export async function orientationOf(
  bytes: Uint8Array,
  header: ImageHeader,
  options: DecodeOptions,
): Promise<number> {
  if (options.orientation !== "apply" || header.format === "gif") return 1;
  try {
    return (await openSharp(bytes, header).metadata()).orientation ?? 1;
  } catch (error) {
    throw undecodable(header, options.at ?? UNNAMED, error);
  }
}

/** Bytes of compressed text that a picture may have: zlib makes at most 1,032 times as many of them. */
const MOST_PACKED_TEXT = 64 << 10;

/**
 * A picture for sharp, which neither changes its colours nor accepts a cut file, and which does not unpack
 * text that is beside the pixels where that may take much memory.
 */
export function openSharp(bytes: Uint8Array, header: ImageHeader): Sharp {
  const { width, height, packedText = 0 } = header;
  const options = {
    ignoreIcc: true,
    failOn: "truncated",
    limitInputPixels: width * height,
  } as const;
  return sharp(packedText > MOST_PACKED_TEXT ? withoutPackedText(bytes) : bytes, options);
}

/** The DataError that says which image failed to decode, with the decoder's own error as cause. */
export function undecodable(
  header: ImageHeader,
  at: ImageOrigin = UNNAMED,
  cause?: unknown,
): DataError {
  const said = cause instanceof Error ? cause.message.trim().split("\n")[0] : String(cause);
  const reason = `data that cannot be decoded (${said})`;
  return new DataError(
    `Expected a complete ${header.format.toUpperCase()} image for ${nameOf(at)} but received ` +
      `${reason}; fetch or write the file again, or remove the sample.`,
    at,
    { cause, reason },
  );
}

function nameOf({ source, key }: ImageOrigin): string {
  return sampleIn(source, key);
}

function checkDecodeOptions(options: DecodeOptions): void {
  for (const key of Object.keys(options)) {
    if (!DECODE_KEYS.includes(key)) {
      const hint = didYouMean(key, DECODE_KEYS) || ` Known options: ${DECODE_KEYS.join(", ")}.`;
      throw new TypeError(`Unknown decode option ${key}.${hint}`);
    }
  }
  const { maxPixels = 1, orientation = "ignore", transparency = "drop" } = options;
  if (!Number.isFinite(maxPixels) || maxPixels < 1) {
    throw new RangeError(`Expected a positive number for maxPixels but received ${maxPixels}.`);
  }
  if (orientation !== "ignore" && orientation !== "apply") {
    throw new RangeError(
      `Expected "ignore" or "apply" for orientation but received ${JSON.stringify(orientation)}.`,
    );
  }
  if (transparency !== "drop" && transparency !== "white") {
    throw new RangeError(
      `Expected "drop" or "white" for transparency but received ${JSON.stringify(transparency)}.`,
    );
  }
}

async function decodeByLayout(
  bytes: Uint8Array,
  header: ImageHeader,
  maxPixels: number,
): Promise<RgbImage & { alpha?: Uint8Array }> {
  if (header.format === "gif") return decodeGif(bytes, maxPixels);
  const plain = decodePlainPng(bytes, header);
  if (plain !== undefined) return { data: plain.data, width: header.width, height: header.height };
  const jpeg = decodeFastJpeg(bytes, header);
  if (jpeg !== undefined) return jpeg;
  const input = openSharp(bytes, header);
  if (header.layout === "cmyk") return decodeCmyk(input, header);
  if (header.format === "png" && header.layout === "grey" && header.bitDepth === 16) {
    return decodeGrey16(input, header);
  }
  const { data, info } = await input
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return checked({ data, width: info.width, height: info.height }, header);
}

/** The picture with its transparent pixels on white. */
async function decodeOnWhite(
  bytes: Uint8Array,
  header: ImageHeader,
  maxPixels: number,
): Promise<RgbImage> {
  const color = header.transparent ? readTransparentColor(bytes, header) : undefined;
  if (color || !header.transparent) {
    const image = await decodeByLayout(bytes, header, maxPixels);
    if (image.alpha) blendOntoWhite(image.data, image.alpha);
    if (color) whitenColor(image.data, color);
    return image;
  }
  const plain = decodePlainPng(bytes, header);
  if (plain?.alpha !== undefined) {
    blendOntoWhite(plain.data, plain.alpha);
    return { data: plain.data, width: header.width, height: header.height };
  }
  const { data, info } = await openSharp(bytes, header)
    .ensureAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return checked({ data: flattenOntoWhite(data), width: info.width, height: info.height }, header);
}

/** The decoder must agree with the header that the limits were checked on. */
function checked(image: RgbImage, header: ImageHeader): RgbImage {
  if (image.data.length !== image.width * image.height * 3) {
    throw new Error(`internal: ${image.data.length} bytes for ${image.width} x ${image.height}`);
  }
  if (image.width !== header.width || image.height !== header.height) {
    throw new Error(`the header says ${header.width} x ${header.height} pixels`);
  }
  return image;
}

async function decodeCmyk(input: Sharp, header: ImageHeader): Promise<RgbImage> {
  const { data, width, height } = await readCmyk(input, header);
  return checked({ data: cmykToRgb(data), width, height }, header);
}

/**
 * Inks, [H, W, 4]. libvips and Pillow both take the samples of every CMYK JPEG as inverted, Adobe's marker
 * or not.
 */
export async function readCmyk(input: Sharp, header: ImageHeader): Promise<RgbImage> {
  const { data, info } = await input
    .pipelineColourspace("cmyk")
    .toColourspace("cmyk")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (width === header.width && height === header.height && data.length === 4 * width * height) {
    return { data, width, height };
  }
  throw new Error(`internal: ${data.length} bytes for ${width} x ${height} in CMYK`);
}

/** [N, 4] inks without a profile to [N, 3]: R = max(0, 255 - K - C (255 - K) / 255), rounded. */
export function cmykToRgb(data: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let i = 0, out = 0; i < data.length; i += 4) {
    const white = 255 - (data[i + 3] as number);
    for (let c = 0; c < 3; c++) {
      const product = (data[i + c] as number) * white + 128;
      rgb[out++] = Math.max(0, white - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}

/** Pillow's "I;16" to RGB clips: all above 255 is white. A pity, but it is what models were fed. */
async function decodeGrey16(input: Sharp, header: ImageHeader): Promise<RgbImage> {
  const samples = await readGrey16(input, header);
  const rgb = new Uint8Array(samples.length * 3);
  for (let i = 0, to = 0; i < samples.length; i++, to += 3) {
    const level = Math.min(255, samples[i] as number);
    rgb[to] = level;
    rgb[to + 1] = level;
    rgb[to + 2] = level;
  }
  return checked({ data: rgb, width: header.width, height: header.height }, header);
}

/** Samples of 16 bits, [H, W]. */
export async function readGrey16(input: Sharp, header: ImageHeader): Promise<Uint16Array> {
  const { data, info } = await input
    .removeAlpha()
    .pipelineColourspace("grey16")
    .toColourspace("grey16")
    .raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true });
  const count = info.width * info.height;
  const samples = new Uint16Array(data.buffer, data.byteOffset, data.byteLength >> 1);
  const stride = samples.length / count;
  if (info.width !== header.width || info.height !== header.height || !Number.isInteger(stride)) {
    throw new Error(`internal: ${data.length} bytes for ${info.width} x ${info.height} of 16 bits`);
  }
  return stride === 1 ? samples : samples.filter((_, i) => i % stride === 0);
}
