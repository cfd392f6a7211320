/** Prepared pictures through the image tower: squares, or NaFlex patches of any grid. */
import {
  cellBytes,
  GRID_BYTES,
  gridsOf,
  isNaflex,
  type PictureTransform,
} from "../data/image/picture-cell.ts";
import type { NaflexTransform } from "../data/image/naflex-transform.ts";
import { fromData, scope, type Device, type Tensor } from "../torch/index.ts";
import type { ImagePatches } from "../towers/tower.ts";
import { pixelsToTensor, standardize, type DualEncoder } from "../pair/dual-encoder.ts";

/**
 * cells    uint8 [N, cellBytes(transform)], may lie on a SharedArrayBuffer
 * returns  imageEmbeddings [N, D] float32, unit rows, each from its own picture alone
 * throws   TypeError for patches where the tower takes squares only
 */
export function encodeCells(
  model: DualEncoder,
  cells: Uint8Array,
  transform: PictureTransform,
): Tensor {
  if (isNaflex(transform)) return model.encodePatches(cellPatches(cells, transform, model.device));
  return model.encodeImages(pixelsToTensor(cells, transform.imageSize, transform, model.device));
}

/** NaFlex cells as the tower takes them, as many places as the largest grid has. */
export function cellPatches(
  cells: Uint8Array,
  transform: NaflexTransform,
  device: Device = "cpu",
): ImagePatches {
  const grids = gridsOf(cells, transform);
  const places = Math.max(...grids.map(([rows, columns]) => rows * columns));
  const size = cellBytes(transform);
  const width = 3 * transform.patchSize ** 2;
  const patches = scope(() => {
    const whole = fromData(cells, [grids.length, size], { device });
    const levels = whole.narrow(1, GRID_BYTES, places * width).reshape(grids.length, -1, 3);
    return standardize(levels, transform, [1, 1, 3]).reshape(grids.length, places, width);
  });
  return { patches, grids };
}
