/** Decode, crop and resize in one libvips pipeline, for training. */
import sharp from "sharp";
import { type ImageOrigin, sharpOptions, undecodable } from "./decode.ts";
import type { ImageHeader } from "./image-header.ts";
import type { Region } from "./resize.ts";

export interface NativeResize {
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
export function canResizeNatively({ format, layout, transparent, bitDepth }: ImageHeader): boolean {
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
  const input = sharp(bytes, sharpOptions(header));
  const fill = { fit: "fill", kernel: "cubic" } as const;
  if (decodeReduced && reducesDecoding(header, crop, imageSize)) {
    // libvips shrinks while it decodes only if no crop comes first: resize the whole picture by the
    // crop's factor, then cut. Only the cut's pixels are computed; its place is off by at most half
    // a pixel of the result.
    const width = Math.round((header.width * imageSize) / crop.width);
    const height = Math.round((header.height * imageSize) / crop.height);
    const left = Math.round((crop.left * imageSize) / crop.width);
    const top = Math.round((crop.top * imageSize) / crop.height);
    input.resize(Math.max(width, imageSize), Math.max(height, imageSize), fill).extract({
      left: Math.max(0, Math.min(left, width - imageSize)),
      top: Math.max(0, Math.min(top, height - imageSize)),
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

/** sharp decodes JPEG at half size from a factor of 3 on; WebP at any factor. */
function reducesDecoding(header: ImageHeader, crop: Region, imageSize: number): boolean {
  const factor = Math.min(crop.width, crop.height) / imageSize;
  return (header.format === "jpeg" && factor >= 3) || (header.format === "webp" && factor >= 2);
}
