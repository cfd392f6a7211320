/** Transparent pixels on white, by Pillow's rules. Knows nothing about decoding. */
import type { ImageHeader } from "./image-header.ts";

/**
 * Blends [H, W, 3] pixels onto white in place by their alpha, [H, W]: Pillow's `alpha_composite`
 * over an opaque background, which is (c a + 255 (255 - a)) / 255, rounded.
 */
export function blendOntoWhite(data: Uint8Array, alpha: Uint8Array): void {
  for (let i = 0; i < data.length; i++) {
    const a = alpha[Math.trunc(i / 3)] as number;
    const product = (data[i] as number) * a + 255 * (255 - a) + 128;
    data[i] = ((product >> 8) + product) >> 8;
  }
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

/** 0 where a pixel of [H, W, 3] has this colour, else 255; [H, W]. */
export function maskOfColor(data: Uint8Array, [r, g, b]: [number, number, number]): Uint8Array {
  return Uint8Array.from({ length: data.length / 3 }, (_, i) =>
    data[3 * i] === r && data[3 * i + 1] === g && data[3 * i + 2] === b ? 0 : 255,
  );
}
