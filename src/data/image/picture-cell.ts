/**
 * A prepared picture as bytes of one length, so that many lie side by side in memory that threads
 * share: pixels of a square, or NaFlex patches behind the two sides of their grid.
 */
import { writePlanes } from "./crop.ts";
import { decodeImage, type ImageOrigin, type RgbImage } from "./decode/decode.ts";
import {
  applyEvaluationTransform,
  type EvaluationTransform,
  parseEvaluationTransform,
  resizeForEvaluation,
} from "./evaluation-transform.ts";
import type { SvgOptions } from "./svg/rasterize-svg.ts";
import { type NaflexTransform, parseNaflexTransform, toNaflexPatches } from "./naflex-transform.ts";

/** How a model's pictures are prepared: as squares of one size, or in their own aspect ratio. */
export type PictureTransform = EvaluationTransform | NaflexTransform;

/** Rows and columns, int32 little-endian, before the patches of a cell. */
export const GRID_BYTES = 8;

export function isNaflex(transform: PictureTransform): transform is NaflexTransform {
  return "kind" in transform;
}

/** A checked copy of a description from JSON. Throws SettingError whose `path` starts with `path`. */
export function parsePictureTransform(value: unknown, path: string): PictureTransform {
  const naflex = typeof value === "object" && value !== null && "kind" in value;
  return naflex ? parseNaflexTransform(value, path) : parseEvaluationTransform(value, path);
}

/** Bytes of a cell: [3, S, S] pixels, or a grid and [maxPatches, p p 3]; all uint8. */
export function cellBytes(transform: PictureTransform): number {
  if (!isNaflex(transform)) return 3 * transform.imageSize ** 2;
  return GRID_BYTES + transform.maxPatches * 3 * transform.patchSize ** 2;
}

/** Decoded pixels as the model sees them, into a cell. */
export function placePicture(image: RgbImage, transform: PictureTransform, cell: Uint8Array): void {
  if (!isNaflex(transform)) {
    writePlanes(resizeForEvaluation(image, transform).data, cell);
    return;
  }
  const { patches, height, width } = toNaflexPatches(image, transform);
  const grid = new DataView(cell.buffer, cell.byteOffset, GRID_BYTES);
  grid.setInt32(0, height, true);
  grid.setInt32(4, width, true);
  cell.set(patches, GRID_BYTES);
}

/**
 * Encoded bytes into a cell.
 *
 * at         what errors call the picture
 * maxPixels  a larger picture is refused before it is decoded; Pillow's bound when absent
 * svg        allows drawings, as `decodeImage` does
 * throws  as `decodeImage`; ShapeError for a cell of another length than a square's pixels
 */
export async function preparePicture(
  bytes: Uint8Array,
  transform: PictureTransform,
  { at, out, maxPixels, svg }: PreparingOptions,
): Promise<void> {
  const decoding = {
    at,
    ...(maxPixels === undefined ? {} : { maxPixels }),
    ...(svg === undefined ? {} : { svg }),
  };
  if (!isNaflex(transform)) {
    await applyEvaluationTransform(bytes, transform, { ...decoding, out });
    return;
  }
  const { transparency = "drop" } = transform;
  placePicture(await decodeImage(bytes, { transparency, ...decoding }), transform, out);
}

interface PreparingOptions {
  at: ImageOrigin;
  out: Uint8Array;
  maxPixels?: number;
  svg?: SvgOptions | undefined;
}

/** Rows and columns of every cell's patches. */
export function gridsOf(cells: Uint8Array, transform: NaflexTransform): [number, number][] {
  const size = cellBytes(transform);
  const view = new DataView(cells.buffer, cells.byteOffset, cells.length);
  return Array.from({ length: cells.length / size }, (_, i): [number, number] => [
    view.getInt32(i * size, true),
    view.getInt32(i * size + 4, true),
  ]);
}
