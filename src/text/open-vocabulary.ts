/** Opens a vocabulary file of any kind by the rules of a family. Knows nothing about rows. */
import { basename } from "node:path";
import { DataError } from "../errors.ts";
import { readRegular, readTextFile } from "../files/regular-file.ts";
import { fallbackIds, once } from "./models/byte-pieces.ts";
import type { PieceEncoder } from "./models/piece-model.ts";
import { readSentencePieceFile, type SentencePieceFile } from "./sentence-piece/model-file.ts";
import { openSentencePiece } from "./sentence-piece/open-sentence-piece.ts";
import { cleanSiglipText, openSiglip } from "./siglip-text.ts";
import {
  addedTokensOf,
  checkSides,
  type TokenizerConfig,
  tokenName,
  vocabularySpecials,
} from "./tokenizer-config.ts";
import type { TextRules } from "./tokenizer-description.ts";
import {
  bertNormalizer,
  fromBertVocabulary,
  openTensorFlowText,
  readBertVocabulary,
} from "./tokenizer-json/bert-vocabulary.ts";
import type { AddedTokenSettings } from "./tokenizer-json/added-tokens.ts";
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
  if (kind !== ".json") checkSides(file, config);
  if (kind === ".model") return openModelFile(file, rules, config);
  if (kind === ".txt") return openBert(file, rules, config);
  const stored = await readTokenizerJson(file);
  checkSides(file, config, stored);
  const added = basename(file) === "vocab.json" ? addedTokensOf(config) : [];
  const json = withAdded(stored, added, config);
  // BERT's class makes its normalizer anew from the configuration.
  const changed = rules === "bert" ? { ...json, normalizer: bertNormalizer(config) } : json;
  return openTokenizerJson(changed, file, {
    before: before(rules, config),
    around: around(rules, config),
  });
}

/** With the tokens that are added, and those of the vocabulary that the configuration gives a part to. */
function withAdded(
  json: TokenizerFile,
  added: readonly AddedTokenSettings[],
  config: TokenizerConfig,
): TokenizerFile {
  const own = Array.isArray(json.added_tokens) ? (json.added_tokens as AddedTokenSettings[]) : [];
  const listed = withoutKnown(own, added);
  const special = withoutKnown([...own, ...listed], vocabularySpecials(json.model?.vocab, config));
  if (listed.length + special.length === 0) return json;
  return { ...json, added_tokens: [...own, ...listed, ...special] };
}

function withoutKnown(
  known: readonly AddedTokenSettings[],
  tokens: readonly AddedTokenSettings[],
): AddedTokenSettings[] {
  const names = new Set(known.map((token) => token?.content));
  return tokens.filter(({ content }) => !names.has(content));
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
    unknownId: file.unknownId,
    byteIds: once(() => fallbackIds(processor.ids)),
  };
}
