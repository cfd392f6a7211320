/** Which files of a repository make a model: its small files, and one form of its weights. */
import { CheckpointError } from "../errors.ts";

/** Small files that any layout may have; tokenizers among them. */
const smallFiles = [
  "config.json",
  "open_clip_config.json",
  "preprocessor_config.json",
  "processor_config.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "tokenizer.json",
  "vocab.json",
  "merges.txt",
  "vocab.txt",
  "spiece.model",
  "sentencepiece.bpe.model",
  "bpe_simple_vocab_16e6.txt.gz",
];

/** Forms of the weights, best first: safetensors before pickles, one layout's before another's. */
const weightForms: readonly ((name: string) => boolean)[] = [
  (name) => name === "model.safetensors",
  (name) => name === "model.safetensors.index.json" || /^model-\d+-of-\d+\.safetensors$/.test(name),
  (name) => name === "open_clip_model.safetensors",
  (name) => name === "open_clip_pytorch_model.safetensors",
  (name) => name === "pytorch_model.bin",
  (name) => name === "pytorch_model.bin.index.json" || /^pytorch_model-\d+-of-\d+\.bin$/.test(name),
  (name) => /^open_clip_pytorch_model\.(bin|pth)$/.test(name),
  (name) => name === "model.pth",
  (name) => /^[^/]+\.npz$/.test(name),
];

/**
 * The paths of a repository that loading its model takes.
 *
 * throws  CheckpointError where it has no weights that limn reads
 */
export function chooseModelFiles(
  repository: string,
  files: readonly { readonly path: string }[],
): string[] {
  const paths = files.map(({ path }) => path);
  const small = paths.filter((path) => smallFiles.includes(path));
  // A SentencePiece file of several megabytes says nothing that tokenizer.json does not.
  const pieces = paths.includes("tokenizer.json") ? [] : ["tokenizer.model"];
  const vocabulary = paths.filter((path) => pieces.includes(path));
  for (const belongs of preferredForms(paths)) {
    const weights = paths.filter(belongs);
    if (weights.length > 0) return [...small, ...vocabulary, ...weights];
  }
  throw new CheckpointError(
    repository,
    `Expected weights in ${repository} but received ${paths.length === 0 ? "no files" : paths.slice(0, 12).join(", ")}` +
      `; give a repository with model.safetensors, pytorch_model.bin or open_clip_model.safetensors`,
  );
}

/** A repository of open_clip's without Hugging Face's config.json is read in that layout alone. */
function preferredForms(paths: readonly string[]): typeof weightForms {
  const openClipOnly = paths.includes("open_clip_config.json") && !paths.includes("config.json");
  return openClipOnly ? [weightForms[2]!, weightForms[3]!, ...weightForms] : weightForms;
}
