/** The contents of a tokenizer.json, whatever kind of file a vocabulary is stored in. */
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { DataError } from "../../../errors.ts";
import { readOptionalJson } from "../read-optional-json.ts";
import { fromBertVocabulary, type BertSettings } from "./bert-vocabulary.ts";
import { fromSentencePiece } from "./sentence-piece.ts";
import type { StepConfig } from "./step-config.ts";

/** What is read of a tokenizer.json; the library reads the rest. */
export interface TokenizerFile {
  added_tokens?: AddedToken[];
  normalizer?: StepConfig | null;
  pre_tokenizer?: StepConfig | null;
  padding?: { pad_id?: number } | null;
  truncation?: { max_length?: number } | null;
  model?: { type?: string; byte_fallback?: boolean };
  [key: string]: unknown;
}

export interface AddedToken {
  content: string;
  normalized?: boolean;
}

/** Vocabularies that other projects store beside or instead of a tokenizer.json. */
export const vocabularyNames: readonly string[] = [
  "vocab.txt",
  "spiece.model",
  "sentencepiece.bpe.model",
  "tokenizer.model",
];

/**
 * Reads a tokenizer.json, BERT's `vocab.txt` (one piece per line, settings from the
 * tokenizer_config.json beside it) or SentencePiece's `.model` (unigram).
 *
 * throws   DataError for a file that is missing or none of these
 */
export async function readTokenizerFile(file: string): Promise<TokenizerFile> {
  try {
    switch (extname(file)) {
      case ".txt": {
        const config = join(dirname(file), "tokenizer_config.json");
        const settings = await readOptionalJson<BertSettings>(config);
        return fromBertVocabulary(await readFile(file, "utf8"), settings);
      }
      case ".model":
        return fromSentencePiece(await readFile(file));
      default:
        return await readJsonFile(file);
    }
  } catch (cause) {
    const what = [".txt", ".model"].includes(extname(file)) ? "a vocabulary" : "a tokenizer.json";
    const reason = cause instanceof Error ? ` (${cause.message})` : "";
    throw new DataError(
      `Expected ${what} for ${file} but could not read one${reason}; give the path of the file ` +
        `that Hugging Face's tokenizers saved, of BERT's vocab.txt or of SentencePiece's .model.`,
      { source: file },
      { cause },
    );
  }
}

async function readJsonFile(file: string): Promise<TokenizerFile> {
  const value: unknown = JSON.parse(await readFile(file, "utf8"));
  if (typeof value !== "object" || value === null) throw new TypeError("not an object");
  return value as TokenizerFile;
}

/** Whether a file is a tokenizer.json already. */
export function isTokenizerJson(file: string): boolean {
  return ![".txt", ".model"].includes(extname(basename(file)));
}
