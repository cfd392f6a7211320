/** Tokenizers from a description or from a model's folder. */
import { join } from "node:path";
import { DataError, SettingError } from "../errors.ts";
import type { Cleaning } from "./clean.ts";
import { createClipTokenizer } from "./clip-tokenizer.ts";
import {
  addedTokensOf,
  checkSides,
  className,
  contextLengthOf,
  existingFile,
  readFolderConfig,
  rulesOf,
  type TokenizerConfig,
  tokenName,
  vocabularySpecials,
} from "./tokenizer-config.ts";
import {
  checkDescription,
  type ClipBpeDescription,
  huggingFaceSpecialTokens,
  type Tokenizer,
  type TokenizerDescription,
  type TokenizerJsonDescription,
} from "./tokenizer-description.ts";
import type { AddedTokenSettings } from "./tokenizer-json/added-tokens.ts";
import { readTokenizerJson, vocabularyNames } from "./tokenizer-json/tokenizer-file.ts";
import { createVocabularyTokenizer } from "./vocabulary-tokenizer.ts";

/** What a folder's files leave open, or where they are to be overruled. */
export interface LoadTokenizerOptions {
  /** T, ids per row; often only the text tower knows it. */
  contextLength?: number;
  /** Id that fills a row. */
  padId?: number;
  clean?: Cleaning;
  /**
   * The class of transformers whose rules the files follow, where no tokenizer_config.json names
   * it: CLIPTokenizer, SiglipTokenizer, Siglip2Tokenizer, BertTokenizer; any other stands for what
   * the files say themselves.
   */
  tokenizerClass?: string;
}

/**
 * The tokenizer of a model folder, as the class in its tokenizer_config.json reads its files: CLIP's
 * (with OpenAI's cleaning, which Hugging Face's leaves out), SigLIP's, SigLIP 2's, BERT's; of other
 * classes what the tokenizer.json describes, else BERT's `vocab.txt` or SentencePiece's model.
 *
 * throws DataError for a folder without a tokenizer, or with damaged files; SettingError for one
 *        whose files leave open how they are read or how long rows are
 */
export async function loadTokenizer(
  folder: string,
  options: LoadTokenizerOptions = {},
): Promise<Tokenizer> {
  const { tokenizerClass, ...overrides } = options;
  const stored = await readFolderConfig(folder);
  const config = {
    ...stored,
    ...(tokenizerClass !== undefined && { tokenizer_class: tokenizerClass }),
  };
  const [merges, vocab, json] = ["merges.txt", "vocab.json", "tokenizer.json"].map((name) =>
    existingFile(join(folder, name)),
  );
  const saved = config.limn?.["kind"];
  const name = className(config);
  if (merges !== undefined && json !== undefined && name === undefined && saved === undefined) {
    throw new SettingError(
      "tokenizerClass",
      `Expected a tokenizer_class for ${folder}, whose merges.txt and tokenizer.json may or may not ` +
        `be CLIP's, but received none; load it with { tokenizerClass: "CLIPTokenizer" } for ` +
        `OpenAI's cleaning, or with "PreTrainedTokenizerFast" for what tokenizer.json says.`,
    );
  }
  const source = merges ?? (name === "CLIPTokenizer" ? json : undefined);
  const isClip =
    saved === undefined ? name === "CLIPTokenizer" || json === undefined : saved === "clip-bpe";
  if (source !== undefined && isClip) {
    return loadClip({ merges: source, vocab, json }, config, overrides);
  }
  const file = await vocabularyFile(folder, config);
  const description: TokenizerJsonDescription = { kind: "tokenizer.json", file, ...overrides };
  if (saved === undefined) description.rules = rulesFor(description, config);
  checkDescription(description);
  return createVocabularyTokenizer(description);
}

/** The file that the folder's class reads, or that limn saved. */
async function vocabularyFile(folder: string, config: TokenizerConfig): Promise<string> {
  const saved = config.limn?.["file"];
  const own = className(config) === "SiglipTokenizer" ? ["spiece.model"] : [];
  const named = typeof saved === "string" && fileNames.includes(saved) ? [saved] : [];
  for (const name of [...named, ...own, "tokenizer.json", ...vocabularyNames]) {
    const file = existingFile(join(folder, name));
    if (file !== undefined) return file;
  }
  throw new DataError(
    `Expected tokenizer.json, or merges.txt and vocab.json, in ${folder} but found none; copy the ` +
      `tokenizer's files beside the model.`,
    { source: folder },
  );
}

const fileNames = ["tokenizer.json", "vocab.json", ...vocabularyNames];

/** The rules of the class; SentencePiece's model alone could be read by several. */
function rulesFor(
  description: TokenizerJsonDescription,
  config: TokenizerConfig,
): NonNullable<TokenizerJsonDescription["rules"]> {
  if (description.file.endsWith(".model") && className(config) === undefined) {
    throw new SettingError(
      "tokenizerClass",
      `Expected a tokenizer_class for ${description.file} but its folder's tokenizer_config.json ` +
        `names none; load it with { tokenizerClass: "SiglipTokenizer" } for SigLIP, or with ` +
        `"SentencePiece" for what the model itself says.`,
    );
  }
  return rulesOf(description, config);
}

interface ClipFiles {
  merges: string;
  vocab: string | undefined;
  json: string | undefined;
}

/**
 * The tokens that a folder of CLIP's class adds to the vocabulary: those that its tokenizer.json lists, else
 * its configuration, and those of the vocabulary that have a part. Start and end of text are the
 * vocabulary's own.
 *
 * throws  DataError where rows are filled or cut in front
 */
export async function clipAddedTokens(
  { vocab, json }: Pick<ClipFiles, "vocab" | "json">,
  config: TokenizerConfig,
): Promise<AddedTokenSettings[]> {
  const file = json ?? vocab;
  const stored = file === undefined ? {} : await readTokenizerJson(file);
  checkSides(file ?? "", config, stored);
  const listed = json === undefined ? undefined : stored.added_tokens;
  const tokens = listed === undefined ? addedTokensOf(config) : (listed as AddedTokenSettings[]);
  const named = vocabularySpecials(stored.model?.["vocab"], config);
  return [...tokens, ...named.filter((one) => tokens.every((token) => isOther(one, token)))].filter(
    ({ content }) => !huggingFaceSpecialTokens.includes(content),
  );
}

function isOther(one: AddedTokenSettings, other: AddedTokenSettings): boolean {
  return one.content !== other.content;
}

async function loadClip(
  { merges, vocab, json }: ClipFiles,
  config: TokenizerConfig,
  overrides: Omit<LoadTokenizerOptions, "tokenizerClass">,
): Promise<Tokenizer> {
  const limit = contextLengthOf(config);
  const addedTokens = await clipAddedTokens({ vocab, json }, config);
  const description: ClipBpeDescription = {
    ...(addedTokens.length > 0 && { addedTokens }),
    specialTokens: huggingFaceSpecialTokens,
    ...(limit !== undefined && limit < 100_000 && { contextLength: limit }),
    ...(config.limn?.["kind"] === "clip-bpe" && config.limn),
    ...overrides,
    kind: "clip-bpe",
    merges,
    ...(vocab !== undefined && { vocab }),
  };
  checkDescription(description);
  return createClipTokenizer(description, padTokenOf(config));
}

/** The token that a folder of CLIP's class pads with; transformers has a default. */
export function padTokenOf(config: TokenizerConfig): string | undefined {
  const named = tokenName(config.pad_token);
  const end = huggingFaceSpecialTokens[1];
  return named ?? (className(config) === "CLIPTokenizer" ? end : undefined);
}

/**
 * A tokenizer from its description, in any thread.
 *
 * throws SettingError for a description with unknown keys or values; DataError for files that are
 * missing, damaged or of different models
 */
export async function createTokenizer(description: TokenizerDescription): Promise<Tokenizer> {
  checkDescription(description);
  return description.kind === "clip-bpe"
    ? createClipTokenizer(description)
    : createVocabularyTokenizer(description);
}
