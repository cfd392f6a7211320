/** Opens weights of any format that limn reads, told by their content and not by their name. */
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
   * Where the weights are in a file of torch.save. By default the top where all of it is tensors, or
   * `["state_dict"]`, as training checkpoints have it.
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
    throw new Error(content.kind === undefined ? content.words : "it is a zip archive of others");
  });
}

function chooseWeights(torch: TorchFile, path: readonly string[] | undefined): WeightFile {
  try {
    const chosen = path ?? (torch.hasWeights(["state_dict"]) ? ["state_dict"] : []);
    return torch.weights(chosen);
  } catch (error) {
    torch.close();
    throw error;
  }
}
