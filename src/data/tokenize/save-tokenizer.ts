import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ClipTokenizer } from "./clip-tokenizer.ts";
import { huggingFaceSpecialTokens, openClipSpecialTokens } from "./description.ts";
import { isTokenizerJson, readTokenizerFile } from "./hugging-face/tokenizer-file.ts";
import { postProcessor } from "./train/layouts.ts";
import type { ClipBpeDescription, Tokenizer, TokenizerJsonDescription } from "./tokenizer.ts";
import { writeJson, writeWhole } from "./write-json.ts";

/**
 * Writes the files of a tokenizer into a model folder, as Hugging Face's have them, and what these
 * cannot say under `limn` in tokenizer_config.json. `loadTokenizer(folder)` gives the same ids;
 * transformers too, for captions that are clean already (it repairs no mojibake).
 */
export async function saveTokenizer(tokenizer: Tokenizer, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (isClip(tokenizer)) await saveClip(tokenizer, folder);
  else await saveTokenizerJson(tokenizer.description as TokenizerJsonDescription, folder);
}

function isClip(tokenizer: Tokenizer): tokenizer is ClipTokenizer {
  return tokenizer.description.kind === "clip-bpe";
}

async function saveClip(tokenizer: ClipTokenizer, folder: string): Promise<void> {
  const { description, merges } = tokenizer;
  const names = namesInFiles(description);
  const vocab = vocabularyWith(tokenizer, names);
  const [bos, eos] = names;
  const tokens = { bos_token: bos, eos_token: eos, unk_token: eos, pad_token: eos };
  await writeJson(join(folder, "vocab.json"), vocab);
  await writeWhole(join(folder, "merges.txt"), `#version: 0.2\n${merges.join("\n")}\n`);
  await writeJson(join(folder, "special_tokens_map.json"), tokens);
  await writeJson(join(folder, "tokenizer.json"), clipTokenizerFile(vocab, merges, names));
  const { contextLength, clean, padId, specialTokens } = description;
  await writeJson(join(folder, "tokenizer_config.json"), {
    tokenizer_class: "CLIPTokenizer",
    ...tokens,
    model_max_length: contextLength,
    do_lower_case: true,
    errors: "replace",
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    limn: { kind: "clip-bpe", contextLength, clean, padId, specialTokens },
  });
}

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

const clipWords =
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

function clipTokenizerFile(
  vocab: Record<string, number>,
  merges: readonly string[],
  names: [string, string],
): object {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: names.map((content) => ({
      id: vocab[content],
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: clipWords }, behavior: "Removed", invert: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: postProcessor(names, (token) => vocab[token] ?? 0),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: names[1],
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: merges.map((merge) => merge.split(" ")),
    },
  };
}

const companions = ["special_tokens_map.json", "added_tokens.json"] as const;

async function saveTokenizerJson(
  { file, ...settings }: TokenizerJsonDescription,
  folder: string,
): Promise<void> {
  const from = dirname(file);
  const target = join(folder, "tokenizer.json");
  if (isTokenizerJson(file)) await writeWhole(target, await readFile(file));
  else await writeJson(target, await readTokenizerFile(file));
  for (const name of companions) {
    const content = await readFile(join(from, name)).catch(() => undefined);
    if (content !== undefined) await writeWhole(join(folder, name), content);
  }
  const config = await readFile(join(from, "tokenizer_config.json"), "utf8").catch(() => "{}");
  await writeJson(join(folder, "tokenizer_config.json"), {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...(JSON.parse(config) as object),
    model_max_length: settings.contextLength,
    limn: settings,
  });
}
