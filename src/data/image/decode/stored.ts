/**
 * Encoded bytes to the channels that Pillow opens them with, for libraries that resize before they convert
 * to RGB. Every kind holds 8-bit layers of three channels, which resize and turn like RGB.
 */
import { applyOrientation } from "../crop.ts";
import {
  cmykToRgb,
  decodeImage,
  type DecodeOptions,
  MAX_PIXELS,
  openImage,
  orientationOf,
  readCmyk,
  readGrey16,
  type RgbImage,
  openSharp,
  undecodable,
} from "./decode.ts";
import { withDrawings } from "../svg/allowed-svg.ts";
import { decodeGif } from "./gif.ts";
import type { ImageHeader } from "./image-header.ts";

/** Pillow's modes by how they resize. */
export type StoredPicture =
  /** L and RGB, whose channels are alike before and after. */
  | { kind: "rgb"; image: RgbImage }
  /** 1 and P, of which each new pixel is one of the old; `colors` are P's, as triplets. */
  | { kind: "indexed"; image: RgbImage; colors: Uint8Array }
  /** LA and RGBA: `alpha` in every channel. */
  | { kind: "alpha"; image: RgbImage; alpha: RgbImage }
  /** I;16: high bytes, low bytes, nothing. */
  | { kind: "grey16"; image: RgbImage }
  /** CMYK: cyan, magenta, yellow; and black in every channel. */
  | { kind: "cmyk"; image: RgbImage; black: RgbImage };

/** As `decodeImage`, without conversion to RGB and without blending. */
export async function decodeStored(
  given: Uint8Array,
  options: DecodeOptions = {},
): Promise<StoredPicture> {
  const bytes = await withDrawings(given, options);
  const header = openImage(bytes, options);
  const orientation = await orientationOf(bytes, header, options);
  const turned = (data: Uint8Array, { width, height }: Omit<RgbImage, "data">): RgbImage =>
    applyOrientation({ data, width, height }, orientation);
  const { layout, bitDepth, format } = header;
  try {
    if (format === "gif") {
      const { isGrey, colors, ...gif } = decodeGif(bytes, options.maxPixels ?? MAX_PIXELS);
      return isGrey ? { kind: "rgb", image: gif } : { kind: "indexed", image: gif, colors };
    }
    if (layout === "cmyk") {
      const { data, width, height } = await readCmyk(openSharp(bytes, header), header);
      const [image, black] = [
        new Uint8Array(width * height * 3),
        new Uint8Array(width * height * 3),
      ];
      for (let i = 0, at = 0; i < data.length; i += 4, at += 3) {
        image.set(data.subarray(i, i + 3), at);
        black.fill(data[i + 3] as number, at, at + 3);
      }
      return { kind: "cmyk", image: turned(image, header), black: turned(black, header) };
    }
    if (format === "png" && layout === "grey" && bitDepth === 16) {
      const samples = await readGrey16(openSharp(bytes, header), header);
      const image = new Uint8Array(samples.length * 3);
      for (const [i, sample] of samples.entries()) {
        image[3 * i] = sample >> 8;
        image[3 * i + 1] = sample & 255;
      }
      return { kind: "grey16", image: turned(image, header) };
    }
    if (layout === "rgba" || layout === "greyAlpha") return await withAlpha(bytes, header, turned);
  } catch (error) {
    throw undecodable(header, options.at, error);
  }
  const image = await decodeImage(bytes, { ...options, transparency: "drop" });
  const indexed = layout === "palette" || (format === "png" && layout === "grey" && bitDepth === 1);
  return indexed ? { kind: "indexed", image, colors: paletteOf(bytes) } : { kind: "rgb", image };
}

async function withAlpha(
  bytes: Uint8Array,
  header: ImageHeader,
  turned: (data: Uint8Array, size: Omit<RgbImage, "data">) => RgbImage,
): Promise<StoredPicture> {
  const { data, info } = await openSharp(bytes, header)
    .ensureAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const count = info.width * info.height;
  if (data.length !== 4 * count) {
    throw new Error(`internal: ${data.length} bytes for ${info.width} x ${info.height} with alpha`);
  }
  const [image, alpha] = [new Uint8Array(3 * count), new Uint8Array(3 * count)];
  for (let i = 0; i < count; i++) {
    image.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
    alpha.fill(data[4 * i + 3] as number, 3 * i, 3 * i + 3);
  }
  return { kind: "alpha", image: turned(image, info), alpha: turned(alpha, info) };
}

/** The colours of a PNG (chunk PLTE), as triplets; none where it has no palette. */
function paletteOf(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const PLTE = 0x504c5445;
  const IDAT = 0x49444154;
  for (let at = 8; at + 8 <= view.byteLength && view.getUint32(at + 4) !== IDAT;) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === PLTE) return bytes.subarray(at + 8, at + 8 + length);
    at += 12 + length;
  }
  return new Uint8Array();
}

/** What Pillow's padding with a level is in RGB: of an index its colour, of CMYK ink. */
export function paddingOf(
  stored: StoredPicture,
  fill: readonly [number, number, number],
): readonly [number, number, number] {
  const [level] = fill;
  if (stored.kind === "indexed") {
    // Of black and white any level but 0 is white.
    if (stored.colors.length === 0) return level === 0 ? [0, 0, 0] : [255, 255, 255];
    const [red = 0, green = 0, blue = 0] = stored.colors.subarray(3 * level, 3 * level + 3);
    return [red, green, blue];
  }
  if (stored.kind !== "cmyk") return fill;
  const [red = 0, green = 0, blue = 0] = cmykToRgb(new Uint8Array(4).fill(level));
  return [red, green, blue];
}
