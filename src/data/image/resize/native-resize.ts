/** Decode, crop and resize in one libvips pipeline, for training. */
import sharp from "sharp";
import { type ImageOrigin, sharpOptions, undecodable } from "../decode/decode.ts";
import type { ImageHeader } from "../decode/image-header.ts";
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
