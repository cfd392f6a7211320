/**
 * The files of transformers that say how a vocabulary is read: tokenizer_config.json and
 * special_tokens_map.json. Knows nothing about vocabularies themselves.
 */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DataError, SettingError } from "../errors.ts";
import {
  checkRegularFile,
  hasRegular,
  readingReason,
  readJsonFile,
} from "../files/regular-file.ts";
import type { AddedTokenSettings } from "./tokenizer-json/added-tokens.ts";
import type { TextRules, TokenizerJsonDescription } from "./tokenizer-description.ts";

/** A token as configurations of transformers name it. */
type NamedToken = string | { content?: string } | null;

/** What is read of a tokenizer_config.json. */
export interface TokenizerConfig {
  tokenizer_class?: string;
  model_max_length?: number;
  /** `model_max_length` in old files. */
  max_len?: number;
  /** Of sentence-transformers: before `model_max_length`. */
  max_seq_length?: number;
  padding_side?: string;
  truncation_side?: string;
  do_lower_case?: boolean;
  strip_accents?: boolean | null;
  tokenize_chinese_chars?: boolean;
  add_bos_token?: boolean;
  add_eos_token?: boolean;
  bos_token?: NamedToken;
  eos_token?: NamedToken;
  pad_token?: NamedToken;
  sep_token?: NamedToken;
  unk_token?: NamedToken;
  cls_token?: NamedToken;
  mask_token?: NamedToken;
  additional_special_tokens?: readonly NamedToken[] | null;
  /** The same since transformers 5: a list, or tokens by a name of the model's own. */
  extra_special_tokens?: readonly NamedToken[] | Record<string, NamedToken> | null;
  added_tokens_decoder?: Record<string, Partial<AddedTokenSettings> | undefined>;
  /** Ids by name: added_tokens.json, of files before `added_tokens_decoder`. */
  added_tokens?: Record<string, unknown>;
  /** What limn saved: the settings of a description. */
  limn?: Record<string, unknown>;
}

/** Transformers writes 1e30 where there is no limit. */
const longestContext = 1_000_000;

/**
 * The tokenizer_config.json beside a vocabulary, with what a special_tokens_map.json adds to it;
 * empty where there is none.
 */
export async function readTokenizerConfig(file: string): Promise<TokenizerConfig> {
  return readFolderConfig(dirname(file));
}

/** The same of a folder; throws a DataError for files that are no JSON objects. */
export async function readFolderConfig(folder: string): Promise<TokenizerConfig> {
  checkFolder(folder);
  const [tokens, config, added, sentences] = await Promise.all(
    configFiles.map(async (name) => {
      const value = await readOptionalJson<TokenizerConfig>(join(folder, name));
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
      throw new DataError(
        `Expected a JSON object in ${join(folder, name)} but received another value; save the ` +
          `tokenizer again.`,
        { source: join(folder, name) },
      );
    }),
  );
  const { max_seq_length: limit } = sentences ?? {};
  // transformers: the map counts before a configuration of the time before there were added tokens in it.
  const named = config?.added_tokens_decoder === undefined ? { ...config, ...tokens } : config;
  return {
    ...tokens,
    ...named,
    added_tokens: added as Record<string, unknown>,
    ...(typeof limit === "number" && { max_seq_length: limit }),
  };
}

const configFiles = [
  "special_tokens_map.json",
  "tokenizer_config.json",
  "added_tokens.json",
  // sentence-transformers cuts texts shorter than the tokenizer would.
  "sentence_bert_config.json",
];

/** The tokens that a configuration adds to a vocabulary, in the form of a tokenizer.json. */
export function addedTokensOf(config: TokenizerConfig): AddedTokenSettings[] {
  const { added_tokens_decoder: decoder = {}, added_tokens: older = {} } = config;
  const listed = Object.entries(decoder ?? {}).flatMap(([id, token]) => {
    const { content } = token ?? {};
    return typeof content === "string" && /^\d{1,9}$/.test(id)
      ? [{ ...token, id: Number(id), content }]
      : [];
  });
  const known = new Set(listed.map(({ content }) => content));
  const named = Object.entries(older).flatMap(([content, id]) =>
    typeof id === "number" && !known.has(content) ? [{ id, content, normalized: true }] : [],
  );
  return [...listed, ...named];
}

/**
 * The tokens of a vocabulary that a configuration gives a part to, such as padding with `!`: transformers
 * looks for them in texts.
 *
 * vocab    `model.vocab` of a tokenizer.json: ids by piece, or a list of pieces and scores
 */
export function vocabularySpecials(vocab: unknown, config: TokenizerConfig): AddedTokenSettings[] {
  return specialTokensOf(config).flatMap((content) => {
    const id = Array.isArray(vocab)
      ? vocab.findIndex((piece: unknown) => Array.isArray(piece) && piece[0] === content)
      : (Object.getOwnPropertyDescriptor(vocab ?? {}, content)?.value as unknown);
    return typeof id === "number" && id >= 0
      ? [{ id, content, normalized: false, special: true }]
      : [];
  });
}

function specialTokensOf(config: TokenizerConfig): string[] {
  const { bos_token: start, eos_token: end, unk_token: unknown, sep_token: separator } = config;
  const { pad_token: pad, cls_token: first, mask_token: mask } = config;
  const { additional_special_tokens: more, extra_special_tokens: extra } = config;
  const named = [start, end, unknown, separator, pad, first, mask];
  const names = [...named, ...Object.values(more ?? {}), ...Object.values(extra ?? {})].map(
    tokenName,
  );
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** What a tokenizer.json says of the sides of rows: `Left` or `Right`. */
interface FileSides {
  padding?: { direction?: unknown } | null | undefined;
  truncation?: { direction?: unknown } | null | undefined;
}

/**
 * Holds where rows are filled and cut behind their texts, as all models of pairs were trained. The
 * configuration counts before the tokenizer.json.
 *
 * throws   DataError naming the side that is not followed
 */
export function checkSides(source: string, config: TokenizerConfig, json: FileSides = {}): void {
  const sides = [
    ["padding_side", config.padding_side ?? json.padding?.direction],
    ["truncation_side", config.truncation_side ?? json.truncation?.direction],
  ] as const;
  for (const [name, side] of sides) {
    if (typeof side !== "string" || side.toLowerCase() !== "left") continue;
    throw new DataError(
      `Expected "right" for ${name} of the tokenizer ${source} but received "left"; rows that are ` +
        `${name === "padding_side" ? "filled" : "cut"} in front of their texts are not supported.`,
      { source },
    );
  }
}

/** The name of a token, or undefined where the configuration has none. */
export function tokenName(token: NamedToken | undefined): string | undefined {
  const name: unknown = typeof token === "object" ? token?.content : token;
  return typeof name === "string" ? name : undefined;
}

/** T as the configuration says it, or undefined where it sets no limit. */
export function contextLengthOf(config: TokenizerConfig): number | undefined {
  const length = config.max_seq_length ?? config.model_max_length ?? config.max_len;
  return Number.isSafeInteger(length) && Number(length) > 0 ? limited(length) : undefined;
}

/** A length that a file says, or undefined for one so great that it is no limit. */
export function limited(length: number | undefined): number | undefined {
  return length !== undefined && length <= longestContext ? length : undefined;
}

/** The class of transformers without the `Fast` that older versions put behind it. */
export function className({ tokenizer_class: name }: TokenizerConfig): string | undefined {
  return typeof name === "string" ? name.replace(/Fast$/, "") : undefined;
}

/** The class that a folder's tokenizer_config.json names; undefined for none. */
export async function tokenizerClassOf(folder: string): Promise<string | undefined> {
  return className(await readFolderConfig(folder));
}

/**
 * The object in a JSON file, or an empty one where there is no file.
 *
 * throws  DataError for a file that cannot be read or does not parse
 */
export async function readOptionalJson<T extends object>(file: string): Promise<Partial<T>> {
  try {
    return hasRegular(file) ? (readJsonFile(file) as T) : {};
  } catch (cause) {
    throw new DataError(
      `Expected JSON in ${file} but it cannot be read (${readingReason(cause)}); save the ` +
        `tokenizer again.`,
      { source: file },
      { cause },
    );
  }
}

/** A file of a tokenizer's folder, where it has one. throws  DataError for what is none, and a lost one */
export function existingFile(file: string): string | undefined {
  try {
    return hasRegular(file) ? file : undefined;
  } catch (cause) {
    throw new DataError(
      `Expected a file, or nothing, at ${file} but ${readingReason(cause)}; fetch or copy the whole ` +
        "folder",
      { source: file },
      { cause },
    );
  }
}

/** For a path that is no file: a pipe has nothing in it to look for. */
function checkFolder(folder: string): void {
  try {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) checkRegularFile(folder);
  } catch (cause) {
    throw new DataError(
      `Expected the folder of a tokenizer at ${folder} but ${readingReason(cause)}; give the folder or ` +
        "file that the tokenizer was saved in",
      { source: folder },
      { cause },
    );
  }
}

/** Every rule by name. */
export const textRules: readonly TextRules[] = [
  "file",
  "bert",
  "siglip",
  "siglip2",
  "tensorflow-text",
];

/**
 * The rules that the class in a tokenizer_config.json asks for, those of the file where it names
 * none that has its own.
 *
 * throws   SettingError for Gemma's class without a word on lower case: SigLIP 2 was published
 *          under it, and must be lower-cased where Gemma must not (transformers, pull request
 *          43101)
 */
export function rulesOf(
  { file, clean }: Pick<TokenizerJsonDescription, "file" | "clean">,
  config: TokenizerConfig,
): TextRules {
  switch (className(config)) {
    case "BertTokenizer":
      return "bert";
    case "SiglipTokenizer":
      return "siglip";
    case "Siglip2Tokenizer":
      return "siglip2";
    case "GemmaTokenizer":
      if (config.do_lower_case !== undefined) return config.do_lower_case ? "siglip2" : "file";
      if (clean !== undefined) return "file";
      throw new SettingError(
        "tokenizer.rules",
        `Expected tokenizer.rules for ${file}, whose GemmaTokenizer does not say whether text is ` +
          `lower-cased; set it to "siglip2" for a SigLIP 2 model (lower-cased) or to "file".`,
      );
    default:
      return "file";
  }
}
