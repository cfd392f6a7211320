/** Sizes, crops, turns and layouts of RGB images, by the rules of torchvision and Pillow. */
import type { RgbImage } from "./decode/decode.ts";
import { pixelsAddon } from "./native-pixels.ts";
import type { Region } from "./resize/resize.ts";

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The size whose shorter side is `shortest`; the longer is `int(shortest * long / short)`. */
export function shortestSideSize(
  width: number,
  height: number,
  shortest: number,
): { width: number; height: number } {
  if (width <= height) return { width: shortest, height: Math.trunc((shortest * height) / width) };
  return { width: Math.trunc((shortest * width) / height), height: shortest };
}

/**
 * The size whose longer side is `longest`, both rounded with halves to even: `ResizeKeepRatio` of
 * open_clip and timm. A side that would vanish, where those fail, is one pixel.
 */
export function longestSideSize(
  width: number,
  height: number,
  longest: number,
): { width: number; height: number } {
  const ratio = Math.max(width / longest, height / longest);
  const side = (length: number): number => Math.max(1, roundHalfEven(length / ratio));
  return { width: side(width), height: side(height) };
}

/** Where half a pixel goes when a centre falls between two: torchvision, or transformers. */
export type CropRounding = "halfEven" | "down";

/** Where `size` is cut out of a larger image: `round((side - size) / 2)`. */
export function centerRegion(
  width: number,
  height: number,
  size: number,
  rounding: CropRounding = "halfEven",
): Region {
  const offset = rounding === "down" ? Math.floor : roundHalfEven;
  const left = offset((width - size) / 2);
  const top = offset((height - size) / 2);
  return { left, top, width: size, height: size };
}

/** `cropOrPad` with black, as torchvision's CenterCrop. */
export function centerCrop(image: RgbImage, size: number): RgbImage {
  return cropOrPad(image, size);
}

/**
 * The middle `size` x `size` pixels, as `CenterCropOrPad` of open_clip and timm: a side shorter than
 * `size` is first padded with `fill`, half of it before (rounded down) and the rest after.
 */
export function cropOrPad(
  image: RgbImage,
  size: number,
  fill: readonly [number, number, number] = [0, 0, 0],
): RgbImage {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`Expected a positive whole number for size but received ${size}.`);
  }
  const width = Math.max(image.width, size);
  const height = Math.max(image.height, size);
  const { left, top } = centerRegion(width, height, size);
  const padLeft = Math.floor((width - image.width) / 2);
  const padTop = Math.floor((height - image.height) / 2);
  const data = new Uint8Array(size * size * 3);
  if (fill.some((level) => level !== 0)) {
    for (let i = 0; i < data.length; i++) data[i] = fill[i % 3] as number;
  }
  const columns = Math.min(image.width, size);
  const [toX, fromX] = [Math.max(0, padLeft - left), Math.max(0, left - padLeft)];
  for (let y = 0; y < size; y++) {
    const row = y + top - padTop;
    if (row < 0 || row >= image.height) continue;
    const from = (row * image.width + fromX) * 3;
    data.set(image.data.subarray(from, from + columns * 3), (y * size + toX) * 3);
  }
  return { data, width: size, height: size };
}

/** Writes interleaved [H, W, 3] pixels into `out` as planes, [3, H, W]. */
export function writePlanes(data: Uint8Array, out: Uint8Array): void {
  const addon = pixelsAddon();
  if (addon !== undefined) {
    addon.writePlanes(data, out);
    return;
  }
  const plane = data.length / 3;
  for (let i = 0, at = 0; i < plane; i++, at += 3) {
    out[i] = data[at] as number;
    out[plane + i] = data[at + 1] as number;
    out[2 * plane + i] = data[at + 2] as number;
  }
}

/**
 * The image with EXIF orientation 1 to 8 undone (Exif 2.32, tag 0x0112), equal to
 * `PIL.ImageOps.exif_transpose`. Other values, and 1, return the image itself.
 */
export function applyOrientation(image: RgbImage, orientation: number): RgbImage {
  if (!(orientation >= 2 && orientation <= 8)) return image;
  const { data, width: w, height: h } = image;
  const swapped = orientation >= 5;
  const [width, height] = swapped ? [h, w] : [w, h];
  const mirrored = [2, 3, 7, 8].includes(orientation);
  const flipped = [3, 4, 6, 7].includes(orientation);
  const out = new Uint8Array(data.length);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Undo the turn: (column, row) of the stored pixel that lands on (x, y).
      const [u, v] = swapped ? [y, x] : [x, y];
      const column = mirrored ? w - 1 - u : u;
      const row = flipped ? h - 1 - v : v;
      const from = (row * w + column) * 3;
      out[at++] = data[from] as number;
      out[at++] = data[from + 1] as number;
      out[at++] = data[from + 2] as number;
    }
  }
  return { data: out, width, height };
}

interface Size {
  width: number;
  height: number;
}

/** The largest square in the middle. */
export function centralSquare({ width, height }: Size): Region {
  const side = Math.min(width, height);
  const [left, top] = [Math.floor((width - side) / 2), Math.floor((height - side) / 2)];
  return { left, top, width: side, height: side };
}

/**
 * The rectangle of torchvision's RandomResizedCrop: a part of the area uniform in `scale`, an aspect
 * ratio log-uniform in `ratio`, placed uniformly. After ten that do not fit, the central rectangle
 * whose ratio is the nearest allowed one to the picture's.
 */
export function drawResizedCrop(
  { width, height }: Size,
  { scale, ratio }: { scale: readonly [number, number]; ratio: readonly [number, number] },
  next: () => number,
): Region {
  const [logLow, logHigh] = [Math.log(ratio[0]), Math.log(ratio[1])];
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * (scale[0] + (scale[1] - scale[0]) * next());
    const aspect = Math.exp(logLow + (logHigh - logLow) * next());
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = Math.floor(next() * (height - h + 1));
    const left = Math.floor(next() * (width - w + 1));
    return { left, top, width: w, height: h };
  }
  const own = width / height;
  let [w, h] = [width, height];
  if (own < ratio[0]) h = Math.max(1, roundHalfEven(width / ratio[0]));
  else if (own > ratio[1]) w = Math.max(1, roundHalfEven(height * ratio[1]));
  return {
    left: Math.floor((width - w) / 2),
    top: Math.floor((height - h) / 2),
    width: w,
    height: h,
  };
}
