/** Transparent pixels on white, by Pillow's rules. Knows nothing about decoding. */
import type { ImageHeader } from "./image-header.ts";

/** Pillow's `alpha_composite` over an opaque white: (c a + 255 (255 - a)) / 255, rounded. */
function onWhite(color: number, alpha: number): number {
  const product = color * alpha + 255 * (255 - alpha) + 128;
  return ((product >> 8) + product) >> 8;
}

/** Blends [H, W, 3] pixels onto white in place by their alpha, [H, W]. */
export function blendOntoWhite(data: Uint8Array, alpha: Uint8Array): void {
  for (let i = 0, at = 0; i < alpha.length; i++, at += 3) {
    const a = alpha[i] as number;
    if (a === 255) continue;
    data[at] = onWhite(data[at] as number, a);
    data[at + 1] = onWhite(data[at + 1] as number, a);
    data[at + 2] = onWhite(data[at + 2] as number, a);
  }
}

/** [H, W, 4] pixels on white, as [H, W, 3]. */
export function flattenOntoWhite(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const a = rgba[from + 3] as number;
    rgb[to] = onWhite(rgba[from] as number, a);
    rgb[to + 1] = onWhite(rgba[from + 1] as number, a);
    rgb[to + 2] = onWhite(rgba[from + 2] as number, a);
  }
  return rgb;
}

/**
 * The one transparent colour of a grey or RGB PNG (chunk tRNS), as Pillow compares it: the low 8
 * bits of each sample, against pixels in 8 bits; grey of 2 and 4 bits is compared unscaled.
 * undefined for other pictures.
 */
export function readTransparentColor(
  bytes: Uint8Array,
  { format, layout, bitDepth }: ImageHeader,
): [number, number, number] | undefined {
  if (format !== "png" || (layout !== "grey" && layout !== "rgb")) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tRNS = 0x74524e53;
  const IDAT = 0x49444154;
  for (let at = 33; at + 8 <= view.byteLength && view.getUint32(at + 4) !== IDAT;) {
    if (view.getUint32(at + 4) === tRNS) {
      const low = (offset: number): number => view.getUint16(at + 8 + offset) & 0xff;
      if (layout === "rgb") return [low(0), low(2), low(4)];
      const level = bitDepth === 1 ? (view.getUint16(at + 8) === 0 ? 0 : 255) : low(0);
      return [level, level, level];
    }
    at += 12 + view.getUint32(at);
  }
  return undefined;
}

/** Makes the pixels of [H, W, 3] that have this colour white, in place. */
export function whitenColor(data: Uint8Array, [r, g, b]: [number, number, number]): void {
  for (let i = 0; i < data.length; i += 3) {
    if (data[i] !== r || data[i + 1] !== g || data[i + 2] !== b) continue;
    data[i] = 255;
    data[i + 1] = 255;
    data[i + 2] = 255;
  }
}
