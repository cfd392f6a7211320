/**
 * From what a user calls a model to a path on this machine: a path itself, or a model of the hub, of
 * which only the files that make it are fetched.
 */
import { join, posix } from "node:path";

import { fetchModel } from "../hub/fetch-model.ts";
import type { FetchOptions } from "../hub/fetch-repository.ts";
import { formatReference, parseModelReference, type HubReference } from "../hub/reference.ts";
import { templatesFile } from "./folder-templates.ts";
import { clipModulePath } from "./inner-folder.ts";
import { readJsonObject } from "../files/json-fields.ts";
import { CheckpointError } from "../errors.ts";

/** How models of the hub are fetched. */
export type HubFetchOptions = Omit<FetchOptions, "choose">;

/**
 * The path of a model: as it is, or where the files of `hf://organisation/name[@revision]` lie once they
 * are in the cache.
 *
 * throws  HubError where they cannot be fetched; CheckpointError where there are no weights among them
 */
export async function localModel(
  reference: string,
  options: HubFetchOptions = {},
): Promise<string> {
  const parsed = parseModelReference(reference);
  if (parsed.kind === "path") return reference;
  const name = formatReference(parsed);
  let isOpen = false;
  let hasModules = false;
  const folder = await fetchModel(parsed, {
    ...options,
    choose: (files) => {
      isOpen = hasTwoConfigs(files);
      hasModules = isListOfModules(files);
      if (hasModules) return ["modules.json"];
      return isOpen ? ["config.json"] : chooseModelFiles(name, files);
    },
  });
  if (hasModules) return localModule(parsed, folder, options);
  if (!isOpen) return folder;
  const { model_type: type } = readJsonObject(join(folder, "config.json"));
  const openClip = type === undefined;
  return fetchModel(parsed, {
    ...options,
    choose: (files) => chooseModelFiles(name, files, { openClip }),
  });
}

/** The folder of the CLIPModel in a repository of sentence-transformers, whose modules have a folder each. */
async function localModule(
  reference: HubReference,
  folder: string,
  options: HubFetchOptions,
): Promise<string> {
  const path = clipModulePath(folder);
  if (path !== undefined && path !== "") {
    const subfolder = posix.join(reference.subfolder, path);
    return localModel(formatReference({ ...reference, subfolder }), options);
  }
  const name = formatReference(reference);
  throw new CheckpointError(
    name,
    `Expected a model in ${name} but it is one of sentence-transformers without a folder of a CLIPModel among ` +
      `its modules; give ${name} with the folder of a module that limn reads behind it`,
  );
}

function isListOfModules(files: readonly { readonly path: string }[]): boolean {
  const has = (name: string): boolean => files.some(({ path }) => path === name);
  return has("modules.json") && !has("config.json") && !has("open_clip_config.json");
}

/** A model as Python's libraries name it: `organisation/name` on the hub where that says all, else as it is. */
export function libraryName(reference: string): string {
  const parsed = parseModelReference(reference);
  if (parsed.kind === "path") return reference;
  return parsed.revision === "main" && parsed.subfolder === ""
    ? `${parsed.org}/${parsed.name}`
    : formatReference(parsed);
}

/** Small files that any layout may have; tokenizers and templates among them. */
const smallFiles = [
  "config.json",
  "open_clip_config.json",
  "modules.json",
  "preprocessor_config.json",
  "processor_config.json",
  templatesFile,
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

type Belongs = (name: string) => boolean;

/** Forms of the weights that Hugging Face's and limn's layouts have, best first: safetensors before pickles. */
const plainForms: readonly Belongs[] = [
  (name) => name === "model.safetensors",
  (name) => name === "model.safetensors.index.json" || /^model-\d+-of-\d+\.safetensors$/.test(name),
  (name) => name === "pytorch_model.bin",
  (name) => name === "pytorch_model.bin.index.json" || /^pytorch_model-\d+-of-\d+\.bin$/.test(name),
];
/** And those that open_clip's alone has. */
const openClipForms: readonly Belongs[] = [
  (name) => name === "open_clip_model.safetensors",
  (name) => name === "open_clip_pytorch_model.safetensors",
  (name) => /^open_clip_pytorch_model\.(bin|pth)$/.test(name),
];
const otherForms: readonly Belongs[] = [
  (name) => name === "pytorch_model.pth" || name === "model.pth",
  (name) => /^[^/]+\.npz$/.test(name),
];

/**
 * Whether a repository has the configurations of two layouts, of which only `config.json` tells which
 * one is read: transformers' own, or timm's, which is of one tower of the pair alone.
 */
export function hasTwoConfigs(files: readonly { readonly path: string }[]): boolean {
  return ["config.json", "open_clip_config.json"].every((name) =>
    files.some(({ path }) => path === name),
  );
}

/**
 * The paths of a repository that loading its model takes.
 *
 * openClip  open_clip's layout is the one that is read; where there is no `config.json` when absent
 * throws    CheckpointError where it has no weights that limn reads
 */
export function chooseModelFiles(
  repository: string,
  files: readonly { readonly path: string }[],
  { openClip }: { openClip?: boolean } = {},
): string[] {
  const paths = files.map(({ path }) => path);
  const isOpenClip = openClip ?? !paths.includes("config.json");
  const [own, further] = isOpenClip ? [openClipForms, plainForms] : [plainForms, openClipForms];
  const small = paths.filter((path) => smallFiles.includes(path));
  // A SentencePiece file of several megabytes says nothing that tokenizer.json does not.
  const pieces = paths.includes("tokenizer.json") ? [] : ["tokenizer.model"];
  const vocabulary = paths.filter((path) => pieces.includes(path));
  for (const belongs of [...own, ...further, ...otherForms]) {
    const weights = paths.filter(belongs);
    if (weights.length > 0) return [...small, ...vocabulary, ...weights];
  }
  throw new CheckpointError(
    repository,
    `Expected weights in ${repository} but received ${paths.length === 0 ? "no files" : paths.slice(0, 12).join(", ")}` +
      `; give a repository with model.safetensors, pytorch_model.bin or open_clip_model.safetensors`,
  );
}
