import { readOptionalJson } from "./read-optional-json.ts";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../errors.ts";
import { createClipTokenizer } from "./clip-tokenizer.ts";
import { checkDescription, huggingFaceSpecialTokens } from "./description.ts";
import { createHuggingFaceTokenizer } from "./hugging-face.ts";
import { vocabularyNames } from "./hugging-face/tokenizer-file.ts";
import type { ClipBpeDescription, Tokenizer } from "./tokenizer.ts";

interface FolderConfig {
  tokenizer_class?: string;
  model_max_length?: number;
  limn?: Partial<ClipBpeDescription> & { kind?: string };
}

/**
 * The tokenizer of a model folder: CLIP's where its `merges.txt` or its configuration say so (with
 * OpenAI's cleaning, which Hugging Face's leaves out), else what its `tokenizer.json` describes,
 * else BERT's `vocab.txt` or SentencePiece's model.
 *
 * throws DataError for a folder without a tokenizer, or with damaged files
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const config = await readOptionalJson<FolderConfig>(join(folder, "tokenizer_config.json"));
  const [merges, vocab, json] = await Promise.all(
    ["merges.txt", "vocab.json", "tokenizer.json"].map((name) => existing(join(folder, name))),
  );
  const clip = config.tokenizer_class?.startsWith("CLIPTokenizer") === true;
  const source = merges ?? (clip ? json : undefined);
  const isClip = config.limn?.kind === "clip-bpe" || clip || json === undefined;
  if (source !== undefined && isClip) return loadClip(source, vocab, config);
  if (json !== undefined) return createHuggingFaceTokenizer({ kind: "tokenizer.json", file: json });
  for (const name of vocabularyNames) {
    const file = await existing(join(folder, name));
    if (file !== undefined) return createHuggingFaceTokenizer({ kind: "tokenizer.json", file });
  }
  throw new DataError(
    `Expected tokenizer.json, or merges.txt and vocab.json, in ${folder} but found none; copy the ` +
      `tokenizer's files beside the model.`,
    { source: folder },
  );
}

function loadClip(
  merges: string,
  vocab: string | undefined,
  { limn, model_max_length: length }: FolderConfig,
): Promise<Tokenizer> {
  // Older files write 1e30 for "no limit".
  const limit = length !== undefined && length < 100_000 ? length : undefined;
  const description: ClipBpeDescription = {
    specialTokens: huggingFaceSpecialTokens,
    ...(limit !== undefined && { contextLength: limit }),
    ...limn,
    kind: "clip-bpe",
    merges,
    ...(vocab !== undefined && { vocab }),
  };
  checkDescription(description);
  return createClipTokenizer(description);
}

async function existing(file: string): Promise<string | undefined> {
  return (await stat(file).catch(() => undefined))?.isFile() === true ? file : undefined;
}
