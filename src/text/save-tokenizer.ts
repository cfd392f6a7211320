/** Writes a tokenizer into a model folder. Knows nothing about how its files are read. */
import { mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { writeFileAtomically, writeTextAtomically } from "../files/atomic-write.ts";
import { clipTokenizerFile } from "./tokenizer-json/clip-files.ts";
import type { ClipTokenizer } from "./clip-tokenizer.ts";
import { readOptionalJson, type TokenizerConfig } from "./tokenizer-config.ts";
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
 */
export async function saveTokenizer(tokenizer: Tokenizer, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (isClip(tokenizer)) await saveClip(tokenizer, folder);
  else await saveVocabulary(tokenizer.description as TokenizerJsonDescription, folder);
}

function isClip(tokenizer: Tokenizer): tokenizer is ClipTokenizer {
  return tokenizer.description.kind === "clip-bpe";
}

async function saveClip(tokenizer: ClipTokenizer, folder: string): Promise<void> {
  const { description, merges } = tokenizer;
  const { addedTokens } = description;
  const names = namesInFiles(description);
  const vocab = vocabularyWith(tokenizer, names);
  const [bos, eos] = names;
  const tokens = { bos_token: bos, eos_token: eos, unk_token: eos, pad_token: eos };
  const from = description.vocab === undefined ? undefined : dirname(description.vocab);
  const copied = from === undefined ? [] : await copyFiles(from, folder, clipFiles);
  const fresh: Record<(typeof clipFiles)[number], () => void> = {
    "vocab.json": () => writeJson(join(folder, "vocab.json"), vocab),
    "merges.txt": () =>
      writeTextAtomically(join(folder, "merges.txt"), `#version: 0.2\n${merges.join("\n")}\n`),
    "special_tokens_map.json": () => writeJson(join(folder, "special_tokens_map.json"), tokens),
    "tokenizer.json": () =>
      writeJson(
        join(folder, "tokenizer.json"),
        clipTokenizerFile(vocab, merges, { names, added: addedTokens }),
      ),
  };
  for (const name of clipFiles) if (!copied.includes(name)) fresh[name]();
  const stored = from === undefined ? {} : await readConfig(from);
  const { contextLength, clean, padId, specialTokens } = description;
  writeJson(join(folder, "tokenizer_config.json"), {
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
  });
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

async function saveVocabulary(
  { file, ...settings }: TokenizerJsonDescription,
  folder: string,
): Promise<void> {
  const from = dirname(file);
  const own = basename(file);
  const known = (companions as readonly string[]).includes(own);
  const name = known ? own : usualName(file, settings);
  const target = join(folder, name);
  if (!known) writeBytes(target, await readFile(file));
  await copyFiles(from, folder, known ? companions : companions.slice(-2));
  const { tokenizer_class: storedClass, ...stored } = await readConfig(from);
  const tokenizerClass = classOf(settings, name, storedClass);
  writeJson(join(folder, "tokenizer_config.json"), {
    ...(tokenizerClass !== undefined && { tokenizer_class: tokenizerClass }),
    // The default of the class is left, where the models were trained with padding behind.
    ...(settings.rules === "siglip2" && { padding_side: "right" }),
    ...stored,
    model_max_length: settings.contextLength,
    limn: { ...settings, file: name },
  });
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

/** Copies those of the files that are there; returns their names. */
async function copyFiles<Name extends string>(
  from: string,
  to: string,
  names: readonly Name[],
): Promise<Name[]> {
  const copied: Name[] = [];
  for (const name of names) {
    const content = await readFile(join(from, name)).catch(() => undefined);
    if (content === undefined) continue;
    if (resolve(from) !== resolve(to)) writeBytes(join(to, name), content);
    copied.push(name);
  }
  return copied;
}

/**
 * Writes JSON in the indentation that Hugging Face's files have.
 *
 * throws  StorageError naming the file where it cannot be written
 */
export function writeJson(file: string, value: object): void {
  writeTextAtomically(file, `${JSON.stringify(value, undefined, 2)}\n`);
}

function writeBytes(file: string, content: Uint8Array): void {
  writeFileAtomically(file, (write) => write(content));
}
