/** The files that open_clip, OpenAI and timm save weights in. */
import { openWeightFile } from "../../weights/open-weight-file.ts";
import type { WeightFile } from "../../weights/weight-file.ts";

const endings: readonly string[] = [".safetensors", ".pt", ".pth", ".bin"];

/** True for the name of a file that may hold weights. */
export function isWeightsFile(name: string): boolean {
  return endings.some((ending) => name.endsWith(ending));
}

/**
 * Opens safetensors, what torch.save wrote (of a training checkpoint its `state_dict`), or a
 * TorchScript archive; the caller closes it.
 *
 * throws  CheckpointError for a damaged file
 */
export function openWeights(file: string): WeightFile {
  return openWeightFile(file);
}
