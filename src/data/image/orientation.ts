/** Turns decoded pixels upright by their EXIF orientation. */
import type { RgbImage } from "./decode.ts";

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
