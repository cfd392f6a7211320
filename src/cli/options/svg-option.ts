/** The flag that allows SVG files, of every command that reads pictures. */
import { MOST_SVG_SIZE, type SvgOptions } from "../../data/image/svg/rasterize-svg.ts";
import type { OptionSpecs, OptionValues } from "../command.ts";

export const svgOption = {
  svg: {
    type: "integer",
    least: 1,
    most: MOST_SVG_SIZE,
    value: "<pixels>",
    help: "allow SVG files, drawn on white with this longer side",
  },
} as const satisfies OptionSpecs;

/** The option as the library takes it. */
export function svgOf({ svg }: OptionValues<typeof svgOption>): { svg?: SvgOptions } {
  return svg === undefined ? {} : { svg: { size: svg } };
}
