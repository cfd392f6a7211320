/** Finds and opens the weights of a folder. */
import { join } from "node:path";
import { CheckpointError } from "../../errors.ts";
import { noGrad, scope } from "../../torch/index.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import type { WeightFile } from "../weights/weight-file.ts";
import type { Place } from "./layout.ts";
import { firstOf } from "./place.ts";

/**
 * Opens the first of `names` that the folder has.
 *
 * throws  CheckpointError where it has none, and for a damaged file
 */
export function openWeightsOf(place: Place, names: readonly string[]): WeightFile {
  const file = firstOf(place, names);
  if (file !== undefined) return shim(readSafetensors(file));
  throw new CheckpointError(
    join(place.folder, names[0] ?? ""),
    `Expected the weights, one of ${names.join(", ")}, in ${place.path} but there is no such file; ` +
      "fetch or copy the whole folder",
  );
}

function shim(file: ReturnType<typeof readSafetensors>): WeightFile {
  return {
    ...file,
    info: (name) => ({ ...file.info(name), bytes: file.info(name).end - file.info(name).start }),
    readInto: (name, target) => void scope(() => noGrad(() => target.copy_(file.tensor(name)))),
  };
}
