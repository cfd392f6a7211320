import { dirname, join } from "node:path";
import { DataError } from "../errors.ts";
import { readOptionalJson } from "./read-optional-json.ts";

/** A token as configurations of transformers name it. */
type NamedToken = string | { content?: string } | null;

/** What is read of a tokenizer_config.json. */
export interface TokenizerConfig {
  tokenizer_class?: string;
  model_max_length?: number;
  padding_side?: string;
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
  added_tokens_decoder?: Record<string, { content?: string } | undefined>;
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
  const [tokens, config] = await Promise.all(
    ["special_tokens_map.json", "tokenizer_config.json"].map(async (name) => {
      const value = await readOptionalJson<TokenizerConfig>(join(folder, name));
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
      throw new DataError(
        `Expected a JSON object in ${join(folder, name)} but received another value; save the ` +
          `tokenizer again.`,
        { source: join(folder, name) },
      );
    }),
  );
  return { ...tokens, ...config };
}

/** The name of a token, or undefined where the configuration has none. */
export function tokenName(token: NamedToken | undefined): string | undefined {
  const name = typeof token === "object" ? token?.content : token;
  return typeof name === "string" ? name : undefined;
}

/** T as the configuration says it, or undefined where it sets no limit. */
export function contextLengthOf({ model_max_length: length }: TokenizerConfig): number | undefined {
  return Number.isSafeInteger(length) ? limited(length) : undefined;
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
