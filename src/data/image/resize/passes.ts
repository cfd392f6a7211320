/**
 * The two passes of a separable resize in fixed point, in the addon where it is built. Sums wrap around in
 * 32 bits on either way, so that both give the same bytes.
 */
import { pixelsAddon } from "../native-pixels.ts";
import type { Scratch } from "../scratch.ts";

/** For output i, `taps` weights from `i * taps`, the first `count[i]` used, from input `first[i]`. */
export interface Weights {
  first: Int32Array;
  count: Int32Array;
  weight: Int32Array;
  taps: number;
  /** fractional bits of a weight */
  precision: number;
}

/** A rectangle of RGB pixels in a larger array; its row y starts at `from + y * stride` bytes. */
export interface Part {
  data: Uint8Array;
  from: number;
  stride: number;
  width: number;
  height: number;
}

/**
 * Horizontal pass: every output pixel is a weighted sum of neighbours in its row. The result is in
 * `scratch` where that is given.
 */
export function resizeRows(part: Part, weights: Weights, scratch?: Scratch): Part {
  const addon = pixelsAddon();
  if (addon === undefined) return plainRows(part, weights);
  const { data, from, stride, height } = part;
  const { first, count, weight, taps, precision } = weights;
  const width = first.length;
  const out = memory(height * width * 3, scratch);
  addon.resizeRows(data, from, stride, height, first, count, weight, taps, precision, out);
  return { data: out, from: 0, stride: width * 3, width, height };
}

/** Vertical pass: every output pixel is a weighted sum of neighbours in its column; as `resizeRows`. */
export function resizeColumns(part: Part, weights: Weights, scratch?: Scratch): Part {
  const addon = pixelsAddon();
  if (addon === undefined) return plainColumns(part, weights);
  const { data, from, stride, width } = part;
  const { first, count, weight, taps, precision } = weights;
  const height = first.length;
  const length = width * 3;
  const out = memory(height * length, scratch);
  addon.resizeColumns(data, from, stride, length, first, count, weight, taps, precision, out);
  return { data: out, from: 0, stride: length, width, height };
}

function memory(length: number, scratch: Scratch | undefined): Uint8Array {
  return scratch?.take(length) ?? new Uint8Array(length);
}

/** `resizeRows` without the addon. */
export function plainRows({ data, from, stride, height }: Part, weights: Weights): Part {
  const { first, count, weight, taps, precision } = weights;
  const half = 1 << (precision - 1);
  const width = first.length;
  const out = new Uint8Array(height * width * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    const row = from + y * stride;
    for (let x = 0; x < width; x++) {
      let pixel = row + (first[x] as number) * 3;
      let k = x * taps;
      const end = k + (count[x] as number);
      let r = half;
      let g = half;
      let b = half;
      for (; k < end; k++) {
        const w = weight[k] as number;
        r = (r + Math.imul(w, data[pixel] as number)) | 0;
        g = (g + Math.imul(w, data[pixel + 1] as number)) | 0;
        b = (b + Math.imul(w, data[pixel + 2] as number)) | 0;
        pixel += 3;
      }
      out[at] = clip8(r, precision);
      out[at + 1] = clip8(g, precision);
      out[at + 2] = clip8(b, precision);
      at += 3;
    }
  }
  return { data: out, from: 0, stride: width * 3, width, height };
}

/** `resizeColumns` without the addon: four neighbouring bytes at a time share their weights. */
export function plainColumns({ data, from, stride, width }: Part, weights: Weights): Part {
  const { first, count, weight, taps, precision } = weights;
  const half = 1 << (precision - 1);
  const height = first.length;
  const length = width * 3;
  // A little room behind the last row lets every row end in a group of four.
  const out = new Uint8Array(height * length + 3);
  for (let y = 0; y < height; y++) {
    const start = from + (first[y] as number) * stride;
    const begin = y * taps;
    const end = begin + (count[y] as number);
    let at = y * length;
    for (let x = 0; x < length; x += 4) {
      let a = half;
      let b = half;
      let c = half;
      let d = half;
      let from4 = start + x;
      for (let k = begin; k < end; k++) {
        const w = weight[k] as number;
        a = (a + Math.imul(w, data[from4] as number)) | 0;
        b = (b + Math.imul(w, data[from4 + 1] as number)) | 0;
        c = (c + Math.imul(w, data[from4 + 2] as number)) | 0;
        d = (d + Math.imul(w, data[from4 + 3] as number)) | 0;
        from4 += stride;
      }
      out[at] = clip8(a, precision);
      out[at + 1] = clip8(b, precision);
      out[at + 2] = clip8(c, precision);
      out[at + 3] = clip8(d, precision);
      at += 4;
    }
  }
  return { data: out.subarray(0, height * length), from: 0, stride: length, width, height };
}

function clip8(sum: number, precision: number): number {
  const value = sum >> precision;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
