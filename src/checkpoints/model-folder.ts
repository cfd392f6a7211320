/** Writing a model's folder, and knowing one that limn wrote before its folders had a record. */
import { readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readJsonFile } from "../files/regular-file.ts";
import {
  checkFolderTarget,
  writeFolderAtomically,
  type FolderOptions,
} from "../files/atomic-folder.ts";

const options: FolderOptions = { isOlder: isOlderFolder };

/**
 * Writes a model's folder, all of it or nothing; see `writeFolderAtomically`.
 *
 * throws  StorageError naming `folder` and what limn did not write in it
 */
export function writeModelFolder(
  folder: string,
  fill: (partial: string) => void | Promise<void>,
): Promise<void> {
  return writeFolderAtomically(folder, fill, options);
}

/** Refuses a folder that `writeModelFolder` would refuse. throws  StorageError naming it */
export function checkModelTarget(folder: string): Promise<void> {
  return checkFolderTarget(folder, options);
}

/** What earlier versions wrote into the folders of models, towers and adapters. */
const names =
  /^((open_clip_)?config|preprocessor_config|processor_config|adapter_config|classes|vocab|tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$|^(spiece|sentencepiece\.bpe|tokenizer)\.model$|^(vocab|merges)\.txt$|^((open_clip_|adapter_)?model(-\d{5}-of-\d{5})?)\.safetensors(\.index\.json)?$/;
const trainingNames = /^(state\.json|(optimizer|ema|random|objective|unmerged)\.safetensors)$/;

/**
 * Whether every file is one that limn writes, and the folder says that it is limn's: by its place in a
 * run, its layout, or its tokenizer's settings. Other libraries' folders have files of the same names.
 */
function isOlderFolder(folder: string): boolean {
  const entries = readdirSync(folder, { withFileTypes: true });
  const known = entries.every(({ name }) =>
    name === "training"
      ? readdirSync(join(folder, name)).every((inner) => trainingNames.test(inner))
      : names.test(name),
  );
  if (!known || entries.some((one) => !one.isFile() && one.name !== "training")) return false;
  if (isInRun(folder)) return true;
  const config = readJson(join(folder, "config.json"));
  if (/^limn-(dual-encoder|tower)$/.test(String(config["model_type"]))) return true;
  // transformers keeps limn's settings of a tokenizer when it saves, and names itself in config.json.
  const { limn } = readJson(join(folder, "tokenizer_config.json"));
  return limn !== undefined && config["transformers_version"] === undefined;
}

/** `<run>/model`, `<run>/adapter` or `<run>/checkpoints/step-00000010`. */
function isInRun(folder: string): boolean {
  const above = dirname(folder);
  const isCheckpoint = basename(above) === "checkpoints" && /^step-\d+$/.test(basename(folder));
  const run = isCheckpoint ? dirname(above) : above;
  if (!isCheckpoint && !["model", "adapter"].includes(basename(folder))) return false;
  return ["recipe.json", "metrics.jsonl"].every((name) => isFile(join(run, name)));
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

function readJson(file: string): Record<string, unknown> {
  try {
    return (readJsonFile(file) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
