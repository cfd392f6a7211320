/** The flag that bounds a picture's pixels, of every command that decodes. */
import type { OptionSpecs, OptionValues } from "../command.ts";

export const maxPixelsOption = {
  "max-pixels": {
    type: "integer",
    least: 1,
    value: "<n>",
    help: "a larger picture is bad; default 178956970",
  },
} as const satisfies OptionSpecs;

/** The option as the library takes it. */
export function maxPixelsOf(options: OptionValues<typeof maxPixelsOption>): { maxPixels?: number } {
  const { "max-pixels": maxPixels } = options;
  return maxPixels === undefined ? {} : { maxPixels };
}
