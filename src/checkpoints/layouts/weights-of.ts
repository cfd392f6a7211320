/** Finds and opens the weights of a folder. */
import { join } from "node:path";
import { CheckpointError } from "../../errors.ts";
import { openWeightFile } from "../weights/open-weight-file.ts";
import type { WeightFile } from "../weights/weight-file.ts";
import type { Place } from "../layout.ts";
import { firstOf } from "../place.ts";

/**
 * Opens the first of `names` that the folder has.
 *
 * throws  CheckpointError where it has none, and for a damaged file
 */
export function openWeightsOf(place: Place, names: readonly string[]): WeightFile {
  const file = firstOf(place, names);
  if (file !== undefined) return openWeightFile(file);
  throw new CheckpointError(
    join(place.folder, names[0] ?? ""),
    `Expected the weights, one of ${names.join(", ")}, in ${place.path} but there is no such file; ` +
      "fetch or copy the whole folder",
  );
}

const endings: readonly string[] = [".safetensors", ".pt", ".pth", ".bin"];

/** True for the name of a file that open_clip or OpenAI may have saved weights in. */
export function isWeightsFile(name: string): boolean {
  return endings.some((ending) => name.endsWith(ending));
}
