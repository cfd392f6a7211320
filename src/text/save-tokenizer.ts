/** Writes a tokenizer into a model folder. Knows nothing about how its files are read. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readRegular } from "../files/regular-file.ts";
import { writeFileAtomically } from "../files/atomic-write.ts";
import { writeRecordedFiles } from "../files/folder-record.ts";
import { clipTokenizerFile } from "./tokenizer-json/clip-files.ts";
import type { ClipTokenizer } from "./clip-tokenizer.ts";
import { readOptionalJson, tokenName, type TokenizerConfig } from "./tokenizer-config.ts";
import {
  type ClipBpeDescription,
  huggingFaceSpecialTokens,
  openClipSpecialTokens,
  type Tokenizer,
  type TokenizerJsonDescription,
} from "./tokenizer-description.ts";
import { fileKind } from "./tokenizer-json/tokenizer-file.ts";

/**
 * Writes the files of a tokenizer into a model folder, as Hugging Face's have them, and what these
 * cannot say under `limn` in tokenizer_config.json; files that the tokenizer was read from are
 * copied byte for byte. `loadTokenizer(folder)` gives the same ids; transformers too, for captions
 * that are clean already (it repairs no mojibake).
 *
 * throws  StorageError naming a file of the folder that would change, and that limn did not write
 */
export async function saveTokenizer(tokenizer: Tokenizer, folder: string): Promise<void> {
  const files = isClip(tokenizer)
    ? await clipFilesOf(tokenizer)
    : await vocabularyFiles(tokenizer.description as TokenizerJsonDescription);
  writeRecordedFiles(folder, files);
}

/** Contents by the names of files. */
type Files = Map<string, Uint8Array>;

function isClip(tokenizer: Tokenizer): tokenizer is ClipTokenizer {
  return tokenizer.description.kind === "clip-bpe";
}

async function clipFilesOf(tokenizer: ClipTokenizer): Promise<Files> {
  const { description, merges } = tokenizer;
  const { addedTokens } = description;
  const names = namesInFiles(description);
  const vocab = vocabularyWith(tokenizer, names);
  const [bos, eos] = names;
  const from = description.vocab === undefined ? undefined : dirname(description.vocab);
  const stored = from === undefined ? {} : await readConfig(from);
  const pad = tokenName(stored.pad_token) ?? eos;
  const tokens = { bos_token: bos, eos_token: eos, unk_token: eos, pad_token: pad };
  const files = from === undefined ? new Map() : await readFiles(from, clipFiles);
  const fresh: Record<(typeof clipFiles)[number], () => Uint8Array> = {
    "vocab.json": () => json(vocab),
    "merges.txt": () => Buffer.from(`#version: 0.2\n${merges.join("\n")}\n`),
    "special_tokens_map.json": () => json(tokens),
    "tokenizer.json": () => json(clipTokenizerFile(vocab, merges, { names, added: addedTokens })),
  };
  for (const name of clipFiles) if (!files.has(name)) files.set(name, fresh[name]());
  const { contextLength, clean, padId, specialTokens } = description;
  const config = {
    tokenizer_class: "CLIPTokenizer",
    ...tokens,
    do_lower_case: true,
    errors: "replace",
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    ...stored,
    model_max_length: contextLength,
    limn: {
      ...{ kind: "clip-bpe", contextLength, clean, padId, specialTokens },
      ...(addedTokens && { addedTokens }),
    },
  };
  return files.set("tokenizer_config.json", json(config));
}

const clipFiles = [
  "vocab.json",
  "merges.txt",
  "special_tokens_map.json",
  "tokenizer.json",
] as const;

/** Transformers knows start and end of text by one pair of names only. */
function namesInFiles({
  specialTokens,
}: Pick<ClipBpeDescription, "specialTokens">): [string, string] {
  const ofOpenClip = openClipSpecialTokens.every((name, i) => name === specialTokens?.[i]);
  return specialTokens === undefined || ofOpenClip ? huggingFaceSpecialTokens : specialTokens;
}

function vocabularyWith(
  { vocabulary }: ClipTokenizer,
  [start, end]: [string, string],
): Record<string, number> {
  const { ids, startId, endId } = vocabulary;
  const symbols = [...ids].filter(([, id]) => id !== startId && id !== endId);
  const named: [string, number][] = [...symbols, [start, startId], [end, endId]];
  return Object.fromEntries(named.sort(([, a], [, b]) => a - b));
}

/** Files that belong to a vocabulary, whichever of them is read. */
const companions = [
  "tokenizer.json",
  "spiece.model",
  "sentencepiece.bpe.model",
  "tokenizer.model",
  "vocab.txt",
  "vocab.json",
  "merges.txt",
  "special_tokens_map.json",
  "added_tokens.json",
] as const;

async function vocabularyFiles({ file, ...settings }: TokenizerJsonDescription): Promise<Files> {
  const from = dirname(file);
  const own = basename(file);
  const known = (companions as readonly string[]).includes(own);
  const name = known ? own : usualName(file, settings);
  const files = await readFiles(from, known ? companions : companions.slice(-2));
  if (!known) files.set(name, readRegular(file));
  const { tokenizer_class: storedClass, ...stored } = await readConfig(from);
  const tokenizerClass = classOf(settings, name, storedClass);
  const config = {
    ...(tokenizerClass !== undefined && { tokenizer_class: tokenizerClass }),
    // The default of the class is left, where the models were trained with padding behind.
    ...(settings.rules === "siglip2" && { padding_side: "right" }),
    ...stored,
    model_max_length: settings.contextLength,
    limn: { ...settings, file: name },
  };
  return files.set("tokenizer_config.json", json(config));
}

/** The name that other readers look for. */
function usualName(file: string, { rules }: Pick<TokenizerJsonDescription, "rules">): string {
  const kind = fileKind(file);
  if (kind === ".txt") return "vocab.txt";
  if (kind === ".json") return "tokenizer.json";
  return rules === "siglip" ? "spiece.model" : "tokenizer.model";
}

/** The class of transformers that gives the same ids; as it was stored, if any was. */
function classOf(
  { rules }: Pick<TokenizerJsonDescription, "rules">,
  name: string,
  stored: string | undefined,
): string | undefined {
  // Gemma's, under which SigLIP 2 was published, does not lower-case.
  if (rules === "siglip2") return "Siglip2Tokenizer";
  if (stored !== undefined) return stored;
  if (rules === "siglip") return "SiglipTokenizer";
  if (rules === "bert" || name === "vocab.txt") return "BertTokenizer";
  if (name === "vocab.json") return "CLIPTokenizer";
  return name === "tokenizer.json" ? "PreTrainedTokenizerFast" : undefined;
}

function readConfig(folder: string): Promise<TokenizerConfig> {
  return readOptionalJson<TokenizerConfig>(join(folder, "tokenizer_config.json"));
}

/** Those of the files that are there. */
async function readFiles(from: string, names: readonly string[]): Promise<Files> {
  const files: Files = new Map();
  for (const name of names) {
    if (existsSync(join(from, name))) files.set(name, readRegular(join(from, name)));
  }
  return files;
}

/**
 * Writes JSON in the indentation that Hugging Face's files have.
 *
 * throws  StorageError naming the file where it cannot be written
 */
export function writeJson(file: string, value: object): void {
  writeBytes(file, json(value));
}

function json(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

function writeBytes(file: string, content: Uint8Array): void {
  writeFileAtomically(file, (write) => write(content));
}
