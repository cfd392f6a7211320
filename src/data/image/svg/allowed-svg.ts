/** Drawings where they are allowed: the PNG that is decoded in their place. */
import { DataError, sampleIn } from "../../../errors.ts";
import { isSvg } from "./is-svg.ts";
import { checkSvgOptions, rasterizeSvg, type SvgOptions } from "./rasterize-svg.ts";

interface DrawingOptions {
  svg?: SvgOptions | undefined;
  /** Named in errors. */
  at?: { source: string; key?: string };
}

/**
 * The bytes themselves, or what an SVG file draws where `svg` allows it, as a PNG.
 *
 * throws  DataError for a file that is no plain drawing, RangeError for `svg` that cannot be
 */
export async function withDrawings(
  bytes: Uint8Array,
  { svg, at = { source: "image" } }: DrawingOptions,
): Promise<Uint8Array> {
  if (svg === undefined) return bytes;
  checkSvgOptions(svg);
  if (!isSvg(bytes)) return bytes;
  try {
    return await rasterizeSvg(bytes, svg);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    const reason = `an SVG file that is no plain drawing: ${said}`;
    throw new DataError(
      `Expected a plain drawing for ${sampleIn(at.source, at.key)} but received ${reason}; ` +
        `convert it to PNG, or remove the sample.`,
      at,
      { cause, reason },
    );
  }
}
