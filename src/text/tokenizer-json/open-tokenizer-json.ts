/** A tokenizer.json as something that turns captions into ids: all of its steps put together. */
import { DataError } from "../../errors.ts";
import { once } from "../models/byte-pieces.ts";
import { type PieceEncoder, rememberWords, sizeOf } from "../models/piece-model.ts";
import { cutAtTokens, readAddedTokens } from "./added-tokens.ts";
import { byteIdsOf, createModel, modelType, unknownIdOf } from "./create-model.ts";
import { compileNormalizer } from "./normalize.ts";
import { compilePreTokenizer } from "./pre-tokenize.ts";
import { checkId, type StepConfig, unsupported } from "./step-config.ts";
import type { TokenizerFile } from "./tokenizer-file.ts";

/** Names of the tokens around every text. */
export interface AroundTexts {
  inFront: readonly string[];
  behind: readonly string[];
}

/** What a family changes of what the file says. */
export interface Changes {
  /** Text between special tokens before the file's normalizer. */
  before?: ((text: string) => string) | undefined;
  /** In place of the file's post-processor. */
  around?: AroundTexts | undefined;
}

/**
 * A tokenizer.json as Hugging Face's `tokenizers` runs it: added tokens are cut out, the rest
 * normalized, cut at added tokens of normalized text, cut into words, and these into pieces.
 *
 * throws   DataError for a file with steps that are not known, or without what its steps need
 */
export function openTokenizerJson(
  json: TokenizerFile,
  file: string,
  changes: Changes = {},
): PieceEncoder {
  try {
    return compile(json, changes);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(
      `Expected a tokenizer.json for ${file} but it cannot be used (${reason}); save it again ` +
        `with a recent version of Hugging Face's tokenizers.`,
      { source: file },
      { cause },
    );
  }
}

function compile(json: TokenizerFile, { before, around }: Changes): PieceEncoder {
  const config = json.model;
  if (typeof config !== "object" || config === null) throw new TypeError("no model");
  const model = rememberWords(createModel(config));
  const own = json.normalizer ? compileNormalizer(json.normalizer) : (text: string) => text;
  const normalize = (text: string): string => own(before?.(text) ?? text);
  const preTokenize = json.pre_tokenizer ? compilePreTokenizer(json.pre_tokenizer) : undefined;
  const added = readAddedTokens(json.added_tokens);
  const cut = cutAtTokens(added, normalize);
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  const idOf = (token: string): number | undefined => addedIds.get(token) ?? model.ids.get(token);
  const { inFront, behind } =
    around === undefined ? compileTemplate(json.post_processor) : templateOf(around, idOf);
  const encode = (text: string): number[] => {
    const ids: number[] = [];
    for (const part of cut(text)) {
      if (part.id !== undefined) {
        ids.push(part.id);
        continue;
      }
      const words = preTokenize?.(part.text, part.start === 0) ?? [part.text];
      for (const word of words) if (word !== "") for (const id of model.encode(word)) ids.push(id);
    }
    return ids;
  };
  return {
    encode,
    inFront,
    behind,
    endsOnce: false,
    vocabSize: sizeOf(model.ids.values(), addedIds.values()),
    padId: wholeNumber(json.padding?.pad_id),
    contextLength: wholeNumber(json.truncation?.max_length),
    readInFront: modelType(config) === "WordPiece" && inFront.length > 0,
    idOf,
    unknownId: unknownIdOf(config, model.ids),
    byteIds: once(() => byteIdsOf(config, model.ids, isByteLevel(json))),
  };
}

/** Whether words are written in the alphabet of bytes before the model sees them. */
function isByteLevel({ normalizer, pre_tokenizer: preTokenizer }: TokenizerFile): boolean {
  const has = (step: StepConfig | null | undefined): boolean => {
    if (step === null || step === undefined) return false;
    const inner = step["normalizers"] ?? step["pretokenizers"];
    return step.type === "ByteLevel" || (Array.isArray(inner) && (inner as StepConfig[]).some(has));
  };
  return has(normalizer) || has(preTokenizer);
}

function templateOf(
  { inFront, behind }: AroundTexts,
  idOf: (token: string) => number | undefined,
): Template {
  const find = (token: string): number => {
    const id = idOf(token);
    if (id === undefined) throw new TypeError(`no id of ${token}`);
    return id;
  };
  return { inFront: inFront.map(find), behind: behind.map(find) };
}

function wholeNumber(value: unknown): number | undefined {
  return value === undefined || value === null ? undefined : checkId(value);
}

/** The ids that stand around those of every text. */
interface Template {
  inFront: readonly number[];
  behind: readonly number[];
}

/** The post-processor of a tokenizer.json, as far as it concerns the ids of one text. */
function compileTemplate(config: StepConfig | null | undefined): Template {
  if (config === null || config === undefined) return { inFront: [], behind: [] };
  switch (config.type) {
    case "TemplateProcessing":
      return fromTemplate(config);
    case "BertProcessing":
    case "RobertaProcessing":
      return { inFront: [idOfPair(config, "cls")], behind: [idOfPair(config, "sep")] };
    case "ByteLevel":
      return { inFront: [], behind: [] };
    case "Sequence": {
      const steps = config["processors"];
      const templates = (Array.isArray(steps) ? (steps as StepConfig[]) : []).map(compileTemplate);
      return {
        inFront: templates.toReversed().flatMap(({ inFront }) => inFront),
        behind: templates.flatMap(({ behind }) => behind),
      };
    }
    default:
      return unsupported("post-processor", config.type);
  }
}

interface TemplateItem {
  SpecialToken?: { id: string };
  Sequence?: object;
}

function fromTemplate(config: StepConfig): Template {
  const items = config["single"];
  const named = config["special_tokens"] as Record<string, { ids?: unknown } | undefined> | null;
  if (!Array.isArray(items)) throw new TypeError("a template without a row of one text");
  const inFront: number[] = [];
  const behind: number[] = [];
  let side = inFront;
  for (const item of items as TemplateItem[]) {
    if (item.Sequence !== undefined) {
      if (side === behind) throw new TypeError("a template with a text in two places");
      side = behind;
      continue;
    }
    const ids = named?.[item.SpecialToken?.id ?? ""]?.ids;
    if (!Array.isArray(ids)) throw new TypeError("a template with a token of unknown id");
    side.push(...ids.map(checkId));
  }
  if (side === inFront) throw new TypeError("a template without the text");
  return { inFront, behind };
}

function idOfPair(config: StepConfig, key: string): number {
  const pair = config[key];
  return checkId(Array.isArray(pair) ? pair[1] : undefined);
}
