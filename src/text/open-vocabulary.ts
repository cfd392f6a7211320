/** Opens a vocabulary file of any kind by the rules of a family. Knows nothing about rows. */
import { basename } from "node:path";
import { DataError } from "../errors.ts";
import { readRegular, readTextFile } from "../files/regular-file.ts";
import type { PieceEncoder } from "./models/piece-model.ts";
import { readSentencePieceFile, type SentencePieceFile } from "./sentence-piece/model-file.ts";
import { openSentencePiece } from "./sentence-piece/open-sentence-piece.ts";
import { cleanSiglipText, openSiglip } from "./siglip-text.ts";
import { addedTokensOf, type TokenizerConfig, tokenName } from "./tokenizer-config.ts";
import type { TextRules } from "./tokenizer-description.ts";
import {
  bertNormalizer,
  fromBertVocabulary,
  openTensorFlowText,
  readBertVocabulary,
} from "./tokenizer-json/bert-vocabulary.ts";
import { lowerEach } from "./tokenizer-json/normalize.ts";
import { type AroundTexts, openTokenizerJson } from "./tokenizer-json/open-tokenizer-json.ts";
import {
  fileKind,
  readTokenizerJson,
  type TokenizerFile,
  unreadable,
} from "./tokenizer-json/tokenizer-file.ts";

/**
 * The vocabulary in a file, read by the rules of a family: tokenizer.json (or vocab.json beside
 * merges.txt), BERT's vocab.txt, or SentencePiece's `.model`.
 *
 * throws   DataError for a file that is missing, damaged, or of a kind that the rules do not read
 */
export async function openVocabulary(
  file: string,
  rules: TextRules,
  config: TokenizerConfig,
): Promise<PieceEncoder> {
  const kind = fileKind(file);
  if (!readable[rules].includes(kind)) {
    throw new DataError(
      `Expected a file of the kind ${readable[rules].join(" or ")} for the rules "${rules}" but ` +
        `received ${basename(file)}; set tokenizer.file to one, or tokenizer.rules to "file".`,
      { source: file },
    );
  }
  if (kind === ".model") return openModelFile(file, rules, config);
  if (kind === ".txt") return openBert(file, rules, config);
  const stored = await readTokenizerJson(file);
  const json = basename(file) === "vocab.json" ? withAdded(stored, config) : stored;
  // BERT's class makes its normalizer anew from the configuration.
  const changed = rules === "bert" ? { ...json, normalizer: bertNormalizer(config) } : json;
  return openTokenizerJson(changed, file, {
    before: before(rules, config),
    around: around(rules, config),
  });
}

/** What stands for a tokenizer.json has the tokens that the configuration adds. */
function withAdded(json: TokenizerFile, config: TokenizerConfig): TokenizerFile {
  const own = json.added_tokens as readonly { content: string }[];
  const known = new Set(own.map(({ content }) => content));
  const added = addedTokensOf(config).filter(({ content }) => !known.has(content));
  return { ...json, added_tokens: [...own, ...added] };
}

const readable: Readonly<Record<TextRules, readonly ReturnType<typeof fileKind>[]>> = {
  file: [".json", ".txt", ".model"],
  bert: [".json", ".txt"],
  siglip: [".json", ".model"],
  siglip2: [".json"],
  "tensorflow-text": [".txt"],
};

/** What a family does to text between special tokens before the file's own normalizer. */
function before(
  rules: TextRules,
  { do_lower_case: lowerCase = true }: TokenizerConfig,
): ((text: string) => string) | undefined {
  if (rules === "siglip2") return lowerEach;
  return rules === "siglip" ? (text) => cleanSiglipText(text, lowerCase) : undefined;
}

/** What stands around texts where the configuration, not the file, says so. */
function around(rules: TextRules, config: TokenizerConfig): AroundTexts | undefined {
  const { add_bos_token: start, add_eos_token: end } = config;
  if (rules !== "siglip2" || (start === undefined && end === undefined)) return undefined;
  return {
    inFront: start === true ? [tokenName(config.bos_token) ?? "<bos>"] : [],
    behind: end === true ? [tokenName(config.eos_token) ?? "<eos>"] : [],
  };
}

async function openBert(
  file: string,
  rules: TextRules,
  config: TokenizerConfig,
): Promise<PieceEncoder> {
  try {
    const ids = readBertVocabulary(readTextFile(file));
    if (rules === "tensorflow-text") return openTensorFlowText(ids);
    return openTokenizerJson(fromBertVocabulary(ids, config), file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

async function openModelFile(
  file: string,
  rules: TextRules,
  config: TokenizerConfig,
): Promise<PieceEncoder> {
  try {
    const model = readSentencePieceFile(readRegular(file));
    return rules === "siglip" ? openSiglip(model, config) : openRaw(model);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** SentencePiece's ids and the end of text; names of control symbols in a caption are text. */
function openRaw(file: SentencePieceFile): PieceEncoder {
  const processor = openSentencePiece(file);
  return {
    encode: (text) => processor.encode(text).map(({ id }) => id),
    inFront: [],
    behind: file.endId === undefined ? [] : [file.endId],
    endsOnce: false,
    vocabSize: processor.vocabSize,
    padId: file.padId,
    contextLength: undefined,
    readInFront: false,
    idOf: (name) => processor.ids.get(name),
  };
}
