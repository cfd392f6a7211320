/**
 * The addon that decodes and resizes pictures, where setup built it. Knows no libtorch: whatever it does
 * has a plain form here, which takes its place.
 */
import { createRequire } from "node:module";
import { findPixels } from "../../engine/engine-info.ts";

/** What native/pixels/pixels.cc exports. Sizes and places that do not fit their arrays are errors. */
export interface PixelsAddon {
  /** See `resizeRows` of passes.ts: data, from, stride, height, first, count, weight, taps, precision, out. */
  resizeRows(...pass: Pass): void;
  /** See `resizeColumns` of passes.ts; the length of a row in the place of height. */
  resizeColumns(...pass: Pass): void;
  /** See `writePlanes` of crop.ts. */
  writePlanes(data: Uint8Array, out: Uint8Array): void;
  /**
   * A part of a JPEG whose sides are divided by 1, 2, 4 or 8 and rounded up, as [height, width, 3]: bytes, the
   * size in the header, the divisor, the part's left, top, width and height, out. False where the file is
   * damaged or of a kind that this does not read.
   */
  decodeJpeg(
    bytes: Uint8Array,
    width: number,
    height: number,
    ...part: [
      divisor: number,
      left: number,
      top: number,
      width: number,
      height: number,
      out: Uint8Array,
    ]
  ): boolean;
  /** Its name and version; null where setup found none. */
  jpegLibrary(): string | null;
}

type Pass = [
  data: Uint8Array,
  from: number,
  stride: number,
  side: number,
  first: Int32Array,
  count: Int32Array,
  weight: Int32Array,
  taps: number,
  precision: number,
  out: Uint8Array,
];

interface Loaded {
  addon?: PixelsAddon;
  reason?: string;
}

let loaded: Loaded | undefined;

/** The addon, loaded on first use in each thread; undefined where there is none. */
export function pixelsAddon(): PixelsAddon | undefined {
  return load().addon;
}

/** What decodes JPEGs here, and why it is not libjpeg-turbo. */
export function jpegDecoder(): { library: string | null; reason?: string } {
  const { addon, reason } = load();
  if (addon === undefined) return { library: null, ...(reason !== undefined && { reason }) };
  const library = addon.jpegLibrary();
  return library === null ? { library, reason: "setup found no headers of it" } : { library };
}

function load(): Loaded {
  if (loaded !== undefined) return loaded;
  const found = findPixels();
  if ("reason" in found) return (loaded = { reason: found.reason });
  try {
    loaded = { addon: createRequire(import.meta.url)(found.addon) as PixelsAddon };
  } catch (error) {
    const [reason = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    loaded = { reason };
  }
  return loaded;
}
