/**
 * Resizes 8-bit RGB as `tf.image.resize(image, size, method)` of TensorFlow 2 without antialiasing:
 * half-pixel centres, float32, two or four neighbours a side however much the picture shrinks; then
 * to 8 bits as big_vision and LiT do, clipped and truncated. Knows nothing about files.
 */
import { roundHalfEven } from "../crop.ts";
import type { RgbImage } from "../decode/decode.ts";
import { checkRegion, type Region, wholeOf } from "./resize.ts";

interface TensorFlowResizeOptions {
  /** pixels */
  width: number;
  /** pixels */
  height: number;
  interpolation: "bicubic" | "bilinear";
  /** Compute only this part of the result. Default: all of it. */
  window?: Region;
}

const { fround } = Math;

/**
 * big_vision's `resize_small` and LiT's `crop=True`: the shorter side becomes `shortest`, each side
 * times one float32 factor, rounded with halves to even.
 */
export function shortestSideAsTensorFlow(
  width: number,
  height: number,
  shortest: number,
): { width: number; height: number } {
  const factor = fround(shortest / Math.min(width, height));
  const side = (length: number): number => roundHalfEven(fround(length * factor));
  return { width: side(width), height: side(height) };
}

/**
 * The image resized to `width` x `height`, then cut to `window`.
 *
 * returns   [window.height, window.width, 3] uint8, a new array
 * throws    ShapeError if a size is not a positive whole number or the window leaves the result
 */
export function resizeAsTensorFlow(image: RgbImage, options: TensorFlowResizeOptions): RgbImage {
  const { width, height, interpolation } = options;
  const window = options.window ?? wholeOf(options);
  checkRegion("window", window, { width, height });
  const unchanged = image.width === width && image.height === height;
  const data = unchanged
    ? cut(image, window)
    : interpolation === "bilinear"
      ? bilinear(image, options, window)
      : bicubic(image, options, window);
  return { data, width: window.width, height: window.height };
}

/** TensorFlow hands back a picture that has the size already. */
function cut({ data, width }: RgbImage, window: Region): Uint8Array {
  const length = window.width * 3;
  const out = new Uint8Array(window.height * length);
  for (let y = 0; y < window.height; y++) {
    const at = ((window.top + y) * width + window.left) * 3;
    out.set(data.subarray(at, at + length), y * length);
  }
  return out;
}

/** The cast of big_vision's `resize`; bilinear values need no clipping. */
function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

/** Where output `at` looks in the input: `(at + 0.5) scale - 0.5` in float32. */
function sourcePosition(at: number, scale: number): number {
  return fround(fround(fround(at + 0.5) * scale) - 0.5);
}

/** Rows first, then columns: `a + (b - a) t` (`resize_bilinear_op.cc`). */
function bilinear(
  image: RgbImage,
  size: { width: number; height: number },
  window: Region,
): Uint8Array {
  const across = linearTaps(image.width, size.width, window.left, window.width);
  const down = linearTaps(image.height, size.height, window.top, window.height);
  const out = new Uint8Array(window.width * window.height * 3);
  const rows = [new Float32Array(window.width * 3), new Float32Array(window.width * 3)] as const;
  for (let y = 0, at = 0; y < window.height; y++) {
    const t = down.fraction[y] as number;
    blendColumns(image, down.lower[y] as number, across, rows[0]);
    blendColumns(image, down.upper[y] as number, across, rows[1]);
    for (let i = 0; i < rows[0].length; i++) {
      const [a, b] = [rows[0][i] as number, rows[1][i] as number];
      out[at++] = toByte(fround(a + fround(fround(b - a) * t)));
    }
  }
  return out;
}

interface LinearTaps {
  lower: Int32Array;
  upper: Int32Array;
  /** from lower to upper */
  fraction: Float32Array;
}

function linearTaps(inSize: number, outSize: number, begin: number, length: number): LinearTaps {
  const scale = fround(inSize / outSize);
  const taps: LinearTaps = {
    lower: new Int32Array(length),
    upper: new Int32Array(length),
    fraction: new Float32Array(length),
  };
  for (let i = 0; i < length; i++) {
    const position = sourcePosition(begin + i, scale);
    const floor = Math.floor(position);
    taps.lower[i] = Math.max(0, floor);
    taps.upper[i] = Math.min(inSize - 1, Math.ceil(position));
    taps.fraction[i] = position - floor;
  }
  return taps;
}

function blendColumns(
  { data, width }: RgbImage,
  row: number,
  { lower, upper, fraction }: LinearTaps,
  out: Float32Array,
): void {
  const start = row * width * 3;
  for (let x = 0, at = 0; x < lower.length; x++) {
    const left = start + (lower[x] as number) * 3;
    const right = start + (upper[x] as number) * 3;
    const t = fraction[x] as number;
    for (let c = 0; c < 3; c++) {
      const [a, b] = [data[left + c] as number, data[right + c] as number];
      out[at++] = a + fround((b - a) * t);
    }
  }
}

/** Columns first, then rows, four weights each (`resize_bicubic_op.cc`). */
function bicubic(
  image: RgbImage,
  size: { width: number; height: number },
  window: Region,
): Uint8Array {
  const across = cubicTaps(image.width, size.width, window.left, window.width);
  const down = cubicTaps(image.height, size.height, window.top, window.height);
  const out = new Uint8Array(window.width * window.height * 3);
  const stride = image.width * 3;
  const mixed = new Float32Array(stride);
  for (let y = 0, at = 0; y < window.height; y++) {
    const [r0, r1, r2, r3] = four(down.index, y);
    const wy = four(down.weight, y);
    for (let i = 0; i < stride; i++) {
      mixed[i] = weighted(
        wy,
        image.data[r0 * stride + i] as number,
        image.data[r1 * stride + i] as number,
        image.data[r2 * stride + i] as number,
        image.data[r3 * stride + i] as number,
      );
    }
    for (let x = 0; x < window.width; x++) {
      const [c0, c1, c2, c3] = four(across.index, x);
      const wx = four(across.weight, x);
      for (let c = 0; c < 3; c++) {
        const value = weighted(
          wx,
          mixed[c0 * 3 + c] as number,
          mixed[c1 * 3 + c] as number,
          mixed[c2 * 3 + c] as number,
          mixed[c3 * 3 + c] as number,
        );
        out[at++] = toByte(value);
      }
    }
  }
  return out;
}

type Four = [number, number, number, number];

function four(values: Int32Array | Float32Array, at: number): Four {
  const i = at * 4;
  return [values[i], values[i + 1], values[i + 2], values[i + 3]] as Four;
}

function weighted(w: Four, a: number, b: number, c: number, d: number): number {
  const first = fround(fround(a * w[0]) + fround(b * w[1]));
  return fround(fround(first + fround(c * w[2])) + fround(d * w[3]));
}

/** TensorFlow rounds the place between two pixels to this many steps. */
const CUBIC_STEPS = 1024;

/** Keys' cubic with a = -0.5 at distance `x` from 0 to 2. */
function keys(x: number): number {
  if (x < 1) return fround((1.5 * x - 2.5) * x * x + 1);
  return fround(((-0.5 * x + 2.5) * x - 4) * x + 2);
}

/** Four neighbours; those outside weigh nothing, and the rest are brought to a sum of 1. */
function cubicTaps(
  inSize: number,
  outSize: number,
  begin: number,
  length: number,
): { index: Int32Array; weight: Float32Array } {
  const scale = fround(inSize / outSize);
  const index = new Int32Array(length * 4);
  const weight = new Float32Array(length * 4);
  for (let i = 0; i < length; i++) {
    const position = sourcePosition(begin + i, scale);
    const floor = Math.floor(position);
    const step = roundHalfEven((position - floor) * CUBIC_STEPS) / CUBIC_STEPS;
    const weights = [1 + step, step, 1 - step, 2 - step].map((distance, k) => {
      const source = floor - 1 + k;
      index[i * 4 + k] = Math.min(inSize - 1, Math.max(0, source));
      return source >= 0 && source < inSize ? keys(distance) : 0;
    });
    const total = weights.reduce((sum, w) => fround(sum + w), 0);
    const inverse = Math.abs(total) < 1e-35 ? 1 : fround(1 / total);
    for (let k = 0; k < 4; k++) weight[i * 4 + k] = (weights[k] as number) * inverse;
  }
  return { index, weight };
}
