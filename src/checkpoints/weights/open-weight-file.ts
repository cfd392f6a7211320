/** Opens weights of any format that limn reads, told by their content and not by their name. */
import { CheckpointError } from "../../errors.ts";
import { openSource, type ByteSource, contentKind } from "./byte-source.ts";
import { npzIn } from "./npz.ts";
import { torchFileIn, type TorchFile } from "./pytorch/torch-file.ts";
import { namingFile } from "./weight-reader.ts";
import { safetensorsIn, type SafetensorsOptions } from "./safetensors.ts";
import { readSharded } from "./sharded.ts";
import type { WeightFile } from "./weight-file.ts";
import { ZipArchive } from "./zip.ts";

export interface OpenOptions extends SafetensorsOptions {
  /**
   * Where the weights are in a file of torch.save. By default `["state_dict"]`, as training checkpoints
   * have it, the top where it is tensors, or the one key that holds weights.
   */
  path?: readonly string[];
}

/**
 * Opens a safetensors file, the index of several, a file of torch.save or torch.jit.save, or an
 * archive of numpy; reads no weight.
 *
 * throws  CheckpointError naming the file and what it is in place of one, or what is wrong with it
 */
export function openWeightFile(file: string, options: OpenOptions = {}): WeightFile {
  const source = namingFile(file, what, () => openSource(file));
  try {
    return openAny(source, options);
  } catch (error) {
    source.close();
    throw error;
  }
}

const what = "weights (safetensors, torch.save or npz)";

function openAny(source: ByteSource, options: OpenOptions): WeightFile {
  const { file } = source;
  const content = namingFile(file, what, () => contentKind(source));
  if (content.kind === "safetensors") return safetensorsIn(source, options);
  if (content.kind === "json") {
    source.close();
    return readSharded(file, (shard) => openWeightFile(shard, options));
  }
  if (content.kind === "zip") {
    const names = namingFile(file, what, () => [...new ZipArchive(source).entries.keys()]);
    if (names.some((name) => name.endsWith("/data.pkl"))) {
      return chooseWeights(torchFileIn(source), options.path);
    }
    if (names.some((name) => name.endsWith(".npy"))) return npzIn(source);
  }
  return namingFile(file, what, () => {
    throw new Error(
      content.kind === undefined
        ? content.words
        : "it is a zip archive of others (unpack it first)",
    );
  });
}

/**
 * `state_dict`, the top, or the only other place with weights: `model`, `module`, `checkpoint.model`. A random
 * state or an average of metrics has no names of modules.
 */
function placeOfWeights(torch: TorchFile): readonly string[] {
  if (torch.hasWeights(["state_dict"])) return ["state_dict"];
  const isNamed = (place: readonly string[]): boolean =>
    torch.keys(place).some((name) => name.includes("."));
  if (torch.hasWeights() && isNamed([])) return [];
  const [only = [], ...others] = torch
    .places()
    .filter((place) => isNamed(place) && !place.some((key) => /optim/i.test(key)));
  if (others.length === 0) return only;
  const shown = [only, ...others].map((place) => place.join(".")).join(", ");
  throw new CheckpointError(
    torch.file,
    `Expected the weights of one model in ${torch.file} but received several, under ${shown}; ` +
      "save the one that is wanted in a file of its own",
  );
}

function chooseWeights(torch: TorchFile, path: readonly string[] | undefined): WeightFile {
  try {
    return torch.weights(path ?? placeOfWeights(torch));
  } catch (error) {
    torch.close();
    throw error;
  }
}
