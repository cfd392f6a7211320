/**
 * JPEGs by libjpeg-turbo in the addon, whole or a part, at full size or smaller. Whatever it does not read,
 * damaged files among it, is left to sharp, which has the last word.
 */
import { pixelsAddon } from "../native-pixels.ts";
import type { Region } from "../resize/resize.ts";
import type { Scratch } from "../scratch.ts";
import type { RgbImage } from "./decode.ts";
import type { ImageHeader } from "./image-header.ts";

/** By what the sides of a picture can be divided while it is decoded. */
export type Divisor = 1 | 2 | 4 | 8;

interface JpegPart {
  divisor: Divisor;
  /** Of the divided picture, whose sides are rounded up. */
  region: Region;
  /** Where the pixels go. Default: a new array */
  into?: Scratch;
}

/** Grey, YCbCr and RGB of 8 bits, progressive or not; not CMYK, whose inks Pillow converts in its own way. */
export function readsFast({ format, layout, bitDepth }: ImageHeader): boolean {
  const plain = format === "jpeg" && layout !== "cmyk" && bitDepth === 8;
  return plain && (pixelsAddon()?.jpegLibrary() ?? null) !== null;
}

/** All of it: [H, W, 3], a new array, or undefined where sharp should decode. */
export function decodeFastJpeg(bytes: Uint8Array, header: ImageHeader): RgbImage | undefined {
  const { width, height } = header;
  return decodeJpegPart(bytes, header, { divisor: 1, region: { left: 0, top: 0, width, height } });
}

/**
 * A part of it, with the same pixels as if it was cut out of the whole.
 *
 * returns   [region.height, region.width, 3], or undefined where sharp should decode
 */
export function decodeJpegPart(
  bytes: Uint8Array,
  header: ImageHeader,
  { divisor, region, into }: JpegPart,
): RgbImage | undefined {
  if (!readsFast(header)) return undefined;
  const { left, top, width, height } = region;
  // Without a marker at its end a file may be cut: then all rows below the part are looked at too.
  const below = Math.ceil(header.height / divisor) - top;
  const rows = endsWhole(bytes) ? height : below;
  const data = into?.take(3 * width * rows) ?? Buffer.allocUnsafeSlow(3 * width * rows);
  const size = [header.width, header.height] as const;
  const read = pixelsAddon()?.decodeJpeg(bytes, ...size, divisor, left, top, width, rows, data);
  return read === true ? { data: data.subarray(0, 3 * width * height), width, height } : undefined;
}

/** Whether the last bytes are the marker of the end (EOI); zeros behind it are common. */
function endsWhole(bytes: Uint8Array): boolean {
  let end = bytes.length;
  while (end > 2 && bytes[end - 1] === 0) end--;
  return bytes[end - 2] === 0xff && bytes[end - 1] === 0xd9;
}
