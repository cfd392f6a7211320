/**
 * Reads what the first bytes of an image file say: format, size and pixel layout. Decodes nothing,
 * so that a picture of 30,000 x 30,000 pixels is refused before memory is taken for it.
 */

import { standIn, wordsInPlace } from "../../../files/regular-file.ts";
import { foreignPicture } from "./foreign-picture.ts";

export type ImageFormat = "jpeg" | "png" | "webp" | "gif";

/** How the file stores a pixel, as far as conversion to RGB depends on it. */
export type PixelLayout = "rgb" | "rgba" | "grey" | "greyAlpha" | "palette" | "cmyk";

export interface ImageHeader {
  format: ImageFormat;
  /** pixels */
  width: number;
  /** pixels */
  height: number;
  layout: PixelLayout;
  /** bits per sample: 1, 2, 4, 8 or 16 */
  bitDepth: number;
  /** some pixels may be transparent (an alpha channel, or a transparent colour or index) */
  transparent: boolean;
  /** bytes of compressed text beside the pixels (PNG); a decoder unpacks it, whatever its size */
  packedText?: number;
}

/** A header that cannot be read; `decode.ts` names the sample. `format` is set once it is known. */
export interface HeaderProblem {
  problem: "empty" | "unknown" | "replaced" | "truncated" | "corrupt";
  detail: string;
}

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** The header of `bytes`, or why there is none. Never throws. */
export function readImageHeader(bytes: Uint8Array): ImageHeader | HeaderProblem {
  if (bytes.length === 0) return { problem: "empty", detail: "0 bytes" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(view);
    if (PNG_SIGNATURE.every((byte, i) => bytes[i] === byte)) return readPng(view);
    if (hasText(view, 0, "RIFF") && hasText(view, 8, "WEBP")) return readWebp(view);
    if (hasText(view, 0, "GIF87a") || hasText(view, 0, "GIF89a")) return readGif(view);
  } catch (error) {
    if (error instanceof RangeError) {
      return { problem: "truncated", detail: `a header that ends after ${bytes.length} bytes` };
    }
    throw error;
  }
  const foreign = foreignPicture(bytes);
  if (foreign !== undefined) return { problem: "unknown", detail: foreign };
  const other = standIn(bytes) ?? wordsInPlace(bytes);
  if (other !== undefined) return { problem: "replaced", detail: other.replace(/^it is /, "") };
  const start = Array.from(bytes.subarray(0, 8), (b) => b.toString(16).padStart(2, "0")).join(" ");
  const detail = `${bytes.length} bytes of an unknown format that start with ${start}`;
  return { problem: "unknown", detail };
}

function hasText(view: DataView, offset: number, text: string): boolean {
  if (offset + text.length > view.byteLength) return false;
  for (let i = 0; i < text.length; i++) {
    if (view.getUint8(offset + i) !== text.charCodeAt(i)) return false;
  }
  return true;
}

function sized(header: ImageHeader): ImageHeader | HeaderProblem {
  if (header.width > 0 && header.height > 0) return header;
  return { problem: "corrupt", detail: `a size of ${header.width} x ${header.height} pixels` };
}

/** Walks the markers up to the frame header (ITU-T T.81, B.1.1.3 and B.2.2). */
function readJpeg(view: DataView): ImageHeader | HeaderProblem {
  let frame: { width: number; height: number; components: number; bitDepth: number } | undefined;
  for (let at = 2; ;) {
    while (view.getUint8(at) !== 0xff) at++;
    while (view.getUint8(at) === 0xff) at++;
    const marker = view.getUint8(at++);
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (marker === 0xda || marker === 0xd9) break;
    const length = view.getUint16(at);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      frame = {
        bitDepth: view.getUint8(at + 2),
        height: view.getUint16(at + 3),
        width: view.getUint16(at + 5),
        components: view.getUint8(at + 7),
      };
    }
    at += length;
  }
  if (!frame) return { problem: "corrupt", detail: "a JPEG file without a frame header" };
  const { width, height, components, bitDepth } = frame;
  const layout = components === 1 ? "grey" : components === 4 ? "cmyk" : "rgb";
  return sized({ format: "jpeg", width, height, layout, bitDepth, transparent: false });
}

const PNG_LAYOUT: Record<number, PixelLayout> = {
  0: "grey",
  2: "rgb",
  3: "palette",
  4: "greyAlpha",
  6: "rgba",
};

/** IHDR, then chunks: up to the pixels for a transparent colour, all for text (PNG specification, 11.2 and 11.3). */
function readPng(view: DataView): ImageHeader | HeaderProblem {
  if (!hasText(view, 12, "IHDR")) {
    if (view.byteLength < 33) throw new RangeError("short");
    return { problem: "corrupt", detail: "a PNG file without an IHDR chunk" };
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const bitDepth = view.getUint8(24);
  const layout = PNG_LAYOUT[view.getUint8(25)];
  if (!layout) return { problem: "corrupt", detail: `PNG colour type ${view.getUint8(25)}` };
  let transparent = layout === "rgba" || layout === "greyAlpha";
  let packedText = 0;
  let pixels = false;
  for (const { at, length } of pngChunks(view)) {
    pixels ||= hasText(view, at + 4, "IDAT");
    if (!pixels && hasText(view, at + 4, "tRNS")) transparent = true;
    if (isPackedText(view, at)) packedText += length;
  }
  const header = { format: "png", width, height, layout, bitDepth, transparent } as const;
  return sized(packedText === 0 ? header : { ...header, packedText });
}

/** The chunks behind IHDR: where each begins, and the bytes of its contents. */
function* pngChunks(view: DataView): Generator<{ at: number; length: number }> {
  for (let at = 33; at + 8 <= view.byteLength;) {
    const length = view.getUint32(at);
    yield { at, length };
    at += 12 + length;
  }
}

/** Whether a chunk is text that may be compressed: zTXt, and iTXt, which has more than compressed text. */
function isPackedText(view: DataView, at: number): boolean {
  return hasText(view, at + 4, "zTXt") || hasText(view, at + 4, "iTXt");
}

/** A PNG without the chunks that `packedText` counts. */
export function withoutPackedText(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept: Uint8Array[] = [];
  let start = 0;
  for (const { at, length } of pngChunks(view)) {
    if (!isPackedText(view, at)) continue;
    kept.push(bytes.subarray(start, at));
    start = at + 12 + length;
  }
  return Buffer.concat([...kept, bytes.subarray(start)]);
}

/** The first chunk: VP8 (RFC 6386, 9.1), VP8L or VP8X (RFC 9649, sections 2.7 and 3.4). */
function readWebp(view: DataView): ImageHeader | HeaderProblem {
  const base = { format: "webp", bitDepth: 8 } as const;
  if (hasText(view, 12, "VP8 ")) {
    const [width, height] = [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
    return sized({ ...base, width, height, layout: "rgb", transparent: false });
  }
  if (hasText(view, 12, "VP8L")) {
    const bits = view.getUint32(21, true);
    const [width, height] = [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    const transparent = ((bits >>> 28) & 1) === 1;
    return sized({ ...base, width, height, layout: transparent ? "rgba" : "rgb", transparent });
  }
  if (hasText(view, 12, "VP8X")) {
    const transparent = (view.getUint8(20) & 0x10) !== 0;
    const width = (view.getUint32(24, true) & 0xffffff) + 1;
    const height = (view.getUint32(26, true) >>> 8) + 1;
    return sized({ ...base, width, height, layout: transparent ? "rgba" : "rgb", transparent });
  }
  return { problem: "corrupt", detail: "a WebP file without a VP8, VP8L or VP8X chunk" };
}

function readGif(view: DataView): ImageHeader | HeaderProblem {
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  // Whether an index is transparent does not matter here: RGB conversion keeps its colour.
  return sized({
    format: "gif",
    width,
    height,
    layout: "palette",
    bitDepth: 8,
    transparent: false,
  });
}
