import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ShapeError } from "../../../errors.ts";
import {
  centerCrop,
  centerRegion,
  cropOrPad,
  longestSideSize,
  roundHalfEven,
  shortestSideSize,
} from "../crop.ts";
import type { RgbImage } from "../decode/decode.ts";
import { resizeAsTensorFlow } from "./resize-tensorflow.ts";
import { type Interpolation, type Region, resizeImage } from "./resize.ts";

/** Pixels that depend on their place, so that a wrong offset shows. */
function pattern(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = (Math.imul(i + 7, 2654435761) >>> 13) & 0xff;
  return { data, width, height };
}

function cut({ data, width }: RgbImage, region: Region): RgbImage {
  const rows: number[] = [];
  for (let y = 0; y < region.height; y++) {
    const at = ((region.top + y) * width + region.left) * 3;
    rows.push(...data.subarray(at, at + region.width * 3));
  }
  return { data: Uint8Array.from(rows), width: region.width, height: region.height };
}

const SIZES: [from: [number, number], to: [number, number]][] = [
  [
    [40, 30],
    [16, 12],
  ],
  [
    [23, 61],
    [20, 17],
  ],
  [
    [9, 7],
    [31, 25],
  ],
  [
    [64, 8],
    [8, 8],
  ],
  [
    [8, 64],
    [8, 8],
  ],
  [
    [1, 1],
    [5, 4],
  ],
  [
    [37, 90],
    [36, 3],
  ],
];
const SAME: (typeof SIZES)[number] = [
  [6, 5],
  [6, 5],
];
const KERNELS: Interpolation[] = ["bicubic", "bilinear", "lanczos"];

describe("resizeImage refuses", () => {
  const image = pattern(8, 6);
  const options = { width: 4, height: 4, interpolation: "bicubic" } as const;
  it("sizes that are not positive whole numbers", () => {
    for (const width of [0, -3, 2.5, NaN]) {
      assert.throws(() => resizeImage(image, { ...options, width }), ShapeError);
    }
  });
  it("regions outside the picture", () => {
    assert.throws(
      () => resizeImage(image, { ...options, source: { left: 5, top: 0, width: 4, height: 6 } }),
      /within 8 x 6 for source but received 4 x 6 at \(5, 0\)/,
    );
    assert.throws(
      () => resizeImage(image, { ...options, window: { left: 0, top: -1, width: 4, height: 4 } }),
      /within 4 x 4 for window/,
    );
  });
});

describe("resizeImage", () => {
  it("gives torchvision's pixels in a window as cut from the whole", () => {
    for (const [[w, h], [width, height]] of SIZES) {
      const options = {
        width,
        height,
        interpolation: "bicubic",
        resampler: "torchvision",
      } as const;
      const image = pattern(w, h);
      const window = { left: width >> 1, top: 0, width: (width + 1) >> 1, height: height >> 1 };
      const part = resizeImage(image, { ...options, window });
      assert.deepEqual(part, cut(resizeImage(image, options), window), `${w}x${h}`);
    }
  });
  it("gives the same pixels in a window as cut from the whole", () => {
    for (const [[w, h], [width, height]] of SIZES) {
      for (const interpolation of KERNELS) {
        const image = pattern(w, h);
        const whole = resizeImage(image, { width, height, interpolation });
        const window = { left: width >> 1, top: height >> 2, width: (width + 1) >> 1, height: 1 };
        const part = resizeImage(image, { width, height, interpolation, window });
        assert.deepEqual(part, cut(whole, window), `${w}x${h} to ${width}x${height}`);
      }
    }
  });
  it("of a source region equals resizing the cropped picture", () => {
    for (const [[w, h], [width, height]] of SIZES) {
      const outer = pattern(w + 9, h + 5);
      const source = { left: 4, top: 3, width: w, height: h };
      for (const interpolation of KERNELS) {
        const direct = resizeImage(outer, { width, height, interpolation, source });
        const cropped = resizeImage(cut(outer, source), { width, height, interpolation });
        assert.deepEqual(direct, cropped);
      }
    }
  });
  it("keeps a flat picture flat, at both ends of the range", () => {
    for (const value of [0, 1, 128, 255]) {
      for (const [[w, h], [width, height]] of SIZES) {
        const image = { data: new Uint8Array(w * h * 3).fill(value), width: w, height: h };
        const { data } = resizeImage(image, { width, height, interpolation: "bicubic" });
        assert.ok(data.every((sample) => sample === value));
      }
    }
  });
  it("returns a copy when nothing changes", () => {
    const image = pattern(6, 5);
    const same = resizeImage(image, { width: 6, height: 5, interpolation: "bicubic" });
    assert.deepEqual(same.data, image.data);
    assert.notEqual(same.data, image.data);
  });
});

describe("resizeAsTensorFlow", () => {
  const methods = ["bilinear", "bicubic"] as const;
  it("refuses impossible sizes and windows", () => {
    const image = pattern(8, 6);
    const options = { width: 4, height: 4, interpolation: "bilinear" } as const;
    assert.throws(() => resizeAsTensorFlow(image, { ...options, width: 0 }), ShapeError);
    const window = { left: 2, top: 0, width: 3, height: 4 };
    assert.throws(
      () => resizeAsTensorFlow(image, { ...options, window }),
      /within 4 x 4 for window/,
    );
  });
  it("gives the same pixels in a window as cut from the whole", () => {
    for (const [[w, h], [width, height]] of [...SIZES, SAME]) {
      for (const interpolation of methods) {
        const image = pattern(w, h);
        const whole = resizeAsTensorFlow(image, { width, height, interpolation });
        const window = { left: width >> 1, top: height >> 2, width: (width + 1) >> 1, height: 1 };
        const part = resizeAsTensorFlow(image, { width, height, interpolation, window });
        assert.deepEqual(part, cut(whole, window), `${w}x${h} to ${width}x${height}`);
      }
    }
  });
  it("takes single pixels where it shrinks, since it does not antialias", () => {
    const image = pattern(9, 9);
    const { data } = resizeAsTensorFlow(image, { width: 3, height: 3, interpolation: "bilinear" });
    // Output centres fall on the centres of input pixels 1, 4 and 7.
    const expected = [1, 4, 7].flatMap((y) =>
      [1, 4, 7].flatMap((x) => [...cut(image, { left: x, top: y, width: 1, height: 1 }).data]),
    );
    assert.deepEqual([...data], expected);
  });
});

describe("torchvision's sizes and crops", () => {
  it("rounds the shorter side after the longest, and half an offset down when told", () => {
    assert.deepEqual(longestSideSize(640, 427, 224), { width: 224, height: 149 });
    assert.deepEqual(longestSideSize(1, 1000, 32), { width: 1, height: 32 });
    assert.deepEqual(centerRegion(7, 5, 4, "down"), { left: 1, top: 0, width: 4, height: 4 });
    assert.deepEqual(centerRegion(7, 5, 4), { left: 2, top: 0, width: 4, height: 4 });
  });
  it("fills what a picture does not cover", () => {
    const image = { data: new Uint8Array(3).fill(9), width: 1, height: 1 };
    const { data } = cropOrPad(image, 2, [1, 2, 3]);
    assert.deepEqual([...data], [9, 9, 9, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  });
  it("rounds halves to even", () => {
    assert.deepEqual([0.5, 1.5, 2.5, 2.4, 2.6, 3].map(roundHalfEven), [0, 2, 2, 2, 3, 3]);
  });
  it("truncates the longer side", () => {
    assert.deepEqual(shortestSideSize(640, 427, 224), { width: 335, height: 224 });
    assert.deepEqual(shortestSideSize(427, 640, 224), { width: 224, height: 335 });
    assert.deepEqual(shortestSideSize(5, 5, 7), { width: 7, height: 7 });
  });
  it("pads a small picture with black, the odd pixel behind", () => {
    const image = { data: new Uint8Array(2 * 1 * 3).fill(9), width: 2, height: 1 };
    const { data } = centerCrop(image, 4);
    const filled = [...data.keys()].filter((i) => data[i] === 9);
    // Row 1 of 0..3, columns 1 and 2: (4 - 1) // 2 = 1 row and (4 - 2) // 2 = 1 column before.
    assert.deepEqual(filled, [15, 16, 17, 18, 19, 20]);
  });
  it("cuts one side and pads the other", () => {
    const image = pattern(9, 2);
    const { data } = centerCrop(image, 4);
    // left = round((9 - 4) / 2) = round(2.5) = 2, top padding 1.
    assert.deepEqual(
      data.subarray(12, 36),
      cut(image, { left: 2, top: 0, width: 4, height: 2 }).data,
    );
    assert.ok(
      data.subarray(0, 12).every((v) => v === 0) && data.subarray(36).every((v) => v === 0),
    );
    assert.throws(() => centerCrop(image, 0), RangeError);
  });
});
