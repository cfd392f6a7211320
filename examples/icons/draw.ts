/**
 * Draws icons black on white, all framed alike. Many are drawn at once, as one sheet: a picture of its
 * own costs ten times as much. Knows nothing about names and splits.
 */
import sharp from "sharp";

import { frame, inkBox } from "./frame.ts";
import type { Icon } from "./read-set.ts";

export type Drawing = Pick<Icon, "set" | "name" | "body" | "box">;

/** Icons on a side of a sheet. */
const across = 8;

/** Sheets in work at a time: enough for a few threads, little memory. */
const concurrency = 4;

/** Of a cell's side, what is left white around the drawing's own box. */
const margin = 1 / 24;

/** Of a cell's side, what a finished picture's side is: drawings are reduced, never enlarged. */
const reduction = 1.5;

export interface DrawOptions {
  /** Side of the pictures, pixels. */
  imageSize: number;
  /** Told the share done, in [0, 1]. */
  onShare?: (share: number) => void;
}

/**
 * Grey pixels, imageSize x imageSize row by row, in the order of `icons`; undefined for a drawing that
 * cannot be read, or of which nothing can be seen.
 */
export async function drawIcons(
  icons: readonly Drawing[],
  options: DrawOptions,
): Promise<(Uint8Array | undefined)[]> {
  const size = across * across;
  const starts = Array.from({ length: Math.ceil(icons.length / size) }, (_, i) => i * size);
  const pictures: (Uint8Array | undefined)[] = Array.from({ length: icons.length });
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = starts[next++]; at !== undefined; at = starts[next++]) {
      const drawn = await drawSheet(icons.slice(at, at + size), options.imageSize, across);
      drawn.forEach((picture, i) => (pictures[at + i] = picture));
      options.onShare?.(Math.min(1, (at + size) / icons.length));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return pictures;
}

async function drawSheet(
  icons: readonly Drawing[],
  imageSize: number,
  columns: number,
): Promise<(Uint8Array | undefined)[]> {
  const cell = Math.round(imageSize * reduction);
  try {
    const { data } = await sharp(Buffer.from(sheetSvg(icons, cell, columns)), { unlimited: true })
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const grey = greyOnWhite(data);
    return icons.map((_, i) => {
      const at = { x: (i % columns) * cell, y: Math.floor(i / columns) * cell };
      const pixels = cutOut(grey, columns * cell, at, cell);
      const box = inkBox(pixels, cell);
      return box === undefined ? undefined : frame(pixels, cell, box, imageSize);
    });
  } catch {
    // One drawing that is no SVG spoils its whole sheet.
    if (icons.length === 1) return [undefined];
    const alone = await Promise.all(icons.map((icon) => drawSheet([icon], imageSize, 1)));
    return alone.flat();
  }
}

function sheetSvg(icons: readonly Drawing[], cell: number, columns: number): string {
  const rows = Math.ceil(icons.length / columns);
  const inset = Math.round(cell * margin);
  const inner = cell - 2 * inset;
  const drawings = icons.map(({ body, box }, i) => {
    const x = (i % columns) * cell + inset;
    const y = Math.floor(i / columns) * cell + inset;
    return (
      `<svg x="${x}" y="${y}" width="${inner}" height="${inner}" viewBox="${box.join(" ")}">` +
      `${ownNames(body, i)}</svg>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
    `width="${columns * cell}" height="${rows * cell}" color="#000">${drawings.join("")}</svg>`
  );
}

/** Masks and gradients are named; two drawings of a sheet may use one name. */
function ownNames(body: string, index: number): string {
  if (!body.includes("id=")) return body;
  return body
    .replace(/\bid="([^"]*)"/g, `id="i${index}-$1"`)
    .replace(/url\(#([^)]*)\)/g, `url(#i${index}-$1)`)
    .replace(/href="#([^"]*)"/g, `href="#i${index}-$1"`);
}

/** Brightness on a white ground, from RGBA. Nearly all pixels are white or black. */
function greyOnWhite(rgba: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgba.length / 4);
  for (let i = 0, at = 0; i < grey.length; i++, at += 4) {
    const alpha = rgba[at + 3] as number;
    if (alpha === 0) {
      grey[i] = 255;
      continue;
    }
    const [red, green, blue] = [rgba[at] as number, rgba[at + 1] as number, rgba[at + 2] as number];
    if (red + green + blue === 0) {
      grey[i] = 255 - alpha;
      continue;
    }
    const bright = 0.299 * red + 0.587 * green + 0.114 * blue;
    grey[i] = Math.round(255 - (alpha * (255 - bright)) / 255);
  }
  return grey;
}

function cutOut(
  grey: Uint8Array,
  width: number,
  at: { x: number; y: number },
  side: number,
): Uint8Array {
  const pixels = new Uint8Array(side * side);
  for (let y = 0; y < side; y++) {
    const from = (at.y + y) * width + at.x;
    pixels.set(grey.subarray(from, from + side), y * side);
  }
  return pixels;
}
