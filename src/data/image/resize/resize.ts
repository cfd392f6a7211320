/**
 * Resizes 8-bit RGB as Pillow or torchvision do, to the pixel: separable convolution in fixed point,
 * one axis after the other, each rounded to 8 bits. Knows nothing about files.
 */
import { ShapeError } from "../../../errors.ts";
import type { RgbImage } from "../decode/decode.ts";
import { Scratch } from "../scratch.ts";
import { type Part, resizeColumns, resizeRows, type Weights } from "./passes.ts";

export type Interpolation = "bicubic" | "bilinear" | "lanczos";

/** Offset and size in whole pixels. */
export interface Region {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface ResizeOptions {
  /** pixels */
  width: number;
  /** pixels */
  height: number;
  interpolation: Interpolation;
  /**
   * `pillow`: 22-bit weights, and of a picture that shrinks in height more than in width the columns
   * first, as Pillow 13; `torchvision`: 16-bit weights, always rows first, as its antialiased resizing
   * of uint8 tensors on CPUs. They differ by a level, by more where the order does. Default: `pillow`
   */
  resampler?: "pillow" | "torchvision";
  /** Resize only this part of the source, as if it had been cropped first. Default: all of it. */
  source?: Region;
  /** Compute only this part of the result, as if it were cropped afterwards. Default: all of it. */
  window?: Region;
}

/** Pillow's kernels: Keys' cubic with a = -0.5 on [-2, 2]; the triangle on [-1, 1]; Lanczos-3. */
const KERNELS: Record<Interpolation, { support: number; weight: (x: number) => number }> = {
  bicubic: {
    support: 2,
    weight(x) {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
    },
  },
  bilinear: {
    support: 1,
    weight: (x) => Math.max(0, 1 - Math.abs(x)),
  },
  lanczos: {
    support: 3,
    weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0),
  },
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** Weights carry up to 22 fractional bits: 255 times a sum of weights stays below 2^31. */
const PRECISION = 22;

/**
 * The image (or its part `source`) resized to `width` x `height`, then cut to `window`; equal to
 * `image.crop(source).resize((width, height), interpolation).crop(window)` of Pillow 13, or to
 * torchvision's `resize(crop(image), (height, width), interpolation, antialias=True)` and its cut.
 *
 * returns   [window.height, window.width, 3] uint8, a new array
 * throws    ShapeError if a size is not a positive whole number or a region leaves its image
 */
export function resizeImage(image: RgbImage, options: ResizeOptions): RgbImage {
  const { width, height, interpolation } = options;
  const source = options.source ?? wholeOf(image);
  const window = options.window ?? wholeOf(options);
  checkRegion("source", source, image);
  checkRegion("window", window, { width, height });

  const { resampler = "pillow" } = options;
  const method = { interpolation, resampler };
  const across = computeWeights(source.width, width, [window.left, window.width], method);
  const down = computeWeights(source.height, height, [window.top, window.height], method);
  const columns = inputRange(across);
  const rows = inputRange(down);
  // Only the source pixels that the weights reach.
  const part: Part = {
    data: image.data,
    from: ((source.top + rows.first) * image.width + source.left + columns.first) * 3,
    stride: image.width * 3,
    width: columns.length,
    height: rows.length,
  };
  shiftInput(across, columns.first);
  shiftInput(down, rows.first);
  // A pass that would change nothing is left out. Pillow 13 goes vertically first where that makes
  // less work; before 13 it never did, which differs by some levels for tall images.
  const tall = source.height > height;
  const verticalFirst =
    resampler === "pillow" && tall && source.height - height > 2 * (source.width - width);
  const wide = source.width !== width;
  const high = source.height !== height;
  const between = wide && high ? scratch : undefined;
  const horizontal = (input: Part, into?: Scratch): Part =>
    wide ? resizeRows(input, across, into) : input;
  const vertical = (input: Part, into?: Scratch): Part =>
    high ? resizeColumns(input, down, into) : input;
  const result = verticalFirst
    ? horizontal(vertical(part, between))
    : vertical(horizontal(part, between));
  const data = result.data === image.data ? packed(result) : result.data;
  return { data, width: window.width, height: window.height };
}

/** What lies between the two passes. */
const scratch = new Scratch();

type Method = Required<Pick<ResizeOptions, "interpolation" | "resampler">>;

/** Input range and fixed-point weights of outputs `begin` to `begin + length` of `outSize`. */
function computeWeights(
  inSize: number,
  outSize: number,
  [begin, length]: readonly [begin: number, length: number],
  { interpolation, resampler }: Method,
): Weights {
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  if (inSize === outSize) {
    for (let i = 0; i < length; i++) first[i] = begin + i;
    const weight = new Int32Array(length);
    return { first, count: count.fill(1), weight, taps: 1, precision: PRECISION };
  }
  const kernel = scaledKernel(inSize, outSize, interpolation);
  const { taps } = kernel;
  const exact = new Float64Array(taps);
  const precision =
    resampler === "pillow" ? PRECISION : precisionOf(largestWeight(kernel, outSize, exact));
  const weight = new Int32Array(length * taps);
  for (let i = 0; i < length; i++) {
    const { low, n } = kernel.weigh(begin + i, exact);
    for (let k = 0; k < n; k++) {
      const w = exact[k] as number;
      weight[i * taps + k] = Math.trunc(w * (1 << precision) + (w < 0 ? -0.5 : 0.5));
    }
    first[i] = low;
    count[i] = n;
  }
  return { first, count, weight, taps, precision };
}

interface ScaledKernel {
  /** The most weights that an output has. */
  taps: number;
  /** Puts the weights of output `at`, of sum 1, into `exact`: `n` of them from input `low`. */
  weigh(at: number, exact: Float64Array): { low: number; n: number };
}

/** The weights of every output of `outSize` from inputs of `inSize`. */
export function scaledKernel(
  inSize: number,
  outSize: number,
  interpolation: Interpolation,
): ScaledKernel {
  const kernel = KERNELS[interpolation];
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = kernel.support * filterScale;
  const inverse = 1 / filterScale;
  return {
    taps: Math.ceil(support) * 2 + 1,
    weigh(at, exact) {
      const center = (at + 0.5) * scale;
      const low = Math.max(0, Math.trunc(center - support + 0.5));
      const n = Math.min(inSize, Math.trunc(center + support + 0.5)) - low;
      let sum = 0;
      for (let k = 0; k < n; k++) {
        const w = kernel.weight((k + low - center + 0.5) * inverse);
        exact[k] = w;
        sum += w;
      }
      if (sum !== 0) for (let k = 0; k < n; k++) exact[k] = (exact[k] as number) / sum;
      return { low, n };
    },
  };
}

function largestWeight(kernel: ScaledKernel, outSize: number, exact: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < outSize; i++) {
    const { n } = kernel.weigh(i, exact);
    for (let k = 0; k < n; k++) largest = Math.max(largest, exact[k] as number);
  }
  return largest;
}

/** The fractional bits with which torchvision's largest weight fits 16 bits and a sign. */
function precisionOf(largest: number): number {
  let precision = 0;
  while (precision < PRECISION && Math.trunc(0.5 + largest * 2 ** (precision + 1)) < 1 << 15) {
    precision++;
  }
  return precision;
}

/** The inputs that any of the weights reach: `length` of them from `first`. */
function inputRange({ first, count }: Weights): { first: number; length: number } {
  const last = first.length - 1;
  const begin = first[0] as number;
  return { first: begin, length: (first[last] as number) + (count[last] as number) - begin };
}

function shiftInput({ first }: Weights, by: number): void {
  for (let i = 0; i < first.length; i++) first[i] = (first[i] as number) - by;
}

/** The rectangle's own pixels without gaps, in a new array. */
function packed({ data, from, stride, width, height }: Part): Uint8Array {
  const length = width * 3;
  const out = new Uint8Array(height * length);
  for (let y = 0; y < height; y++) {
    const at = from + y * stride;
    out.set(data.subarray(at, at + length), y * length);
  }
  return out;
}

/** All of a picture of this size. */
export function wholeOf({ width, height }: { width: number; height: number }): Region {
  return { left: 0, top: 0, width, height };
}

/** Refuses a region that is empty, not of whole pixels, or not within `within`. */
export function checkRegion(
  name: string,
  region: Region,
  within: { width: number; height: number },
): void {
  const { left, top, width, height } = region;
  const whole = [left, top, width, height, within.width, within.height].every(Number.isInteger);
  const fits =
    left >= 0 && top >= 0 && left + width <= within.width && top + height <= within.height;
  if (whole && fits && width > 0 && height > 0) return;
  throw new ShapeError(
    `Expected a non-empty region of whole pixels within ${within.width} x ${within.height} for ` +
      `${name} but received ${width} x ${height} at (${left}, ${top}).`,
  );
}
