/** The files that a vocabulary is stored in, and the contents of a tokenizer.json. */
import { basename, dirname, extname, join } from "node:path";
import { DataError } from "../../errors.ts";
import { readingReason, readJsonFile } from "../../files/regular-file.ts";
import { clipTokenizerFile, readMerges } from "./clip-files.ts";
import { huggingFaceSpecialTokens } from "../tokenizer-description.ts";
import { readVocabulary } from "./create-model.ts";
import type { StepConfig } from "./step-config.ts";

/** What is read of a tokenizer.json. */
export interface TokenizerFile {
  added_tokens?: unknown;
  normalizer?: StepConfig | null;
  pre_tokenizer?: StepConfig | null;
  post_processor?: StepConfig | null;
  padding?: { pad_id?: unknown; direction?: unknown } | null;
  truncation?: { max_length?: unknown; direction?: unknown } | null;
  model?: Readonly<Record<string, unknown>>;
  [key: string]: unknown;
}

/** Vocabularies that other projects store beside or instead of a tokenizer.json. */
export const vocabularyNames: readonly string[] = [
  "vocab.txt",
  "spiece.model",
  "sentencepiece.bpe.model",
  "tokenizer.model",
];

/** What a file is taken for: BERT's vocab.txt, SentencePiece's model, else JSON. */
export function fileKind(file: string): ".txt" | ".model" | ".json" {
  const kind = extname(basename(file));
  return kind === ".txt" || kind === ".model" ? kind : ".json";
}

/**
 * Reads a tokenizer.json, or what stands for it where a file is called vocab.json: CLIP's, of that
 * and of the merges.txt beside it.
 *
 * throws   DataError for a file that is missing or no such JSON
 */
export async function readTokenizerJson(file: string): Promise<TokenizerFile> {
  try {
    const value = readJsonFile(file);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new TypeError("not an object");
    }
    return basename(file) === "vocab.json"
      ? clipTokenizerFile(
          Object.fromEntries(readVocabulary(value)),
          await readMerges(join(dirname(file), "merges.txt")),
          { names: huggingFaceSpecialTokens },
        )
      : (value as TokenizerFile);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** The error for a file that cannot be read as what its name says. */
export function unreadable(file: string, cause: unknown): DataError {
  if (cause instanceof DataError) return cause;
  const what = fileKind(file) === ".json" ? "a tokenizer.json" : "a vocabulary";
  const reason = cause instanceof Error ? ` (${readingReason(cause)})` : "";
  return new DataError(
    `Expected ${what} for ${file} but could not read one${reason}; give the path of the file ` +
      `that Hugging Face's tokenizers saved, of BERT's vocab.txt or of SentencePiece's .model.`,
    { source: file },
    { cause },
  );
}
