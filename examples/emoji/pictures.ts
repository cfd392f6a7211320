/**
 * Renders a vendor's picture on white, framed alike for all vendors. OpenMoji leaves wide margins and
 * Twitter none; how a vendor frames says nothing about the emoji. Knows nothing about names or splits.
 */
import { createHash } from "node:crypto";
import sharp from "sharp";

export interface FrameOptions {
  /** Side of the square picture, pixels. */
  imageSize: number;
  /** Share of the side that the artwork's longer side takes. */
  fill: number;
  /** Greatest enlargement, so that the small squares and circles of Unicode stay small. */
  zoom: number;
}

export interface Picture {
  /** PNG, RGB, imageSize x imageSize, opaque. */
  png: Buffer;
  /** Equal for equal pixels. */
  pixelHash: string;
}

/** Vector pictures of 72 units are drawn at 96 pixels, bitmaps of 64 pixels as they are. */
const vectorDensity = 96;

/** Alpha above which a pixel belongs to the artwork, of 255. */
const visible = 20;

/**
 * Transparent pixels hold any colour at all, and a decoder that drops alpha would show it: the
 * picture is laid on white here, once, for every reader.
 *
 * throws  Error naming the file where it cannot be decoded
 */
export async function renderPicture(file: string, options: FrameOptions): Promise<Picture> {
  try {
    const source = sharp(file, file.endsWith(".svg") ? { density: vectorDensity } : {});
    const { data, info } = await source.ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    const box = artworkBox(data, info.width, info.height);
    const { imageSize } = options;
    const scale = imageSize / frameSide(box, Math.max(info.width, info.height), options);
    const width = Math.max(1, Math.round(box.width * scale));
    const height = Math.max(1, Math.round(box.height * scale));
    const left = Math.floor((imageSize - width) / 2);
    const top = Math.floor((imageSize - height) / 2);
    const pixels = await sharp(data, {
      raw: { width: info.width, height: info.height, channels: 4 },
    })
      .extract(box)
      .flatten({ background: "#ffffff" })
      .resize(width, height, { fit: "fill", kernel: "lanczos3" })
      .extend({
        left,
        top,
        right: imageSize - width - left,
        bottom: imageSize - height - top,
        background: "#ffffff",
      })
      // Padding brings alpha back, opaque.
      .removeAlpha()
      .raw()
      .toBuffer();
    const png = await sharp(pixels, { raw: { width: imageSize, height: imageSize, channels: 3 } })
      .png()
      .toBuffer();
    return { png, pixelHash: createHash("sha256").update(pixels).digest("hex") };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Expected a readable picture in ${file} but decoding failed: ${reason}`, {
      cause,
    });
  }
}

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** The smallest box around what can be seen; the whole picture where nothing can. */
export function artworkBox(rgba: Uint8Array, width: number, height: number): Box {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((rgba[(y * width + x) * 4 + 3] ?? 0) <= visible) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  if (right < 0) return { left: 0, top: 0, width, height };
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** Side of the square, in source pixels, that the frame shows; never less than the artwork. */
export function frameSide(
  box: { width: number; height: number },
  sourceSide: number,
  options: FrameOptions,
): number {
  const artwork = Math.max(box.width, box.height);
  return Math.max(artwork, Math.round(Math.max(artwork / options.fill, sourceSide / options.zoom)));
}
