/** Pictures as the model sees them, for a report. */
import sharp from "sharp";

import { imageDataUri } from "../../report/html.ts";

/** Planar pixels [3, S, S] as a PNG in a data URI. */
export async function pictureUri(planes: Uint8Array, side: number): Promise<string> {
  const area = side * side;
  const interleaved = new Uint8Array(3 * area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) interleaved[3 * i + c] = planes[c * area + i] as number;
  }
  const raw = { width: side, height: side, channels: 3 } as const;
  return imageDataUri(await sharp(interleaved, { raw }).png().toBuffer());
}
