/**
 * Resizes pictures in the modes that Pillow opens them with, and then converts them to RGB: the order of
 * `preprocess(Image.open(file))` of OpenAI and open_clip (torchvision's Resize on Pillow's images).
 */
import { cmykToRgb, type RgbImage } from "../decode/decode.ts";
import type { StoredPicture } from "../decode/stored.ts";
import { type Region, resizeImage, type ResizeOptions, scaledKernel, wholeOf } from "./resize.ts";

type StoredOptions = Pick<ResizeOptions, "width" | "height" | "interpolation" | "window">;

/** [window.height, window.width, 3], equal to `image.resize(size, filter).convert("RGB").crop(window)`. */
export function resizeStored(stored: StoredPicture, options: StoredOptions): RgbImage {
  const { image } = stored;
  const isWhole = image.width === options.width && image.height === options.height;
  // Of a picture that keeps its size Pillow does nothing, alpha included.
  if (stored.kind === "rgb" || (isWhole && stored.kind !== "cmyk" && stored.kind !== "grey16")) {
    return resizeImage(image, options);
  }
  switch (stored.kind) {
    case "indexed":
      return nearest(image, options);
    case "grey16":
      return clipped(resizeGrey16(image, options));
    case "cmyk":
      return joined(resizeImage(image, options), resizeImage(stored.black, options));
    case "alpha": {
      const across = resizeImage(premultiplied(image, stored.alpha), options);
      return divided(across, resizeImage(stored.alpha, options));
    }
  }
}

/** The nearest pixel, whose place Pillow finds by adding up the scale (Geometry.c, ImagingScaleAffine). */
function nearest(image: RgbImage, { width, height, window: given }: StoredOptions): RgbImage {
  const window = given ?? wholeOf({ width, height });
  const columns = places(image.width, width, [window.left, window.width]);
  const rows = places(image.height, height, [window.top, window.height]);
  const data = new Uint8Array(window.width * window.height * 3);
  let at = 0;
  for (const y of rows) {
    for (const x of columns) {
      const from = (y * image.width + x) * 3;
      data[at++] = image.data[from] as number;
      data[at++] = image.data[from + 1] as number;
      data[at++] = image.data[from + 2] as number;
    }
  }
  return { data, width: window.width, height: window.height };
}

function places(inSize: number, outSize: number, [begin, length]: [number, number]): number[] {
  const scale = inSize / outSize;
  const found: number[] = [];
  let place = scale * 0.5;
  for (let i = 0; i < begin + length; i++, place += scale) {
    if (i >= begin) found.push(Math.min(Math.trunc(place), inSize - 1));
  }
  return found;
}

/** Colours times alpha, as Pillow's RGBa. */
function premultiplied(image: RgbImage, { data: alpha }: RgbImage): RgbImage {
  const data = image.data.map((level, i) => {
    const product = level * (alpha[i] as number) + 128;
    return ((product >> 8) + product) >> 8;
  });
  return { ...image, data };
}

function divided(image: RgbImage, { data: alpha }: RgbImage): RgbImage {
  const data = image.data.map((level, i) => {
    const a = alpha[i] as number;
    return a === 0 || a === 255 ? level : Math.min(255, Math.trunc((255 * level) / a));
  });
  return { ...image, data };
}

function joined({ data, width, height }: RgbImage, { data: black }: RgbImage): RgbImage {
  const inks = new Uint8Array(width * height * 4);
  for (let i = 0, at = 0; at < data.length; i += 4, at += 3) {
    inks.set(data.subarray(at, at + 3), i);
    inks[i + 3] = black[at] as number;
  }
  return { data: cmykToRgb(inks), width, height };
}

/** 16 bits to RGB, where all above 255 is white. */
function clipped({ samples, width, height }: Grey16): RgbImage {
  const data = new Uint8Array(samples.length * 3);
  for (const [i, sample] of samples.entries()) data.fill(Math.min(255, sample), 3 * i, 3 * i + 3);
  return { data, width, height };
}

interface Grey16 {
  samples: Uint16Array;
  width: number;
  height: number;
}

/** Resample.c, `_16bpc`: weights in double precision, each pass rounded to 16 bits. */
function resizeGrey16(image: RgbImage, options: StoredOptions): Grey16 {
  const { width, height } = options;
  const whole: Grey16 = {
    samples: Uint16Array.from({ length: image.width * image.height }, (_, i) => {
      return ((image.data[3 * i] as number) << 8) | (image.data[3 * i + 1] as number);
    }),
    width: image.width,
    height: image.height,
  };
  const across = (input: Grey16): Grey16 => pass(input, { size: width, ...options });
  const down = (input: Grey16): Grey16 =>
    transposed(pass(transposed(input), { size: height, ...options }));
  // The order of `resizeImage`.
  const tall = image.height > height;
  const verticalFirst = tall && image.height - height > 2 * (image.width - width);
  const resized = verticalFirst ? across(down(whole)) : down(across(whole));
  return cut(resized, options.window ?? wholeOf(options));
}

function pass(
  input: Grey16,
  { size, interpolation }: Pick<StoredOptions, "interpolation"> & { size: number },
): Grey16 {
  if (input.width === size) return input;
  const kernel = scaledKernel(input.width, size, interpolation);
  const weights = new Float64Array(kernel.taps);
  const samples = new Uint16Array(size * input.height);
  for (let x = 0; x < size; x++) {
    const { low, n } = kernel.weigh(x, weights);
    for (let y = 0; y < input.height; y++) {
      let sum = 0;
      const from = y * input.width + low;
      for (let k = 0; k < n; k++) {
        sum += (input.samples[from + k] as number) * (weights[k] as number);
      }
      samples[y * size + x] = rounded(sum);
    }
  }
  return { samples, width: size, height: input.height };
}

/** Both bytes are clipped on their own: what is too great keeps its low byte. */
function rounded(sum: number): number {
  if (sum < 0) return 0;
  const whole = Math.floor(sum + 0.5);
  return (Math.min(255, whole >> 8) << 8) | (whole & 255);
}

function transposed({ samples, width, height }: Grey16): Grey16 {
  const turned = new Uint16Array(samples.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) turned[x * height + y] = samples[y * width + x] as number;
  }
  return { samples: turned, width: height, height: width };
}

function cut({ samples, width: stride }: Grey16, { left, top, width, height }: Region): Grey16 {
  const part = new Uint16Array(width * height);
  for (let y = 0; y < height; y++) {
    const from = (top + y) * stride + left;
    part.set(samples.subarray(from, from + width), y * width);
  }
  return { samples: part, width, height };
}
