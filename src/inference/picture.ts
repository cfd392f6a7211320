/** Pictures as callers have them: encoded bytes, the path of a file, or decoded pixels. */
import type { RgbImage } from "../data/image/decode/decode.ts";
import type { Picture } from "../data/image/picture-decoder.ts";
import { ShapeError } from "../errors.ts";

export type { Picture } from "../data/image/picture-decoder.ts";

/** One picture rather than several. Bytes and strings can be iterated over, but are one picture. */
export function isPicture(value: unknown): value is Picture {
  if (typeof value === "string" || value instanceof Uint8Array) return true;
  return typeof value === "object" && value !== null && "data" in value && "width" in value;
}

/**
 * throws  TypeError for anything else, with its position; ShapeError for pixels that do not fill
 *         their size
 */
export function checkPicture(value: unknown, index: number): Picture {
  if (!isPicture(value)) {
    throw new TypeError(
      `Expected bytes, a path or { data, width, height } for picture ${index} but received ` +
        `${describe(value)}; read or decode it first`,
    );
  }
  if (typeof value !== "string" && !(value instanceof Uint8Array)) checkPixels(value, index);
  return value;
}

function checkPixels({ data, width, height }: RgbImage, index: number): void {
  const whole = [width, height].every((side) => Number.isInteger(side) && side > 0);
  if (whole && data instanceof Uint8Array && data.length === 3 * width * height) return;
  throw new ShapeError(
    `Expected [height, width, 3] uint8 for picture ${index} but received ` +
      `${(data as Uint8Array | undefined)?.length ?? "no"} bytes for ${height} x ${width}; ` +
      "leave out alpha and padding",
  );
}

function describe(value: unknown): string {
  if (value instanceof Promise) return "a promise";
  if (value instanceof ArrayBuffer) return "an ArrayBuffer (wrap it: new Uint8Array(buffer))";
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}

/** What errors and results call a picture. */
export function pictureName(picture: Picture, index: number): string {
  return typeof picture === "string" ? picture : `picture ${index}`;
}
