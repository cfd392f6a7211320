/**
 * The kept library `@huggingface/tokenizers`: models, added tokens and post-processors of a
 * tokenizer.json. Its declarations do not resolve for Node's module rules, hence these.
 */
import * as module from "@huggingface/tokenizers";
import type { StepConfig } from "./step-config.ts";

/** The part of the library's tokenizer that is used here. */
export interface LibraryTokenizer {
  normalizer: ((text: string) => string) | null;
  pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
  /** Words to pieces; each word for itself. */
  model: {
    encode(words: string[]): string[];
    readonly tokens_to_ids: ReadonlyMap<string, number>;
    readonly unk_token?: string;
  };
  encode(text: string, options?: { add_special_tokens: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
  get_vocab(): Map<string, number>;
}

interface Library {
  Tokenizer: new (json: object, config: object) => LibraryTokenizer;
  SplitPreTokenizer: new (config: StepConfig) => { pattern: RegExp | null };
}

const library = module as unknown as Library;

/** A tokenizer of the library; it throws a plain Error where it does not know a step. */
export function createLibraryTokenizer(json: {
  model?: { type?: string; byte_fallback?: boolean };
  [key: string]: unknown;
}): LibraryTokenizer {
  const tokenizer = new library.Tokenizer(json, {});
  if (json.model?.type === "Unigram" && json.model.byte_fallback === true) {
    fallBackToBytes(tokenizer.model);
  }
  rememberWords(tokenizer.model);
  return tokenizer;
}

/** Characters that no piece holds become pieces of their bytes, which the library does for BPE only. */
function fallBackToBytes(model: LibraryTokenizer["model"]): void {
  const encode = model.encode.bind(model);
  const { tokens_to_ids: known, unk_token: unknown } = model;
  model.encode = (words) =>
    encode(words).flatMap((piece) => {
      // The name of the unknown piece, written in a text, is text.
      if (known.has(piece) && piece !== unknown) return [piece];
      const bytes = Array.from(
        new TextEncoder().encode(piece),
        (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
      );
      return bytes.every((name) => known.has(name)) ? bytes : [piece];
    });
}

const rememberedWords = 65_536;

/** Keeps the pieces of words: most words of a caption were seen before. */
function rememberWords(model: LibraryTokenizer["model"]): void {
  const encode = model.encode.bind(model);
  const known = new Map<string, string[]>();
  const encodeWord = (word: string): string[] => {
    const remembered = known.get(word);
    if (remembered !== undefined) return remembered;
    const pieces = encode([word]);
    if (known.size >= rememberedWords) known.clear();
    if (word.length <= 64) known.set(word, pieces);
    return pieces;
  };
  model.encode = (words) => words.flatMap(encodeWord);
}

/** The expression of a step's `pattern`, in JavaScript's dialect and global. */
export function compilePattern(config: StepConfig): RegExp {
  const { pattern } = new library.SplitPreTokenizer(config);
  if (pattern === null) throw new SyntaxError(`no pattern in a step of type ${config.type}`);
  return new RegExp(pattern.source, "gu");
}
